#include "listener/ul/tracing.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/telemetry/span.h"

static const char *const OUTCOMES[] = {
    [OUTCOME_OPEN] = "open",
    [OUTCOME_RELEASED] = "released",
    [OUTCOME_REJECTED] = "rejected",
    [OUTCOME_ABORTED_BY_PEER] = "aborted_by_peer",
    [OUTCOME_ABORTED_BY_OXIDICOM] = "aborted_by_oxidicom",
    [OUTCOME_TIMED_OUT] = "timed_out",
    [OUTCOME_CONNECTION_LOST] = "connection_lost",
};

static bool is_traced(const association_t *a) {
    return trace_is_set(&a->context.trace);
}

/* --- the association ----------------------------------------------------------------------------------- */

void tracing_begin(association_t *a) {
    a->context.trace = trace_begin();
    if (is_traced(a))
        a->traced.begun_ns = clock_wall_ns();
}

static void tell_notifier(association_t *a, bool over) {
    char traceparent[TRACEPARENT_BYTES];
    Ring__AssociationTraced message = RING__ASSOCIATION_TRACED__INIT;
    traceparent_write(&a->context.trace, traceparent);
    message.association = a->context.association;
    message.traceparent = traceparent;
    message.started_at_ns = a->traced.begun_ns;
    message.calling_ae = a->calling_ae;
    message.called_ae = a->called_ae;
    message.peer = a->peer;
    message.over = over;
    custody_association_traced(a->site->custody, &message);
}

void tracing_accepted(association_t *a, size_t proposed, size_t accepted) {
    if (!a->context.trace.sampled)
        return;
    trace_context_t trace = trace_child(&a->context.trace);
    span_t *span = span_new(&trace, &a->context.trace, "A-ASSOCIATE", SPAN_INTERNAL, a->traced.requested_ns);
    span_number(span, "dicom.presentation_contexts.proposed", (int64_t)proposed);
    span_number(span, "dicom.presentation_contexts.accepted", (int64_t)accepted);
    span_text(span, "oxidicom.security", connection_security(&a->connection));
    span_end(&span, clock_wall_ns());
    a->traced.told = true;
    tell_notifier(a, false);
}

void tracing_say_again(association_t *a) {
    if (a->traced.told)
        tell_notifier(a, false);
}

void tracing_outcome(association_t *a, const char *how) {
    if (!is_traced(a))
        return;
    a->traced.ended_ns = clock_wall_ns();
    if (!a->traced.why && a->outcome != OUTCOME_RELEASED)
        a->traced.why = must(strdup(how));
}

static void set_counts(span_t *span, const association_t *a) {
    span_number(span, "oxidicom.association", (int64_t)a->context.association);
    span_number(span, "oxidicom.objects.stored", (int64_t)a->stored);
    span_number(span, "oxidicom.objects.refused", (int64_t)a->refused);
    span_number(span, "oxidicom.bytes", (int64_t)a->bytes);
    if (a->traced.summed == 0)
        return;
    span_number(span, "oxidicom.objects.summed", (int64_t)a->traced.summed);
    span_number(span, "oxidicom.objects.summed.duration_us", a->traced.summed_ns / 1000);
}

static void say_span(association_t *a) {
    span_t *span = span_new(&a->context.trace, NULL, "association", SPAN_SERVER, a->traced.begun_ns);
    const char *outcome = OUTCOMES[a->outcome];
    span_text(span, "network.transport", "tcp");
    span_text(span, "network.protocol.name", "dicom");
    span_peer(span, a->peer);
    span_text(span, "dicom.calling_ae_title", a->calling_ae);
    span_text(span, "dicom.called_ae_title", a->called_ae);
    set_counts(span, a);
    span_text(span, "oxidicom.outcome", outcome);
    span_text(span, "oxidicom.outcome.reason", a->traced.why);
    if (a->outcome != OUTCOME_RELEASED)
        span_fail(span, outcome, a->traced.why);
    span_end(&span, a->traced.ended_ns);
}

void tracing_end(association_t *a) {
    if (a->context.trace.sampled && a->any_input) {
        if (a->outcome == OUTCOME_OPEN) { /* the process ends */
            a->outcome = OUTCOME_ABORTED_BY_OXIDICOM;
            tracing_outcome(a, "oxidicom ends");
        }
        say_span(a);
    }
    if (a->traced.told)
        tell_notifier(a, true);
    free(a->traced.why);
}

/* --- its objects --------------------------------------------------------------------------------------- */

void tracing_begin_object(association_t *a, traced_object_t *object) {
    if (!a->context.trace.sampled)
        return;
    object->begun_ns = clock_wall_ns();
    if (a->traced.object_spans < (uint64_t)a->site->stage->settings.otel_object_spans) {
        a->traced.object_spans++;
        object->trace = trace_child(&a->context.trace);
    }
}

void tracing_received(traced_object_t *object) {
    if (object->begun_ns)
        object->received_ns = clock_wall_ns();
}

void tracing_answered(association_t *a, traced_object_t *object, uint16_t status) {
    object->answered = true;
    object->status = status;
    /* The last response may come after the end of the connection. */
    if (object->begun_ns && a->outcome != OUTCOME_OPEN)
        a->traced.ended_ns = clock_wall_ns();
}

void tracing_end_object(association_t *a, const traced_object_t *object, const char *sop_class_uid,
                        const char *sop_instance_uid) {
    if (!object->begun_ns)
        return;
    int64_t now_ns = clock_wall_ns();
    if (!trace_is_set(&object->trace)) {
        a->traced.summed++;
        a->traced.summed_ns += now_ns - object->begun_ns;
        return;
    }
    char status[5];
    if (object->received_ns)
        span_say(&object->trace, "receive", object->begun_ns, object->received_ns);
    span_t *span = span_new(&object->trace, &a->context.trace, "C-STORE", SPAN_SERVER, object->begun_ns);
    span_text(span, "dicom.sop_class_uid", sop_class_uid);
    span_text(span, "dicom.sop_instance_uid", sop_instance_uid);
    span_number(span, "oxidicom.bytes", (int64_t)object->bytes);
    if (object->number)
        span_number(span, "oxidicom.object", (int64_t)object->number);
    snprintf(status, sizeof status, "%04X", object->status);
    if (object->answered)
        span_text(span, "dicom.status", status);
    if (!object->answered)
        span_fail(span, "abandoned", NULL);
    else if (object->status != STATUS_SUCCESS)
        span_fail(span, status, NULL);
    span_end(&span, now_ns);
}
