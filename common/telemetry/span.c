#include "common/telemetry/span.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/memory.h"
#include "common/telemetry/otlp.h"
#include "common/telemetry/otlp_message.h"
#include "common/utf8.h"

/* --- contexts ---------------------------------------------------------------------------------------- */

/* Random and not zero, which stands for none; false where there is no randomness. */
static bool fill(uint8_t *id, size_t size) {
    if (getrandom(id, size, 0) != (ssize_t)size)
        return false;
    id[size - 1] |= 1;
    return true;
}

trace_context_t trace_begin(void) {
    trace_context_t trace = {0};
    if (!otlp_tracing() || !fill(trace.trace_id, TRACE_ID_BYTES) || !fill(trace.span_id, SPAN_ID_BYTES))
        return (trace_context_t){0};
    trace.sampled = otlp_samples(&trace);
    return trace;
}

trace_context_t trace_child(const trace_context_t *parent) {
    trace_context_t trace = *parent;
    if (!otlp_tracing() || !trace_is_set(parent) || !fill(trace.span_id, SPAN_ID_BYTES))
        return (trace_context_t){0};
    return trace;
}

uint64_t trace_span_number(const trace_context_t *trace) {
    uint64_t number;
    memcpy(&number, trace->span_id, sizeof number);
    return number;
}

bool trace_of_object(trace_context_t *trace, const char *traceparent, uint64_t span) {
    if (span == 0 || !otlp_tracing() || !traceparent_read(trace, traceparent))
        return false;
    memcpy(trace->span_id, &span, sizeof span);
    return trace->sampled;
}

/* --- spans: allocated as protobuf-c unpacks them, so that it can free them -------------------------------- */

static ProtobufCBinaryData bytes_of(const uint8_t *id, size_t size) {
    ProtobufCBinaryData data = {size, must(malloc(size))};
    memcpy(data.data, id, size);
    return data;
}

span_t *span_new(const trace_context_t *trace, const trace_context_t *parent, const char *name, Otlp__SpanKind kind,
                 int64_t start_ns) {
    if (!trace->sampled || !otlp_tracing())
        return NULL;
    span_t *span = must(malloc(sizeof *span));
    otlp__span__init(span);
    span->trace_id = bytes_of(trace->trace_id, TRACE_ID_BYTES);
    span->span_id = bytes_of(trace->span_id, SPAN_ID_BYTES);
    if (parent)
        span->parent_span_id = bytes_of(parent->span_id, SPAN_ID_BYTES);
    span->name = must(strdup(name));
    span->kind = kind;
    span->start_time_unix_nano = (uint64_t)start_ns;
    span->flags = 1; /* sampled */
    span->attributes = must(calloc(SPAN_ATTRIBUTES_MAX, sizeof(Otlp__KeyValue *)));
    return span;
}

/* NULL where there is no span, or no room. */
static Otlp__AnyValue *add(span_t *span, const char *key) {
    if (!span || span->n_attributes == SPAN_ATTRIBUTES_MAX)
        return NULL;
    Otlp__KeyValue *attribute = otlp_message_attribute(key);
    span->attributes[span->n_attributes++] = attribute;
    return attribute->value;
}

void span_text(span_t *span, const char *key, const char *value) {
    Otlp__AnyValue *added = value ? add(span, key) : NULL;
    if (added)
        otlp_message_set_text(added, value);
}

void span_number(span_t *span, const char *key, int64_t value) {
    Otlp__AnyValue *added = add(span, key);
    if (!added)
        return;
    added->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
    added->int_value = value;
}

void span_peer(span_t *span, const char *peer) {
    const char *colon = strrchr(peer, ':');
    size_t bracket = *peer == '[';
    if (!span || !colon || (size_t)(colon - peer) < 2 * bracket)
        return;
    char *address = must(strndup(peer + bracket, (size_t)(colon - peer) - 2 * bracket));
    span_text(span, "network.peer.address", address);
    span_number(span, "network.peer.port", atoi(colon + 1));
    free(address);
}

void span_fail(span_t *span, const char *error_type, const char *message) {
    if (!span)
        return;
    span_text(span, "error.type", error_type);
    if (!span->status) {
        span->status = must(malloc(sizeof *span->status));
        otlp__status__init(span->status);
        span->status->code = OTLP__STATUS_CODE__STATUS_CODE_ERROR;
        if (message && utf8_valid(message, strlen(message)))
            span->status->message = must(strdup(message));
    }
}

/* `instance`: NULL: this process. */
static void end(span_t **self_p, int64_t end_ns, const char *instance) {
    span_t *span = *self_p;
    *self_p = NULL;
    if (!span)
        return;
    /* The clock may have been set back. */
    span->end_time_unix_nano =
        (uint64_t)end_ns > span->start_time_unix_nano ? (uint64_t)end_ns : span->start_time_unix_nano;
    otlp_take(span, instance);
}

void span_end(span_t **self_p, int64_t end_ns) {
    end(self_p, end_ns, NULL);
}

void span_end_of(span_t **self_p, int64_t end_ns, const char *instance) {
    size_t size = strlen(instance);
    if (size <= SPAN_INSTANCE_MAX_BYTES && utf8_valid(instance, size)) {
        end(self_p, end_ns, instance);
    } else if (*self_p) {
        otlp__span__free_unpacked(*self_p, NULL);
        *self_p = NULL;
    }
}

void span_say(const trace_context_t *parent, const char *name, int64_t start_ns, int64_t end_ns) {
    trace_context_t trace = trace_child(parent);
    span_t *span = span_new(&trace, parent, name, SPAN_INTERNAL, start_ns);
    span_end(&span, end_ns);
}
