/* The exporter of spans: a bounded queue, a thread of its own that sends it in batches to the collector by OTLP,
 * over gRPC or HTTP (https://opentelemetry.io/docs/specs/otlp/). Ending a span never waits: a span without room is
 * dropped and counted. One per process. */
#ifndef COMMON_TELEMETRY_OTLP_H
#define COMMON_TELEMETRY_OTLP_H

#include "common/sandbox.h"
#include "common/settings.h"
#include "common/telemetry/otlp.pb-c.h"
#include "common/trace.h"

/* Spans that wait for the collector of traces, more are dropped; and how many go in one request, how often at
 * least. */
#define OTLP_QUEUE_SPANS 2048
#define OTLP_BATCH_SPANS 512
#define OTLP_BATCH_MS    1000
/* What the end of a process waits for the collector. */
#define OTLP_FLUSH_MS 2000

/* Allows the listener what the exporter needs of the network and of files, where the settings name a collector. */
void otlp_confine(const settings_t *settings, sandbox_t *sandbox);
/* Starts it where the settings name a collector and OTEL_SDK_DISABLED is not true; a bad OTEL_ variable is logged
 * and counts as unset. `instance`: for service.instance.id. Before any span. */
void otlp_start(const settings_t *settings, const char *instance);
/* Sends the rest, at most OTLP_FLUSH_MS, and ends the thread. Also if it was not started. */
void otlp_stop(void);

/* Spans that were dropped so far, for want of room or since the collector did not take them. */
uint64_t otlp_dropped(void);

/* --- for span.c --- */

/* Whether there is an exporter. */
bool otlp_tracing(void);
/* Whether a trace that begins here is sampled. */
bool otlp_samples(const trace_context_t *trace);
/* Takes the span. `instance`: service.instance.id of the process that it is of, copied; NULL: this one. */
void otlp_take(Otlp__Span *span, const char *instance);

#endif
