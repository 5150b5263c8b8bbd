#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "listener/custody/private.h"

static Ring__ObjectId id_of(const object_t *object) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = object->custody->stage->incarnation;
    id.association = object->context.association;
    id.object = object->context.object;
    return id;
}

/* --- sending ---------------------------------------------------------------------------------------- */

static bool has_room(const object_t *object) {
    uint64_t all = object->writer->awaited_bytes, own = object->share->awaited_bytes;
    if (own == 0)
        return true;
    return all < WRITER_WINDOW_BYTES && own <= WINDOW_SHARE_OF_FREE * (WRITER_WINDOW_BYTES - all);
}

/* Counts `now` awaited bytes instead of `before`. */
static void count_awaited(object_t *object, uint64_t before, uint64_t now) {
    object->writer->awaited_bytes += now - before;
    object->share->awaited_bytes += now - before;
}

/* Sends one chunk; false where the writer's queue takes nothing. */
static bool send_next(object_t *object) {
    chunk_t *chunk = object->unsent;
    Ring__ObjectId id = id_of(object);
    Ring__Chunk message = RING__CHUNK__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    message.offset = chunk->offset;
    message.writer = object->writer->incarnation;
    message.last = object->complete && !TAILQ_NEXT(chunk, next);
    message.header = chunk->offset == 0 ? &object->header : NULL;
    message.sent_at_ns = message.header && object->header.span ? clock_wall_ns() : 0;
    uint64_t end = chunk->offset + chunk->size;
    message.credit_wanted = !message.last && (object->streaming || end - object->asked >= CREDIT_BYTES ||
                                              suspects_any(object->custody));
    zmq_msg_t data;
    atomic_fetch_add(&chunk->holders, 1);
    must_hold(zmq_msg_init_data(&data, chunk->bytes, chunk->size, chunk_drop, chunk) == 0);
    if (ring_send_data(object->writer->outbox, &RING_ENVELOPE(CHUNK, chunk, &message), &data) != 0) {
        log_warn(&object->context, "can't send to %s: %s", object->writer->id, strerror(errno));
        zmq_msg_close(&data);
        return false; /* its silence is noticed, and the object goes to another */
    }
    uint64_t before = dispatch_awaited(object);
    if (message.credit_wanted || message.last)
        object->asked = end;
    object->sent = end;
    count_awaited(object, before, dispatch_awaited(object));
    object->unsent = TAILQ_NEXT(chunk, next);
    if (object->unsent == object->filling)
        object->unsent = NULL;
    return true;
}

void dispatch_pump(object_t *object) {
    while (dispatch_can_send(object)) {
        if (!has_room(object) || !suspects_allow(object, suspects_hold(object->custody, object->writer))) {
            object->writer->crowded = true;
            return;
        }
        if (!send_next(object))
            return;
    }
}

/* --- turns ------------------------------------------------------------------------------------------ */

/* The oldest waiting object with room, of the association next in turn. Notes whether any waits. */
static object_t *next_in_turn(custody_t *custody, writer_link_t *writer) {
    object_t *object, *next = NULL;
    bool held = suspects_hold(custody, writer);
    writer->crowded = false;
    TAILQ_FOREACH(object, &custody->objects, next) {
        if (object->writer != writer || !dispatch_can_send(object))
            continue;
        writer->crowded = true;
        if (!has_room(object) || !suspects_allow(object, held))
            continue;
        /* Numbers up to the last one's wrap around behind all others. */
        uint64_t turn = object->share->association - writer->served - 1;
        if (!next || turn < next->share->association - writer->served - 1)
            next = object;
    }
    return next;
}

/* Less is awaited of the writer: objects go on in their turn. */
static void go_on(custody_t *custody, writer_link_t *writer) {
    while (writer->crowded && !writer->lost) {
        object_t *object = next_in_turn(custody, writer);
        if (!object || !send_next(object))
            return;
        writer->served = object->share->association;
    }
}

