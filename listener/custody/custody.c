#include "listener/custody/custody.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"
#include "listener/custody/private.h"
#include "proto/reply.h"

/* An association may hold so many times the free buffer: one alone has four fifths of it, and there is always room
 * for one more. */
#define BUFFER_SHARE_OF_FREE 4
/* Alives of a dead notifier's time need not queue up. */
#define NOTIFIER_QUEUE_MESSAGES 1000

static size_t hash_number(const void *key) {
    return (size_t)(*(const uint64_t *)key * 0x9E3779B97F4A7C15u);
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int custody_start(custody_t *custody, stage_t *stage) {
    custody->stage = stage;
    custody->budget = budget_new();
    TAILQ_INIT(&custody->writers);
    TAILQ_INIT(&custody->objects);
    TAILQ_INIT(&custody->answered);
    TAILQ_INIT(&custody->shares);
    TAILQ_INIT(&custody->ended);
    custody->by_number = zhashx_new();
    zhashx_set_key_hasher(custody->by_number, hash_number);
    zhashx_set_key_comparator(custody->by_number, compare_numbers);
    zhashx_set_key_duplicator(custody->by_number, NULL);
    zhashx_set_key_destructor(custody->by_number, NULL);
    custody->notifier = ring_outbox_new(stage->settings.run_dir, "notifier", NOTIFIER_QUEUE_MESSAGES);
    return custody->notifier ? 0 : EXIT_SETTINGS;
}

static void forget_ended(custody_t *custody, ended_t *ended) {
    TAILQ_REMOVE(&custody->ended, ended, next);
    custody->ended_count--;
    free(ended->answered);
    free(ended);
}

void custody_clear(custody_t *custody) {
    for (object_t *object; (object = TAILQ_FIRST(&custody->objects));) {
        dispatch_withdraw(object);
        object_forget(object);
    }
    for (object_t *object; (object = custody_take_answered(custody));)
        object_forget(object);
    for (ended_t *ended; (ended = TAILQ_FIRST(&custody->ended));)
        forget_ended(custody, ended); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    writers_clear(custody);
    zhashx_destroy(&custody->by_number);
    zsock_destroy(&custody->notifier);
    budget_drop(custody->budget);
    custody->budget = NULL;
}

bool custody_has_answered(const custody_t *custody) {
    return TAILQ_EMPTY(&custody->objects) && TAILQ_EMPTY(&custody->answered);
}

bool custody_idle(const custody_t *custody) {
    return custody_has_answered(custody) && TAILQ_EMPTY(&custody->ended);
}

object_t *custody_take_answered(custody_t *custody) {
    object_t *object = TAILQ_FIRST(&custody->answered);
    if (object)
        TAILQ_REMOVE(&custody->answered, object, next);
    return object;
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
    dispatch_stream(largest);
}

/* One fast peer must leave room for the others: an association's limit shrinks with the free buffer (Choudhury and
 * Hahne, Dynamic queue length thresholds, 1998). */
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
        dispatch_stream(object);
    if (has_room(custody) && is_within_share(custody, share))
        return RECEIVE_BYTES;
    /* What a chunk has already taken from the buffer may be filled; then it can be sent, credited and freed. */
    return object && object->filling ? object->filling->capacity - object->filling->size : 0;
}

/* --- association ends ------------------------------------------------------------------------------- */

static void say_ended(custody_t *custody, ended_t *ended, int64_t now_ms) {
    Ring__AssociationEnded message = RING__ASSOCIATION_ENDED__INIT;
    Ring__Answered **answered = must(calloc(ended->answered_count + 1, sizeof *answered));
    for (size_t i = 0; i < ended->answered_count; i++)
        answered[i] = &ended->answered[i];
    message.listener = custody->stage->incarnation;
    message.association = ended->association;
    message.answered = answered;
    message.n_answered = ended->answered_count;
    message.refused = ended->refused;
    message.ending = ended->ending;
    if (ring_send(custody->notifier, &RING_ENVELOPE(ASSOCIATION_ENDED, association_ended, &message)) == 0)
        ended->said_ms = now_ms;
    free(answered);
}

void custody_association_ended(custody_t *custody, const share_t *share, Ring__Ending ending) {
    ended_t *ended = must(calloc(1, sizeof *ended));
    ended->association = share->association;
    ended->answered = series_answered(share, &ended->answered_count);
    ended->refused = share->refused;
    ended->ending = ending;
    TAILQ_INSERT_TAIL(&custody->ended, ended, next);
    custody->ended_count++;
    say_ended(custody, ended, clock_ms());
}

void custody_association_traced(custody_t *custody, Ring__AssociationTraced *message) {
    message->listener = custody->stage->incarnation;
    /* A full queue means that there is no notifier; it gets the open associations when it is there. */
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
    dispatch_credit(object, credit->taken);
}

static void succeed(object_t *object) {
    series_count(object->share, object->token);
    dispatch_answer(object, (response_t){STATUS_SUCCESS, 0, NULL});
}

/* Whether the present notifier may not know the object's series: the writer's event may have been lost with the
 * notifier before, and an open series is not reported again. */
static bool may_never_open(const object_t *object) {
    return object->notifier != object->custody->notifier_incarnation ||
           (object->share->forgot && object->attempt == 1);
}

