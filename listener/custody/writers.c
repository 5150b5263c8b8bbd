/* The writers that are there: learned from their Alive, forgotten when their connection breaks, when they are
 * silent for too long, or when they have said that they leave. And whose turn it is at one that has enough to do.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/metrics.h"
#include "common/watch.h"
#include "listener/custody/custody.h"

static writer_t *find_writer(custody_t *custody, const char *id) {
    writer_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (strcmp(writer->id, id) == 0)
        return writer;
    return NULL;
}

static writer_t *find_incarnation(custody_t *custody, uint64_t incarnation) {
    writer_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (writer->incarnation == incarnation)
        return writer;
    return NULL;
}

writer_t *writers_least_outstanding(custody_t *custody) {
    writer_t *writer, *best = NULL;
    TAILQ_FOREACH(writer, &custody->writers, next) {
        if (writer->leaving || writer->lost)
            continue;
        if (!best || writer->outstanding_bytes < best->outstanding_bytes ||
            (writer->outstanding_bytes == best->outstanding_bytes &&
             writer->outstanding_objects < best->outstanding_objects))
            best = writer;
    }
    return best;
}

/* --- turns ------------------------------------------------------------------------------------------ */

bool writer_has_room(const writer_t *writer) {
    return writer->awaited_bytes < WRITER_WINDOW_BYTES;
}

/* The oldest object that waits, of the association whose turn comes after the last one's. */
static object_t *next_in_turn(custody_t *custody, const writer_t *writer) {
    object_t *object, *next = NULL;
    TAILQ_FOREACH(object, &custody->objects, next) {
        if (object->writer != writer || !object_can_send(object))
            continue;
        /* Numbers up to the last one's wrap around behind all others. */
        uint64_t turn = object->share->association - writer->served - 1;
        if (!next || turn < next->share->association - writer->served - 1)
            next = object;
    }
    return next;
}

void writer_has_answered(custody_t *custody, writer_t *writer, uint64_t bytes) {
    writer->awaited_bytes -= bytes;
    if (!writer->crowded || writer->lost)
        return;
    while (writer_has_room(writer)) {
        object_t *object = next_in_turn(custody, writer);
        writer->crowded = object != NULL;
        if (!object || !object_send_next(object))
            return;
        writer->served = object->share->association;
    }
}

/* --- coming and going ------------------------------------------------------------------------------- */

static void free_writer(custody_t *custody, writer_t *writer, int linger_ms) {
    TAILQ_REMOVE(&custody->writers, writer, next);
    if (writer->monitor)
        watch_end(custody->stage->loop, writer->monitor);
    zsock_set_linger(writer->outbox, linger_ms);
    ring_watched_outbox_destroy(&writer->outbox, &writer->monitor);
    free(writer->id);
    free(writer);
}

/* Whole objects first: one that can't be sent again is answered, and an answer may end an association and with it
 * any other object, so that no place in the list is safe to come back to. */
static object_t *first_object_with(custody_t *custody, const writer_t *writer) {
    object_t *object, *partial = NULL;
    TAILQ_FOREACH(object, &custody->objects, next) {
        if (object->writer != writer)
            continue;
        if (object->whole)
            return object;
        if (!partial)
            partial = object;
    }
    return partial;
}

static void tell_of_change(custody_t *custody) {
    if (custody->writers_changed)
        custody->writers_changed(custody->watcher);
}

void writer_lost(custody_t *custody, writer_t *writer, const char *why) {
    if (writer->leaving && writer->outstanding_objects == 0) {
        log_info(NULL, "%s has left", writer->id);
    } else {
        metric_add(METRIC_WRITERS_LOST, NULL, 1);
        log_warn(NULL, "%s is gone (%s) with %zu objects unacknowledged", writer->id, why,
                 writer->outstanding_objects);
    }
    /* Nothing is given to it again. And it is not released: one that was only slow would take that for a word about
     * what it is given when it has come back. */
    writer->lost = true;
    object_t *object;
    while ((object = first_object_with(custody, writer)))
        object_redeliver(object, "its writer is gone");
    /* What is still queued for it must not keep memory, nor reach the one that takes its place. */
    free_writer(custody, writer, 0);
    tell_of_change(custody);
}

/* The connection to a writer tells that the process is gone long before its silence does. */
static int on_monitor(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    custody_t *custody = argument;
    writer_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (writer->monitor && zsock_fd(writer->monitor) == item->fd)
        break;
    for (ring_change_t change; writer && (change = ring_monitor_next(writer->monitor)) != RING_NO_CHANGE;) {
        if (change != RING_DISCONNECTED)
            continue;
        writer_lost(custody, writer, "connection broken");
        writer = NULL;
    }
    return 0;
}

/* The launcher starts no more; each takes sockets, of which ZeroMQ has a limited number. */
static bool has_room_for_writer(const custody_t *custody) {
    size_t count = 0;
    writer_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    count++;
    return count < WRITERS_MAX;
}

