#include "listener/custody/custody.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "proto/reply.h"

/* Alives of a dead notifier's time need not queue up. */
#define NOTIFIER_QUEUE_MESSAGES 1000

static size_t hash_number(const void *key) {
    return (size_t)(*(const uint64_t *)key * 0x9E3779B97F4A7C15u);
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int custody_start(custody_t *custody, stage_t *stage, void (*settled)(void *, const response_t *)) {
    custody->stage = stage;
    custody->settled = settled;
    custody->budget = budget_new();
    TAILQ_INIT(&custody->writers);
    TAILQ_INIT(&custody->objects);
    TAILQ_INIT(&custody->ended);
    custody->by_number = zhashx_new();
    zhashx_set_key_hasher(custody->by_number, hash_number);
    zhashx_set_key_comparator(custody->by_number, compare_numbers);
    zhashx_set_key_duplicator(custody->by_number, NULL);
    zhashx_set_key_destructor(custody->by_number, NULL);
    custody->notifier = ring_outbox_new(stage->settings.run_dir, "notifier", NOTIFIER_QUEUE_MESSAGES);
    return custody->notifier ? 0 : EXIT_SETTINGS;
}

void custody_clear(custody_t *custody) {
    for (object_t *object; (object = TAILQ_FIRST(&custody->objects));)
        object_destroy(&object);
    for (ended_t *ended; (ended = TAILQ_FIRST(&custody->ended));) {
        TAILQ_REMOVE(&custody->ended, ended, next);
        free(ended);
    }
    writers_clear(custody);
    zhashx_destroy(&custody->by_number);
    zsock_destroy(&custody->notifier);
    budget_drop(custody->budget);
    custody->budget = NULL;
}

bool custody_idle(const custody_t *custody) {
    return TAILQ_EMPTY(&custody->objects) && TAILQ_EMPTY(&custody->ended);
}

/* --- what the listener may hold --------------------------------------------------------------------- */

/* Receiving RECEIVE_BYTES may complete one chunk and begin another. */
static bool has_room(custody_t *custody) {
    size_t held = atomic_load(&custody->budget->held_bytes);
    return held + 2 * (size_t)CHUNK_BYTES <= (size_t)custody->stage->settings.buffer_size_bytes;
}

/* The buffer is full: the largest object that is still being received gives up being kept whole. */
static void make_room(custody_t *custody) {
    object_t *object, *largest = NULL;
    TAILQ_FOREACH(object, &custody->objects, next)
    if (!object->complete && !object->failed && !object->streaming &&
        (!largest || object->received > largest->received))
        largest = object;
    if (!largest)
        return;
    log_debug(&largest->context, "OXIDICOM_BUFFER_SIZE is used up: no longer kept whole");
    object_stream(largest);
}

/* One fast peer must leave room for the others: what an association may hold shrinks with what is free
 * (Choudhury and Hahne, Dynamic queue length thresholds, 1998). */
static bool is_within_share(custody_t *custody, const share_t *share) {
    size_t held = atomic_load(&custody->budget->held_bytes),
           all = (size_t)custody->stage->settings.buffer_size_bytes;
    size_t free_bytes = held < all ? all - held : 0;
    return share->held_bytes <= BUFFER_SHARE_OF_FREE * free_bytes;
}

static bool is_large_for_the_buffer(custody_t *custody, const object_t *object) {
    size_t held = atomic_load(&custody->budget->held_bytes);
    return object->received > RETAIN_CROWDED_BYTES && held > (size_t)custody->stage->settings.buffer_size_bytes / 2;
}

size_t custody_room(custody_t *custody, const share_t *share, object_t *object) {
    if (object && object->failed)
        return RECEIVE_BYTES;
    if (object && object->received - object->taken >= OBJECT_WINDOW_BYTES)
        return 0;
    if (!has_room(custody))
        make_room(custody);
    if (object && !object->streaming &&
        (is_large_for_the_buffer(custody, object) || !is_within_share(custody, share)))
        object_stream(object);
    if (has_room(custody) && is_within_share(custody, share))
        return RECEIVE_BYTES;
    /* What a chunk has already taken from the buffer may be filled; then it can be sent, credited and freed. */
    return object && object->filling ? object->filling->capacity - object->filling->size : 0;
}

/* --- association ends ------------------------------------------------------------------------------- */

static void say_ended(custody_t *custody, ended_t *ended, int64_t now_ms) {
    Ring__AssociationEnded message = RING__ASSOCIATION_ENDED__INIT;
    message.listener = custody->stage->incarnation;
    message.association = ended->association;
    if (ring_send(custody->notifier, &RING_ENVELOPE(ASSOCIATION_ENDED, association_ended, &message)) == 0)
        ended->said_ms = now_ms;
}

void custody_association_ended(custody_t *custody, uint64_t association) {
    ended_t *ended = calloc(1, sizeof *ended);
    if (!ended)
        abort();
    ended->association = association;
    TAILQ_INSERT_TAIL(&custody->ended, ended, next);
    say_ended(custody, ended, clock_ms());
}

static void forget_ended(custody_t *custody, uint64_t association) {
    ended_t *ended;
    TAILQ_FOREACH(ended, &custody->ended, next)
    if (ended->association == association) {
        TAILQ_REMOVE(&custody->ended, ended, next);
        free(ended);
        return;
    }
}

void custody_association_traced(custody_t *custody, Ring__AssociationTraced *message) {
    message->listener = custody->stage->incarnation;
    /* A full queue means that there is no notifier; it will be told what is open when there is. */
    (void)!ring_send(custody->notifier, &RING_ENVELOPE(ASSOCIATION_TRACED, association_traced, message));
}

/* --- messages --------------------------------------------------------------------------------------- */

static object_t *find_object(custody_t *custody, uint64_t number) {
    object_t *object = zhashx_lookup(custody->by_number, &number);
    return object && !object->failed ? object : NULL;
}

void custody_on_credit(custody_t *custody, const Ring__Credit *credit) {
    if (!credit->object || credit->object->listener != custody->stage->incarnation)
        return;
    object_t *object = find_object(custody, credit->object->object);
    if (!object || credit->attempt != object->attempt || credit->taken <= object->taken ||
        credit->taken > object->sent)
        return;
    uint64_t awaited = object_awaited(object);
    object->taken = credit->taken;
    object->progress_ms = clock_ms();
    writer_has_answered(custody, object->writer, awaited - object_awaited(object));
    if (object->streaming)
        object_stream(object);
    else
        object_pump(object);
}

void custody_on_acknowledged(custody_t *custody, const Ring__Acknowledged *acknowledged) {
    if (acknowledged->listener != custody->stage->incarnation)
        return;
    for (size_t i = 0; i < acknowledged->n_objects; i++) {
        const Ring__ObjectAck *ack = acknowledged->objects[i];
        object_t *object = find_object(custody, ack->object);
        if (object)
            object_settle(object, (uint16_t)ack->status, ack->offending_element, ack->error_comment);
    }
    for (size_t i = 0; i < acknowledged->n_associations; i++)
        forget_ended(custody, acknowledged->associations[i]);
}

/* --- time ------------------------------------------------------------------------------------------- */

static object_t *first_overdue(custody_t *custody, int64_t now_ms) {
    object_t *object;
    TAILQ_FOREACH(object, &custody->objects, next) {
        /* One that is being received and not held up by the ring is the peer's to finish. */
        bool waits = object->complete || object->received - object->taken >= OBJECT_WINDOW_BYTES;
        if (waits && !object->failed && now_ms - object->progress_ms >= custody->stage->settings.store_timeout_ms)
            break;
    }
    return object;
}

/* A writer is silent while all of it waits for storage, and where it hangs; one that died is not there. */
static bool is_held_up(const custody_t *custody, const object_t *object, int64_t now_ms) {
    return object->writer ? now_ms - object->writer->alive_ms >= WRITER_HELD_UP_MS : custody->writers_hang;
}

static void give_up_overdue(custody_t *custody, object_t *object, int64_t now_ms) {
    const char *from = "any writer", *comment = "no writer was there in time";
    if (is_held_up(custody, object, now_ms)) {
        from = "storage, which keeps its writers,";
        comment = "storage did not answer in time";
    } else if (object->writer) {
        from = "storage and journal";
        comment = "storage or journal did not answer in time";
    }
    log_warn(&object->context, "no answer from %s within OXIDICOM_STORE_TIMEOUT: A700", from);
    object_give_up(object, STATUS_OUT_OF_RESOURCES, comment);
}

/* From the begin each time: an answer may end an association, and with it any other object. */
static void give_up_waiting(custody_t *custody, int64_t now_ms) {
    for (object_t *object; (object = first_overdue(custody, now_ms));)
        give_up_overdue(custody, object, now_ms);
}

static void look_after_writers(custody_t *custody, int64_t now_ms) {
    writer_t *writer, *following;
    for (writer = TAILQ_FIRST(&custody->writers); writer; writer = following) {
        following = TAILQ_NEXT(writer, next);
        if (now_ms - writer->alive_ms >= WRITER_SILENCE_MS) {
            custody->writers_hang = true;
            writer_lost(custody, writer, "silent: storage keeps it, or it hangs");
        }
    }
}

void custody_tick(custody_t *custody, int64_t now_ms) {
    give_up_waiting(custody, now_ms);
    look_after_writers(custody, now_ms);
    ended_t *ended;
    TAILQ_FOREACH(ended, &custody->ended, next)
    if (now_ms - ended->said_ms >= END_REPEAT_MS)
        say_ended(custody, ended, now_ms);
}

void custody_beat(custody_t *custody) {
    Ring__Alive alive = alive_of(custody->stage, RING__STAGE__STAGE_LISTENER);
    /* A full queue means that the notifier is not there to hear it. */
    (void)!ring_send(custody->notifier, &RING_ENVELOPE(ALIVE, alive, &alive));
}
