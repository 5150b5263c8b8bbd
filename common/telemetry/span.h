/* Spans of OpenTelemetry traces: made here, sent by otlp.h. Where tracing is off, or a trace is not sampled, there
 * are no spans, and every function takes NULL for that. No patient's data in a span, ever. Safe from any thread. */
#ifndef COMMON_TELEMETRY_SPAN_H
#define COMMON_TELEMETRY_SPAN_H

#include "common/telemetry/otlp.pb-c.h"
#include "common/trace.h"

#define SPAN_ATTRIBUTES_MAX 24
/* Who a span is of, where another process says it: a writer's id, with "writer-" before it. */
#define SPAN_INSTANCE_MAX_BYTES 80

typedef Otlp__Span span_t;

#define SPAN_INTERNAL OTLP__SPAN_KIND__SPAN_KIND_INTERNAL
#define SPAN_SERVER   OTLP__SPAN_KIND__SPAN_KIND_SERVER
#define SPAN_PRODUCER OTLP__SPAN_KIND__SPAN_KIND_PRODUCER

/* The root of a new trace, sampled or not as OTEL_TRACES_SAMPLER has it. Zeroed where tracing is off. */
trace_context_t trace_begin(void);
/* A new span of the same trace. Zeroed where the parent is, or tracing is off. */
trace_context_t trace_child(const trace_context_t *parent);

/* How an object's span crosses the ring: its association's traceparent and its own span id as a number, 0: it has
 * no span of its own. */
uint64_t trace_span_number(const trace_context_t *trace);
/* Reads both; false where the object has no span of its own that is sampled. */
bool trace_of_object(trace_context_t *trace, const char *traceparent, uint64_t span);

/* A span that began at `start_ns`. `parent`: of its trace; NULL: it is the root. NULL where
 * `trace` is not sampled. */
span_t *span_new(const trace_context_t *trace, const trace_context_t *parent, const char *name, Otlp__SpanKind kind,
                 int64_t start_ns);
/* A text that is not UTF-8 is taken for Latin-1; NULL: no attribute. */
void span_text(span_t *span, const char *key, const char *value);
void span_number(span_t *span, const char *key, int64_t value);
/* Attributes network.peer.address and .port of "address:port" or "[address]:port". */
void span_peer(span_t *span, const char *peer);
/* Attribute error.type and status ERROR with `message` (NULL: none). */
void span_fail(span_t *span, const char *error_type, const char *message);
/* Ends it and gives it away to be exported. */
void span_end(span_t **self_p, int64_t end_ns);
/* The same for another process' span: `instance` is that one's service.instance.id; where that is no text of
 * SPAN_INSTANCE_MAX_BYTES at most, the span is thrown away. */
void span_end_of(span_t **self_p, int64_t end_ns, const char *instance);
/* All of that for a span with no attributes. */
void span_say(const trace_context_t *parent, const char *name, int64_t start_ns, int64_t end_ns);

#endif