static void add_writer(custody_t *custody, const Ring__Alive *alive) {
    writer_t *writer = calloc(1, sizeof *writer);
    if (!writer || !(writer->id = strdup(alive->id)))
        abort();
    writer->incarnation = alive->incarnation;
    writer->alive_ms = clock_ms();
    snprintf(writer->release, sizeof writer->release, "%s", alive->release);
    writer->process = alive->process;
    writer->started_at = alive->started_at;
    /* No limit: the windows of its objects bound what waits. */
    writer->outbox = ring_watched_outbox_new(custody->stage->settings.run_dir, writer->id, 0, &writer->monitor);
    if (!writer->outbox) {
        free(writer->id);
        free(writer);
        return;
    }
    TAILQ_INSERT_TAIL(&custody->writers, writer, next);
    custody->writers_hang = false;
    if (!writer->monitor || watch_begin(custody->stage->loop, writer->monitor, on_monitor, custody) != 0)
        log_warn(NULL, "can't watch the connection to %s: its end is noticed by its silence only", writer->id);
    log_info(NULL, "%s is there, release %s", writer->id, alive->release);
    object_t *object;
    TAILQ_FOREACH(object, &custody->objects, next)
    if (!object->writer && !object->failed)
        object_redeliver(object, "a writer appeared");
    tell_of_change(custody);
}

static bool is_writer_inbox(const char *id) {
    return strncmp(id, "writer-", 7) == 0 && strlen(id) < 80 && !strchr(id, '/');
}

static void on_writer_alive(custody_t *custody, const Ring__Alive *alive) {
    if (!is_writer_inbox(alive->id)) {
        log_warn(NULL, "a writer calls itself \"%s\": ignored", alive->id);
        return;
    }
    writer_t *writer = find_writer(custody, alive->id);
    if (writer && writer->incarnation == alive->incarnation) {
        writer->alive_ms = clock_ms();
        return;
    }
    if (writer)
        writer_lost(custody, writer, "replaced");
    if (!has_room_for_writer(custody)) {
        if (log_seldom(&custody->complained, NULL))
            log_warn(NULL, "%s is ignored: %d writers are there already", alive->id, WRITERS_MAX);
        return;
    }
    add_writer(custody, alive);
}

/* What an earlier notifier had not acknowledged it may not have journaled: everything is sent again. */
static void on_notifier_alive(custody_t *custody, const Ring__Alive *alive) {
    if (custody->notifier_incarnation == alive->incarnation)
        return;
    custody->notifier_incarnation = alive->incarnation;
    log_info(NULL, "the notifier is there, release %s", alive->release);
    custody_beat(custody);
    ended_t *ended;
    TAILQ_FOREACH(ended, &custody->ended, next)
    ended->said_ms = clock_ms() - END_REPEAT_MS;
    /* Also when it is the first that this listener hears of: one before it may have died with an event. */
    object_t *object, *following;
    for (object = TAILQ_FIRST(&custody->objects); object; object = following) {
        following = TAILQ_NEXT(object, next);
        /* One that can't be sent again may be acknowledged yet: its event is perhaps still on its way. */
        if (object->whole)
            object_redeliver(object, "the notifier was replaced");
    }
}

void custody_on_alive(custody_t *custody, const Ring__Alive *alive) {
    if (alive->stage == RING__STAGE__STAGE_WRITER)
        on_writer_alive(custody, alive);
    else if (alive->stage == RING__STAGE__STAGE_NOTIFIER)
        on_notifier_alive(custody, alive);
}

static void send_released(custody_t *custody, writer_t *writer, uint64_t incarnation) {
    Ring__Released released = RING__RELEASED__INIT;
    released.listener = custody->stage->incarnation;
    released.incarnation = incarnation;
    if (ring_send(writer->outbox, &RING_ENVELOPE(RELEASED, released, &released)) != 0)
        log_warn(NULL, "can't release %s: %s", writer->id, strerror(errno));
}

void writer_release_if_done(custody_t *custody, writer_t *writer) {
    if (writer->leaving && !writer->lost && writer->outstanding_objects == 0)
        send_released(custody, writer, writer->incarnation);
}

void custody_release_writers(custody_t *custody) {
    writer_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    send_released(custody, writer, 0);
}

void custody_on_leaving(custody_t *custody, const Ring__Leaving *leaving) {
    writer_t *writer = find_incarnation(custody, leaving->incarnation);
    if (!writer)
        return;
    if (!writer->leaving) {
        log_info(NULL, "%s leaves, %zu objects are still with it", writer->id, writer->outstanding_objects);
        writer->leaving = true;
        tell_of_change(custody);
    }
    writer_release_if_done(custody, writer);
}

void writers_clear(custody_t *custody) {
    while (!TAILQ_EMPTY(&custody->writers))
        /* The release may still be on its way. NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ */
        free_writer(custody, TAILQ_FIRST(&custody->writers), LINGER_MS);
}