/* What an earlier attempt had reached is no progress: else an object that never comes to its end, for a journal that
 * is full, say, would never be given up. */
static void note_progress(object_t *object, uint64_t reached) {
    if (reached <= object->reached)
        return;
    object->reached = reached;
    object->progress_ms = clock_ms();
}

void dispatch_credit(object_t *object, uint64_t taken) {
    uint64_t before = dispatch_awaited(object);
    object->taken = taken;
    note_progress(object, taken);
    count_awaited(object, before, dispatch_awaited(object));
    go_on(object->custody, object->writer);
    if (object->streaming)
        dispatch_stream(object);
    else
        dispatch_pump(object);
}

void dispatch_written(object_t *object, uint64_t token) {
    uint64_t before = dispatch_awaited(object);
    object->written = true;
    object->token = token;
    object->taken = object->sent;
    note_progress(object, object->received + 1);
    if (object->streaming)
        chunk_free_until(object, object->taken);
    count_awaited(object, before, dispatch_awaited(object));
    go_on(object->custody, object->writer);
}

void dispatch_stream(object_t *object) {
    object->streaming = true;
    /* Credit may have been asked for long ago; a chunk that grows slowly would hold its memory for as long. */
    if (object->filling && object->filling->size > 0)
        chunk_seal(object);
    chunk_free_until(object, object->taken);
    dispatch_pump(object);
}

/* --- with a writer, and without --------------------------------------------------------------------- */

bool dispatch_may_assign(const writer_link_t *writer) {
    return !writer->leaving && !writer->lost;
}

/* Among equals the one with fewer associations, so that associations beginning while all are idle are spread. */
static bool has_less_outstanding(const writer_link_t *writer, const writer_link_t *than) {
    if (writer->outstanding_bytes != than->outstanding_bytes)
        return writer->outstanding_bytes < than->outstanding_bytes;
    if (writer->outstanding_objects != than->outstanding_objects)
        return writer->outstanding_objects < than->outstanding_objects;
    return writer->associations < than->associations;
}

static writer_link_t *least_outstanding(custody_t *custody) {
    writer_link_t *writer, *best = NULL;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (dispatch_may_assign(writer) && (!best || has_less_outstanding(writer, best)))
        best = writer;
    return best;
}

/* What a writer has to learn of a series it learns once: its folder, and whether the notifier knows it. Another one
 * would have to learn it, too, and on NFS that is several round trips. So an association stays with its writer
 * while that one has a thread for the object and the others' bytes don't keep it waiting. */
static writer_link_t *last_with_room(const object_t *object) {
    writer_link_t *writer = object->share->writer;
    size_t threads = (size_t)object->custody->stage->settings.writer_operations;
    bool has_room = writer && dispatch_may_assign(writer) && writer->outstanding_objects < threads &&
                    writer->outstanding_bytes < WRITER_WINDOW_BYTES / 2;
    return has_room ? writer : NULL;
}

void dispatch_assign(object_t *object) {
    writer_link_t *writer = last_with_room(object);
    if (!writer)
        writer = least_outstanding(object->custody);
    object->writer = writer;
    object->attempt++;
    object->sent = object->taken = object->asked = 0;
    object->written = false;
    object->notifier = object->custody->notifier_incarnation;
    object->unsent = TAILQ_FIRST(&object->chunks);
    if (object->unsent == object->filling)
        object->unsent = NULL;
    if (!writer)
        return;
    share_stay_with(object->share, writer);
    writer->outstanding_bytes += object->received;
    writer->outstanding_objects++;
    dispatch_pump(object);
}

void dispatch_release(const custody_t *custody, writer_link_t *writer, uint64_t incarnation) {
    Ring__Released released = RING__RELEASED__INIT;
    released.listener = custody->stage->incarnation;
    released.incarnation = incarnation;
    if (ring_send(writer->outbox, &RING_ENVELOPE(RELEASED, released, &released)) != 0)
        log_warn(NULL, "can't release %s: %s", writer->id, strerror(errno));
}

