/* One object in custody: its chunks, its window, its attempts. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/metrics.h"
#include "common/telemetry/span.h"
#include "listener/custody/custody.h"

/* A chunk begins this small and grows, so that a small object does not take a whole one from the budget. */
#define CHUNK_FIRST_BYTES ((size_t)16 * 1024)

/* --- the budget ------------------------------------------------------------------------------------- */

budget_t *budget_new(void) {
    budget_t *budget = calloc(1, sizeof *budget);
    if (!budget)
        abort();
    budget->holders = 1;
    return budget;
}

void budget_drop(budget_t *budget) {
    if (budget && atomic_fetch_sub(&budget->holders, 1) == 1)
        free(budget);
}

share_t *share_new(uint64_t association) {
    share_t *share = calloc(1, sizeof *share);
    if (!share)
        abort();
    *share = (share_t){.association = association, .holders = 1};
    return share;
}

void share_drop(share_t *share) {
    if (share && --share->holders == 0)
        free(share);
}

/* --- chunks ----------------------------------------------------------------------------------------- */

/* A new last chunk. */
static chunk_t *add_chunk(object_t *object, size_t capacity) {
    chunk_t *chunk = calloc(1, sizeof *chunk);
    uint8_t *bytes = malloc(capacity ? capacity : 1);
    if (!chunk || !bytes)
        abort();
    chunk->holders = 1;
    chunk->budget = object->custody->budget;
    chunk->offset = object->received;
    chunk->capacity = capacity;
    chunk->bytes = bytes;
    atomic_fetch_add(&chunk->budget->holders, 1);
    atomic_fetch_add(&chunk->budget->held_bytes, capacity);
    object->share->held_bytes += capacity;
    TAILQ_INSERT_TAIL(&object->chunks, chunk, next);
    object->filling = chunk;
    return chunk;
}

/* Called by the object and, as a zmq_free_fn, by ZeroMQ's thread; whoever is last frees. */
static void chunk_drop(void *bytes, void *hint) {
    (void)bytes;
    chunk_t *chunk = hint;
    if (atomic_fetch_sub(&chunk->holders, 1) > 1)
        return;
    atomic_fetch_sub(&chunk->budget->held_bytes, chunk->capacity);
    budget_drop(chunk->budget);
    free(chunk->bytes);
    free(chunk);
}

/* Only while nobody else holds it. */
static void resize_chunk(object_t *object, chunk_t *chunk, size_t capacity) {
    uint8_t *bytes = realloc(chunk->bytes, capacity ? capacity : 1);
    if (!bytes)
        abort();
    atomic_fetch_add(&chunk->budget->held_bytes, capacity);
    atomic_fetch_sub(&chunk->budget->held_bytes, chunk->capacity);
    object->share->held_bytes += capacity - chunk->capacity;
    chunk->bytes = bytes;
    chunk->capacity = capacity;
}

static void free_chunk(object_t *object, chunk_t *chunk) {
    if (object->unsent == chunk)
        object->unsent = TAILQ_NEXT(chunk, next);
    if (object->filling == chunk)
        object->filling = NULL;
    TAILQ_REMOVE(&object->chunks, chunk, next);
    object->share->held_bytes -= chunk->capacity;
    object->whole = false;
    chunk_drop(NULL, chunk);
}

static void free_chunks(object_t *object) {
    for (chunk_t *chunk; (chunk = TAILQ_FIRST(&object->chunks));)
        free_chunk(object, chunk); /* NOLINT: the analyzer does not see that TAILQ_REMOVE changes the first */
}

/* The chunk that grows becomes one that can be sent. */
static void seal(object_t *object) {
    chunk_t *chunk = object->filling;
    object->filling = NULL;
    if (chunk->size < chunk->capacity)
        resize_chunk(object, chunk, chunk->size);
    if (!object->unsent)
        object->unsent = chunk;
}

/* Room for at least one byte at the end of the object. */
static chunk_t *chunk_with_room(object_t *object, size_t wanted) {
    chunk_t *chunk = object->filling;
    if (!chunk) {
        size_t capacity = wanted < CHUNK_FIRST_BYTES && object->received == 0 ? CHUNK_FIRST_BYTES : wanted;
        chunk = add_chunk(object, object->received || capacity > CHUNK_BYTES ? CHUNK_BYTES : capacity);
    } else if (chunk->size == chunk->capacity) {
        resize_chunk(object, chunk, 4 * chunk->capacity < CHUNK_BYTES ? 4 * chunk->capacity : CHUNK_BYTES);
    }
    return chunk;
}

/* --- life ------------------------------------------------------------------------------------------- */

static char *copy_text(const char *text) {
    char *copy = strdup(text ? text : "");
    if (!copy)
        abort();
    return copy;
}

