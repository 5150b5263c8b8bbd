#include "listener/dimse/operations.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "common/telemetry/span.h"

/* --- life -------------------------------------------------------------------------------------------- */

static void message_destroy(message_t *message) {
    if (message->traced.begun_ns)
        tracing_end_object(message->association, &message->traced, message->command.affected_sop_class_uid,
                           message->command.affected_sop_instance_uid);
    if (message->answerable)
        object_forget(message->object);
    command_clear(&message->command);
    free(message);
}

void operations_drop_partial(association_t *a) {
    if (a->receiving) {
        if (a->receiving->object)
            object_abandon(a->receiving->object);
        message_destroy(a->receiving);
        a->receiving = NULL;
    }
    a->command_set_size = 0;
}

void operations_clear(association_t *a) {
    operations_drop_partial(a);
    for (message_t *message; (message = TAILQ_FIRST(&a->unanswered));) {
        TAILQ_REMOVE(&a->unanswered, message, next);
        message_destroy(message);
    }
}

/* --- answers ------------------------------------------------------------------------------------------ */

static void respond(association_t *a, message_t *message, response_t response) {
    if (message->traced.begun_ns)
        tracing_answered(a, &message->traced, response.status);
    if (!association_is_served(a->state) || message->silent)
        return;
    pdu_t pdu = response_build(&message->command, response, message->context_id, a->peer_max_pdu_length);
    association_send(a, pdu.bytes, pdu.size); /* DT-1; once a release is asked for, AR-7 */
    free(pdu.bytes);
}

static void count_outcome(association_t *a, const message_t *message, const response_t *response) {
    const char *comment = response->error_comment ? response->error_comment : "";
    char status[8];
    snprintf(status, sizeof status, "%04X", response->status);
    metric_add(METRIC_C_STORE_RESPONSES, status, 1);
    metric_observe(METRIC_C_STORE_TIME, clock_us() - message->began_us);
    if (response->status == STATUS_SUCCESS) {
        a->stored++;
        if (!message->object)
            return;
        a->site->stored_count++;
        /* Only who has stored something: anybody can call himself anything. */
        metric_add(METRIC_OBJECTS_STORED, a->calling_ae, 1);
        metric_add(METRIC_OBJECT_BYTES_STORED, a->calling_ae, message->object->received);
        return;
    }
    a->refused++;
    const char *uid = message->command.affected_sop_instance_uid;
    recent_add(&a->site->recent, a, status, comment, uid);
    uint64_t left_out = 0;
    /* Storage that is full refuses every object. */
    if (response->status == STATUS_OUT_OF_RESOURCES && !log_rarely(&a->site->said_out_of_resources, &left_out))
        return;
    if (association_may_log(a, LEVEL_WARN))
        log_warn(message->object ? &message->object->context : &a->context,
                 "instance %.*s: C-STORE answered %s%s%s", UID_MAX_BYTES, *uid ? uid : "(none)", status,
                 *comment ? ": " : "", comment);
    if (left_out)
        log_warn(NULL, "C-STORE was answered A700 %llu more %s since the last such line",
                 (unsigned long long)left_out, plural(left_out, "time", "times"));
}

static void answer(association_t *a, message_t *message) {
    TAILQ_REMOVE(&a->unanswered, message, next);
    a->unanswered_count--;
    respond(a, message, message->response);
    message_destroy(message);
}

/* Writers store several objects at once. A peer that did not negotiate asynchronous operations (PS3.7 D.3.3.3) and
 * sends on without waiting gets its responses in the order of its requests all the same. */
static void answer_in_order(association_t *a) {
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ */
    for (message_t *first; (first = TAILQ_FIRST(&a->unanswered)) && first->answerable;)
        answer(a, first);
}

static void on_answered(object_t *object) {
    message_t *message = object->owner;
    association_t *a = message->association;
    message->response = object->response;
    message->answerable = true;
    count_outcome(a, message, &message->response);
    if (a->operations > 1)
        answer(a, message);
    else
        answer_in_order(a);
    association_on_answered(a);
}

void operations_answer(site_t *site) {
    while (!TAILQ_EMPTY(&site->custody->answered))
        on_answered(custody_take_answered(site->custody));
}

/* --- requests ----------------------------------------------------------------------------------------- */

/* The data set of the message is complete. */
static void finish_message(association_t *a) {
    message_t *message = a->receiving;
    a->receiving = NULL;
    /* Who came to store keeps no place by asking whether we are there. */
    if (message->command.field != C_ECHO_RQ || a->only_verification)
        patience_on_message(&a->patience);
    if (message->command.field == C_STORE_RQ)
        metric_observe(METRIC_RECEIVE_TIME, clock_us() - message->began_us);
    if (message->traced.begun_ns)
        tracing_received(&message->traced);
    if (message->object) {
        TAILQ_INSERT_TAIL(&a->unanswered, message, next);
        a->unanswered_count++;
        object_finish(message->object);
        return;
    }
    if (message->command.field == C_STORE_RQ && !message->silent)
        count_outcome(a, message, &message->response);
    respond(a, message, message->response);
    message_destroy(message);
}