/* An earlier attempt's counts for nothing: the writer of the newest may be at the same file. */
void custody_on_written(custody_t *custody, const Ring__Written *written) {
    if (!written->object || written->object->listener != custody->stage->incarnation)
        return;
    object_t *object = find_object(custody, written->object->object);
    if (!object || !object->writer || written->attempt != object->attempt || object->written)
        return;
    if (written->status != STATUS_SUCCESS) {
        object->share->refused++;
        dispatch_answer(
            object, (response_t){(uint16_t)written->status, written->offending_element, written->error_comment});
        return;
    }
    if (!object->complete)
        return; /* no writer can have it whole */
    dispatch_written(object, written->token);
    if (series_is_open(object->share, object->token))
        succeed(object);
    else if (object->whole && may_never_open(object))
        dispatch_redeliver(object, "the notifier may not know of its series");
}

static void answer_what_is_open(custody_t *custody) {
    object_t *object, *following;
    for (object = TAILQ_FIRST(&custody->objects); object; object = following) {
        following = TAILQ_NEXT(object, next);
        if (object->written && series_is_open(object->share, object->token))
            succeed(object);
    }
}

/* A notifier with another journal may say so before its first Alive is heard. */
void custody_on_opened(custody_t *custody, const Ring__Opened *opened) {
    if (opened->listener != custody->stage->incarnation)
        return;
    for (size_t i = 0; i < opened->n_openings; i++) {
        share_t *share = share_find(custody, opened->openings[i]->association);
        if (share)
            series_open(share, opened->openings[i]->token, opened->journal);
    }
    answer_what_is_open(custody);
}

void custody_on_acknowledged(custody_t *custody, const Ring__Acknowledged *acknowledged) {
    if (acknowledged->listener != custody->stage->incarnation)
        return;
    ended_t *ended, *following;
    for (size_t i = 0; i < acknowledged->n_associations; i++)
        for (ended = TAILQ_FIRST(&custody->ended); ended; ended = following) {
            following = TAILQ_NEXT(ended, next);
            if (ended->association == acknowledged->associations[i])
                forget_ended(custody, ended);
        }
}

static bool is_gone(const custody_t *custody, uint64_t notifier) {
    for (size_t i = 0; i < NOTIFIERS_GONE_MAX; i++)
        if (notifier && custody->notifiers_gone[i] == notifier)
            return true;
    return false;
}

/* An earlier notifier may have died with a writer's event of a series: objects that wait for their series are sent
 * again. Open series stay open, unless the journal is gone, too. */
static void on_notifier_alive(custody_t *custody, const Ring__Alive *alive) {
    if (is_gone(custody, alive->incarnation))
        return;
    if (custody->journal != alive->journal) {
        custody->journal = alive->journal;
        answer_what_is_open(custody);
    }
    if (custody->notifier_incarnation == alive->incarnation)
        return;
    custody->notifiers_gone[custody->notifiers_gone_next] = custody->notifier_incarnation;
    custody->notifiers_gone_next = (custody->notifiers_gone_next + 1) % NOTIFIERS_GONE_MAX;
    custody->notifier_incarnation = alive->incarnation;
    log_info(NULL, "the notifier is there, release %s", alive->release);
    custody_beat(custody);
    ended_t *ended;
    TAILQ_FOREACH(ended, &custody->ended, next)
    ended->said_ms = clock_ms() - END_REPEAT_MS;
    /* Also when it is the first that this listener hears of: one before it may have died with an event. */
    object_t *object;
    TAILQ_FOREACH(object, &custody->objects, next)
    /* An object that can't be sent again may go on yet: its writer's event is perhaps still on its way. */
    if (object->written && object->whole)
        dispatch_redeliver(object, "the notifier was replaced");
}

void custody_on_alive(custody_t *custody, const Ring__Alive *alive) {
    if (alive->stage == RING__STAGE__STAGE_WRITER)
        writers_on_alive(custody, alive);
    else if (alive->stage == RING__STAGE__STAGE_NOTIFIER)
        on_notifier_alive(custody, alive);
}

/* --- time ------------------------------------------------------------------------------------------- */

/* Of the object's writer, or of its last one. A dead writer is not silent. */
static silence_t silence_of(const object_t *object, int64_t now_ms) {
    if (!object->writer)
        return object->custody->writers_gone;
    if (now_ms - object->writer->alive_ms < WRITER_HELD_UP_MS)
        return SILENCE_NONE;
    return object->writer->kept_by_storage ? SILENCE_STORAGE : SILENCE_UNKNOWN;
}

static void give_up_if_overdue(object_t *object, int64_t now_ms) {
    /* An object in reception that the ring does not hold up is the peer's to finish. */
    bool waits = object->complete || object->received - object->taken >= OBJECT_WINDOW_BYTES;
    if (!waits || object->failed ||
        now_ms - object->progress_ms < object->custody->stage->settings.store_timeout_ms)
        return;
    const char *from = "any writer", *comment = "no writer was there in time";
    silence_t silence = silence_of(object, now_ms);
    if (silence == SILENCE_STORAGE) {
        from = "storage, which keeps its writers,";
        comment = "storage did not answer in time";
    } else if (silence == SILENCE_UNKNOWN) {
        from = "its writers, which are stopped or hang, perhaps in storage,";
        comment = "a writer or its storage did not answer in time";
    } else if (object->written) {
        from = "the journal";
        comment = "the journal did not answer in time";
    } else if (object->writer) {
        from = "storage";
        comment = "storage did not answer in time";
    }
    log_warn(&object->context, "no answer from %s within OXIDICOM_STORE_TIMEOUT: A700", from);
    dispatch_cancel(object);
    dispatch_answer(object, (response_t){STATUS_OUT_OF_RESOURCES, 0, comment});
}

void custody_tick(custody_t *custody, int64_t now_ms) {
    object_t *object, *following;
    for (object = TAILQ_FIRST(&custody->objects); object; object = following) {
        following = TAILQ_NEXT(object, next);
        give_up_if_overdue(object, now_ms);
    }
    writers_tick(custody, now_ms);
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