object_t *custody_begin(custody_t *custody, share_t *share, const Ring__ObjectHeader *header, void *owner) {
    object_t *object = calloc(1, sizeof *object);
    if (!object)
        abort();
    object->custody = custody;
    object->share = share;
    share->holders++;
    object->owner = owner;
    object->context = (log_context_t){.association = share->association, .object = ++custody->objects_begun};
    object->header = (Ring__ObjectHeader)RING__OBJECT_HEADER__INIT;
    object->header.calling_ae = copy_text(header->calling_ae);
    object->header.called_ae = copy_text(header->called_ae);
    object->header.sop_class_uid = copy_text(header->sop_class_uid);
    object->header.sop_instance_uid = copy_text(header->sop_instance_uid);
    object->header.transfer_syntax_uid = copy_text(header->transfer_syntax_uid);
    object->header.peer = copy_text(header->peer);
    object->header.traceparent = copy_text(header->traceparent);
    object->header.span = header->span;
    object->whole = true;
    object->progress_ms = clock_ms();
    TAILQ_INIT(&object->chunks);
    TAILQ_INSERT_TAIL(&custody->objects, object, next);
    zhashx_insert(custody->by_number, &object->context.object, object);
    object_assign(object);
    return object;
}

static void leave_writer(object_t *object) {
    writer_t *writer = object->writer;
    if (!writer)
        return;
    object->writer = NULL;
    writer->outstanding_bytes -= object->received;
    writer->outstanding_objects--;
    writer_has_answered(object->custody, writer, object_awaited(object));
    writer_release_if_done(object->custody, writer);
}

void object_destroy(object_t **self_p) {
    object_t *object = *self_p;
    leave_writer(object);
    free_chunks(object);
    share_drop(object->share);
    zhashx_delete(object->custody->by_number, &object->context.object);
    TAILQ_REMOVE(&object->custody->objects, object, next);
    free(object->header.calling_ae);
    free(object->header.called_ae);
    free(object->header.sop_class_uid);
    free(object->header.sop_instance_uid);
    free(object->header.transfer_syntax_uid);
    free(object->header.peer);
    free(object->header.traceparent);
    free((void *)object->response.error_comment);
    free(object);
    *self_p = NULL;
}

/* So many bytes have been put at the end of the chunk that grows. */
static void grow(object_t *object, size_t size) {
    chunk_t *chunk = object->filling;
    chunk->size += size;
    object->received += size;
    if (object->writer)
        object->writer->outstanding_bytes += size;
    if (chunk->size == CHUNK_BYTES)
        seal(object);
}

static void go_on(object_t *object) {
    object->progress_ms = clock_ms();
    if (object->received > RETAIN_MAX_BYTES && !object->streaming)
        object_stream(object);
    object_pump(object);
}

void object_append(object_t *object, const uint8_t *bytes, size_t size) {
    if (object->failed)
        return;
    while (size > 0) {
        chunk_t *chunk = chunk_with_room(object, size);
        size_t part = chunk->capacity - chunk->size < size ? chunk->capacity - chunk->size : size;
        memcpy(chunk->bytes + chunk->size, bytes, part);
        grow(object, part);
        bytes += part;
        size -= part;
    }
    go_on(object);
}

uint8_t *object_reserve(object_t *object, size_t *room) {
    if (object->failed || object->received == 0)
        return NULL;
    chunk_t *chunk = chunk_with_room(object, CHUNK_BYTES);
    *room = chunk->capacity - chunk->size;
    return chunk->bytes + chunk->size;
}

void object_placed(object_t *object, size_t size) {
    grow(object, size);
    go_on(object);
}

void object_finish(object_t *object) {
    object->complete = true;
    object->progress_ms = clock_ms();
    if (object->failed) {
        object_settle(object, object->response.status, object->response.offending_element,
                      object->response.error_comment);
        return;
    }
    /* The last chunk says that it is the last, so there must be one, if need be an empty one. */
    if (!object->filling)
        add_chunk(object, 0);
    seal(object);
    object_pump(object);
}

static void cancel(object_t *object) {
    if (!object->writer)
        return;
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = object->custody->stage->incarnation;
    id.association = object->context.association;
    id.object = object->context.object;
    Ring__Cancel message = RING__CANCEL__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    if (ring_send(object->writer->outbox, &RING_ENVELOPE(CANCEL, cancel, &message)) != 0)
        log_warn(&object->context, "can't cancel at %s: %s", object->writer->id, strerror(errno));
}

void object_abandon(object_t *object) {
    cancel(object);
    object_destroy(&object);
}