static object_t *begin_object(association_t *a, message_t *message) {
    const presentation_context_t *context = &(*a->contexts)[message->context_id];
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = a->calling_ae;
    header.called_ae = a->called_ae;
    header.sop_class_uid = message->command.affected_sop_class_uid;
    header.sop_instance_uid = message->command.affected_sop_instance_uid;
    header.transfer_syntax_uid = (char *)(uintptr_t)context->transfer_syntax;
    header.peer = a->peer;
    char traceparent[TRACEPARENT_BYTES];
    traceparent_write(&a->context.trace, traceparent);
    header.traceparent = traceparent;
    header.span = trace_span_number(&message->traced.trace);
    a->owes_end = true;
    object_t *object = object_begin(a->site->custody, a->share, &header, message);
    object->context.trace = header.span ? message->traced.trace : a->context.trace;
    message->traced.number = object->context.object;
    return object;
}

static void begin_store(association_t *a, message_t *message) {
    const char *expected = (*a->contexts)[message->context_id].abstract_syntax;
    tracing_begin_object(a, &message->traced);
    if (!message->command.has_data_set)
        message->response = (response_t){STATUS_CANNOT_UNDERSTAND, 0, "the C-STORE has no data set"};
    else if (strcmp(message->command.affected_sop_class_uid, expected) != 0)
        message->response =
            (response_t){STATUS_SOP_CLASS_NOT_SUPPORTED, 0, "SOP class is not of the presentation context"};
    else
        message->object = begin_object(a, message);
}

/* A whole command set has arrived: decides about its data set and the response. */
static void begin_message(association_t *a, uint8_t context_id) {
    message_t *message = must(calloc(1, sizeof *message));
    message->association = a;
    message->began_us = clock_us();
    message->context_id = context_id;
    bool understood = command_read(&message->command, a->command_set, a->command_set_size);
    a->command_set_size = 0;
    a->receiving = message;
    if (!understood) {
        association_abort(a, ABORT_INVALID_PARAMETER, "a malformed command set");
        return;
    }
    if (message->command.field == C_STORE_RQ)
        begin_store(a, message);
    else if (message->command.field == C_ECHO_RQ)
        message->response = (response_t){STATUS_SUCCESS, 0, NULL};
    else if (message->command.field == C_CANCEL_RQ || (message->command.field & COMMAND_IS_RESPONSE))
        message->silent = true; /* nothing of ours to cancel, nothing that we asked for */
    else
        message->response = (response_t){STATUS_UNRECOGNIZED_OPERATION, 0, NULL};
    if (!message->command.has_data_set)
        finish_message(a);
}

static void on_command_fragment(association_t *a, const stream_event_t *event) {
    if (a->receiving || (a->command_set_size > 0 && event->context_id != a->command_context_id)) {
        association_abort(a, ABORT_UNEXPECTED_PDU, "a command within a message");
        return;
    }
    if (event->size > COMMAND_SET_MAX_BYTES - a->command_set_size) {
        association_abort(a, ABORT_INVALID_PARAMETER, "a command set longer than any legal one");
        return;
    }
    if (!a->command_set)
        a->command_set = must(malloc(COMMAND_SET_MAX_BYTES));
    memcpy(a->command_set + a->command_set_size, event->bytes, event->size);
    a->command_set_size += event->size;
    a->command_context_id = event->context_id;
    if (event->ends_message)
        begin_message(a, event->context_id);
}

static void count_data(association_t *a, size_t size) {
    a->bytes += size;
    a->site->received_bytes += size;
    metric_add(METRIC_RECEIVED_BYTES, NULL, size);
    a->receiving->traced.bytes += size;
}

static void on_data_fragment(association_t *a, const stream_event_t *event) {
    if (!a->receiving || event->context_id != a->receiving->context_id) {
        association_abort(a, ABORT_UNEXPECTED_PDU, "a data set without a command");
        return;
    }
    count_data(a, event->size);
    if (a->receiving->object && event->size > 0)
        object_append(a->receiving->object, event->bytes, event->size);
    if (event->ends_message)
        finish_message(a);
}

void operations_on_placed(association_t *a, size_t size, bool ends_object) {
    count_data(a, size);
    object_placed(a->receiving->object, size);
    if (ends_object)
        finish_message(a);
}

void operations_on_fragment(association_t *a, const stream_event_t *event) {
    if (!(*a->contexts)[event->context_id].abstract_syntax)
        association_abort(a, ABORT_INVALID_PARAMETER, "a presentation context that was not accepted");
    else if (event->is_command)
        on_command_fragment(a, event);
    else
        on_data_fragment(a, event);
}
