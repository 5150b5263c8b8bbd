#include "notifier/journal/batch.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/telemetry/span.h"

typedef struct owed_object {
    uint64_t listener;
    Ring__ObjectAck ack; /* comment owned */
} owed_object_t;

typedef struct owed_end {
    uint64_t listener, association;
} owed_end_t;

typedef struct owed_message {
    enum { OWED_COUNT, OWED_ERROR, OWED_DONE } kind;
    int64_t reception;
    char *calling_ae, *series_uid, *text; /* owned; text only of errors */
    uint32_t count;
} owed_message_t;

typedef struct journaled {
    trace_context_t object;
    int64_t began_ns;
} journaled_t;

struct batch {
    owed_object_t *objects;
    owed_end_t *ends;
    owed_message_t *messages;
    journaled_t *journaled;
    size_t journaled_count;
    size_t objects_count, ends_count, messages_count;
    bool late;
    log_limit_t complained;
};

batch_t *batch_new(void) {
    batch_t *batch = calloc(1, sizeof *batch);
    if (!batch)
        abort();
    return batch;
}

void batch_destroy(batch_t **self_p) {
    batch_t *batch = *self_p;
    if (!batch)
        return;
    batch_drop(batch);
    free(batch->objects);
    free(batch->ends);
    free(batch->messages);
    free(batch->journaled);
    free(batch);
    *self_p = NULL;
}

static char *copy(const char *text) {
    char *copied = strdup(text ? text : "");
    if (!copied)
        abort();
    return copied;
}

void batch_acknowledge_object(batch_t *batch, const Ring__ObjectId *object, uint32_t status,
                              uint32_t offending_element, const char *error_comment) {
    batch->objects = grown(batch->objects, batch->objects_count, sizeof *batch->objects);
    owed_object_t *owed = &batch->objects[batch->objects_count++];
    owed->listener = object->listener;
    ring__object_ack__init(&owed->ack);
    owed->ack.object = object->object;
    owed->ack.status = status;
    owed->ack.offending_element = offending_element;
    owed->ack.error_comment = copy(error_comment);
}

void batch_acknowledge_end(batch_t *batch, uint64_t listener, uint64_t association) {
    batch->ends = grown(batch->ends, batch->ends_count, sizeof *batch->ends);
    batch->ends[batch->ends_count++] = (owed_end_t){listener, association};
}

void batch_trace(batch_t *batch, const char *traceparent, uint64_t span) {
    trace_context_t object;
    if (!trace_of_object(&object, traceparent, span))
        return;
    batch->journaled = grown(batch->journaled, batch->journaled_count, sizeof *batch->journaled);
    batch->journaled[batch->journaled_count++] = (journaled_t){object, clock_wall_ns()};
}

void batch_mark_late(batch_t *batch) {
    batch->late = true;
}

bool batch_has_late(const batch_t *batch) {
    return batch->late;
}

static void owe_message(batch_t *batch, owed_message_t message, const char *calling_ae, const char *series_uid) {
    batch->messages = grown(batch->messages, batch->messages_count, sizeof *batch->messages);
    message.calling_ae = copy(calling_ae);
    message.series_uid = copy(series_uid);
    batch->messages[batch->messages_count++] = message;
}

void batch_count(batch_t *batch, int64_t reception, const char *calling_ae, const char *series_uid,
                 uint32_t count) {
    owed_message_t message = {.kind = OWED_COUNT, .reception = reception, .count = count};
    owe_message(batch, message, calling_ae, series_uid);
}

void batch_error(batch_t *batch, const char *calling_ae, const char *series_uid, const char *text) {
    owed_message_t message = {.kind = OWED_ERROR, .text = copy(text)};
    owe_message(batch, message, calling_ae, series_uid);
}

void batch_done(batch_t *batch, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count) {
    owed_message_t message = {.kind = OWED_DONE, .reception = reception, .count = count};
    owe_message(batch, message, calling_ae, series_uid);
}

/* Moves what is owed to this listener into the message. The arrays of `message` have room for all. */
static void collect(batch_t *batch, uint64_t listener, Ring__Acknowledged *message) {
    message->listener = listener;
    message->n_objects = message->n_associations = 0;
    for (size_t i = 0; i < batch->objects_count; i++)
        if (batch->objects[i].listener == listener)
            message->objects[message->n_objects++] = &batch->objects[i].ack;
    for (size_t i = 0; i < batch->ends_count; i++)
        if (batch->ends[i].listener == listener)
            message->associations[message->n_associations++] = batch->ends[i].association;
}

static void send_acknowledged(batch_t *batch, zsock_t *outbox, Ring__Acknowledged *message) {
    /* A queue that is full for want of a listener: the next one has another incarnation and waits for none of it.
     */
    if (ring_send(outbox, &RING_ENVELOPE(ACKNOWLEDGED, acknowledged, message)) != 0 &&
        log_seldom(&batch->complained, NULL))
        log_warn(NULL, "the listener takes no acknowledgements: %s", strerror(errno));
}

/* Listeners of objects and of ends, without repetition: nearly always one. */
static void acknowledge(batch_t *batch, zsock_t *outbox) {
    if (batch->objects_count + batch->ends_count == 0)
        return;
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.objects = calloc(batch->objects_count + 1, sizeof *message.objects);
    message.associations = calloc(batch->ends_count + 1, sizeof *message.associations);
    uint64_t *told = calloc(batch->objects_count + batch->ends_count + 1, sizeof *told);
    if (!message.objects || !message.associations || !told)
        abort();
    size_t told_count = 0;
    for (size_t i = 0; i < batch->objects_count + batch->ends_count; i++) {
        uint64_t listener =
            i < batch->objects_count ? batch->objects[i].listener : batch->ends[i - batch->objects_count].listener;
        bool known = false;
        for (size_t k = 0; k < told_count && !known; k++)
            known = told[k] == listener;
        if (known)
            continue;
        told[told_count++] = listener;
        collect(batch, listener, &message);
        send_acknowledged(batch, outbox, &message);
    }
    free(told);
    free(message.associations);
    free(message.objects);
}

static void say(const owed_message_t *owed, progress_t *progress, int64_t now_ms) {
    switch (owed->kind) {
    case OWED_COUNT:
        progress_count(progress, owed->reception, owed->calling_ae, owed->series_uid, owed->count, now_ms);
        break;
    case OWED_ERROR:
        progress_error(progress, owed->calling_ae, owed->series_uid, owed->text);
        break;
    case OWED_DONE:
        progress_done(progress, owed->reception, owed->calling_ae, owed->series_uid, owed->count);
        break;
    }
}

void batch_settle(batch_t *batch, zsock_t *listener, progress_t *progress, int64_t now_ms) {
    int64_t committed_ns = batch->journaled_count ? clock_wall_ns() : 0;
    acknowledge(batch, listener);
    for (size_t i = 0; i < batch->journaled_count; i++)
        span_say(&batch->journaled[i].object, "journal", batch->journaled[i].began_ns, committed_ns);
    for (size_t i = 0; i < batch->messages_count; i++)
        say(&batch->messages[i], progress, now_ms);
    batch_drop(batch);
}

void batch_drop(batch_t *batch) {
    for (size_t i = 0; i < batch->objects_count; i++)
        free(batch->objects[i].ack.error_comment);
    for (size_t i = 0; i < batch->messages_count; i++) {
        free(batch->messages[i].calling_ae);
        free(batch->messages[i].series_uid);
        free(batch->messages[i].text);
    }
    batch->objects_count = batch->ends_count = batch->messages_count = batch->journaled_count = 0;
    batch->late = false;
}