void object_settle(object_t *object, uint16_t status, uint32_t offending_element, const char *comment) {
    if (object->complete) {
        response_t response = {status, offending_element, comment};
        object->custody->settled(object->owner, &response);
        object_destroy(&object);
        return;
    }
    /* The peer is still sending it: the answer waits, the memory need not. */
    char *kept = copy_text(comment);
    free((void *)object->response.error_comment);
    object->response = (response_t){status, offending_element, kept};
    object->failed = true;
    leave_writer(object);
    free_chunks(object);
}

void object_give_up(object_t *object, uint16_t status, const char *comment) {
    cancel(object);
    object_settle(object, status, 0, comment);
}

/* --- sending ---------------------------------------------------------------------------------------- */

/* Returns 0, or -1 where the writer's queue takes nothing. */
static int send_chunk(object_t *object, chunk_t *chunk) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = object->custody->stage->incarnation;
    id.association = object->context.association;
    id.object = object->context.object;
    Ring__Chunk message = RING__CHUNK__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    message.offset = chunk->offset;
    message.writer = object->writer->incarnation;
    message.last = object->complete && !TAILQ_NEXT(chunk, next);
    message.header = chunk->offset == 0 ? &object->header : NULL;
    message.sent_at_ns = message.header && object->header.span ? clock_wall_ns() : 0;
    uint64_t end = chunk->offset + chunk->size;
    message.credit_wanted = !message.last && (object->streaming || end - object->asked >= CREDIT_BYTES);
    zmq_msg_t data;
    atomic_fetch_add(&chunk->holders, 1);
    if (zmq_msg_init_data(&data, chunk->bytes, chunk->size, chunk_drop, chunk) != 0)
        abort();
    if (ring_send_data(object->writer->outbox, &RING_ENVELOPE(CHUNK, chunk, &message), &data) != 0) {
        zmq_msg_close(&data);
        return -1;
    }
    uint64_t awaited = object_awaited(object);
    if (message.credit_wanted || message.last)
        object->asked = end;
    object->sent = end;
    object->writer->awaited_bytes += object_awaited(object) - awaited;
    return 0;
}

uint64_t object_awaited(const object_t *object) {
    return object->asked > object->taken ? object->asked - object->taken : 0;
}

bool object_can_send(const object_t *object) {
    return object->writer && object->unsent && object->sent - object->taken < OBJECT_WINDOW_BYTES;
}

bool object_send_next(object_t *object) {
    chunk_t *chunk = object->unsent;
    if (send_chunk(object, chunk) != 0) {
        log_warn(&object->context, "can't send to %s: %s", object->writer->id, strerror(errno));
        return false; /* its silence is noticed, and the object goes to another */
    }
    object->unsent = TAILQ_NEXT(chunk, next);
    if (object->unsent == object->filling)
        object->unsent = NULL;
    return true;
}

void object_pump(object_t *object) {
    while (object_can_send(object)) {
        if (!writer_has_room(object->writer)) {
            object->writer->crowded = true;
            return;
        }
        if (!object_send_next(object))
            return;
    }
}

void object_assign(object_t *object) {
    writer_t *writer = writers_least_outstanding(object->custody);
    object->writer = writer;
    object->attempt++;
    object->sent = object->taken = object->asked = 0;
    object->unsent = TAILQ_FIRST(&object->chunks);
    if (object->unsent == object->filling)
        object->unsent = NULL;
    if (!writer)
        return;
    writer->outstanding_bytes += object->received;
    writer->outstanding_objects++;
    object_pump(object);
}

void object_redeliver(object_t *object, const char *why) {
    if (object->failed)
        return;
    /* A writer that lives would keep what it has of this attempt, and its temporary file, for ever. */
    cancel(object);
    leave_writer(object);
    if (!object->whole) {
        log_warn(&object->context, "%s, and the object is too large to be kept for another: A700", why);
        object_settle(object, STATUS_OUT_OF_RESOURCES, 0, "storage lost the object, please send it again");
        return;
    }
    if (object->sent > 0)
        metric_add(METRIC_REDELIVERIES, NULL, 1);
    object_assign(object);
    log_info(&object->context, "%s: attempt %u goes to %s", why, object->attempt,
             object->writer ? object->writer->id : "the next writer that appears");
}

void object_stream(object_t *object) {
    if (object->failed)
        return;
    object->streaming = true;
    /* Credit may have been asked for long ago; a chunk that grows slowly would hold its memory for as long. */
    if (object->filling && object->filling->size > 0)
        seal(object);
    for (chunk_t *chunk = TAILQ_FIRST(&object->chunks), *following; chunk; chunk = following) {
        following = TAILQ_NEXT(chunk, next);
        if (chunk == object->filling || chunk->offset + chunk->size > object->taken)
            break;
        free_chunk(object, chunk);
    }
    object_pump(object);
}