void dispatch_release_if_done(const custody_t *custody, writer_link_t *writer) {
    if (writer->leaving && !writer->lost && writer->outstanding_objects == 0)
        dispatch_release(custody, writer, writer->incarnation);
}

static void leave_writer(object_t *object) {
    writer_link_t *writer = object->writer;
    if (!writer)
        return;
    count_awaited(object, dispatch_awaited(object), 0);
    object->writer = NULL;
    writer->outstanding_bytes -= object->received;
    writer->outstanding_objects--;
    go_on(object->custody, writer);
    dispatch_release_if_done(object->custody, writer);
}

void dispatch_cancel(const object_t *object) {
    if (!object->writer)
        return;
    Ring__ObjectId id = id_of(object);
    Ring__Cancel message = RING__CANCEL__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    if (ring_send(object->writer->outbox, &RING_ENVELOPE(CANCEL, cancel, &message)) != 0)
        log_warn(&object->context, "can't cancel at %s: %s", object->writer->id, strerror(errno));
}

static void refuse_deadly(object_t *object, const char *why) {
    static const char comment[] = "its writer died or hung each time that it had this object";
    log_error(&object->context, "%s, for the %u. time with this object from %s: A700", why, object->deaths,
              object->header.peer);
    dispatch_answer(object, (response_t){STATUS_OUT_OF_RESOURCES, 0, comment});
}

/* A writer refuses it without reading it, and keeps it in the quarantine if there is one. */
static void mark_deadly(object_t *object) {
    if (object->header.unread)
        return;
    object->header.unread = true;
    metric_add(METRIC_OBJECTS_DEADLY, NULL, 1);
    log_error(
        &object->context,
        "a writer died or hung %u times with this object from %s, calling AE \"%s\": it is refused unread, A700",
        object->deaths, object->header.peer, object->header.calling_ae);
}

void dispatch_redeliver(object_t *object, const char *why) {
    if (object->failed)
        return;
    /* A living writer would keep its part of this attempt, and its temporary file, for ever. */
    dispatch_cancel(object);
    leave_writer(object);
    if (!object->whole) {
        log_warn(&object->context, "%s, and the object is too large to be kept for another: A700", why);
        dispatch_answer(object,
                        (response_t){STATUS_OUT_OF_RESOURCES, 0, "storage lost the object, please send it again"});
        return;
    }
    if (object->deaths > SUSPECT_DEATHS_MAX) {
        refuse_deadly(object, why);
        return;
    }
    if (object->deaths == SUSPECT_DEATHS_MAX)
        mark_deadly(object);
    if (object->sent > 0)
        metric_add(METRIC_REDELIVERIES, NULL, 1);
    dispatch_assign(object);
    log_info(&object->context, "%s: attempt %u goes to %s", why, object->attempt,
             object->writer ? object->writer->id : "the next writer that appears");
}

/* --- the end ---------------------------------------------------------------------------------------- */

void dispatch_withdraw(object_t *object) {
    custody_t *custody = object->custody;
    suspects_forget(object);
    leave_writer(object);
    chunk_free_all(object);
    zhashx_delete(custody->by_number, &object->context.object);
    TAILQ_REMOVE(&custody->objects, object, next);
}

void dispatch_answer(object_t *object, response_t response) {
    char *kept = must(strdup(response.error_comment ? response.error_comment : ""));
    free((void *)object->response.error_comment);
    object->response = response;
    object->response.error_comment = kept;
    if (object->complete) {
        dispatch_withdraw(object);
        TAILQ_INSERT_TAIL(&object->custody->answered, object, next);
        return;
    }
    /* The peer is still sending it: the answer waits, the memory need not. */
    object->failed = true;
    suspects_forget(object);
    leave_writer(object);
    chunk_free_all(object);
}
