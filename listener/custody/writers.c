/* The writers that are there: learned from their Alive, forgotten when their connection breaks, when they are
 * silent for too long, or when they have said that they leave. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "common/watch.h"
#include "listener/custody/custody.h"
#include "listener/custody/private.h"

/* So long the last writer stays that wants to leave. */
#define LAST_WRITER_STAYS_MS 500

static writer_link_t *find_writer(custody_t *custody, const char *id) {
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (strcmp(writer->id, id) == 0)
        return writer;
    return NULL;
}

static writer_link_t *find_incarnation(custody_t *custody, uint64_t incarnation) {
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (writer->incarnation == incarnation)
        return writer;
    return NULL;
}

static void free_writer(custody_t *custody, writer_link_t *writer, int linger_ms) {
    share_t *share;
    TAILQ_FOREACH(share, &custody->shares, next)
    if (share->writer == writer)
        share_stay_with(share, NULL);
    TAILQ_REMOVE(&custody->writers, writer, next);
    if (writer->monitor)
        watch_end(custody->stage->loop, writer->monitor);
    zsock_set_linger(writer->outbox, linger_ms);
    ring_watched_outbox_destroy(&writer->outbox, &writer->monitor);
    free(writer->id);
    free(writer);
}

static bool was_told_to_end(const writer_link_t *writer) {
    return writer->leaving || writer->asked_ms != 0;
}

void writers_lost(custody_t *custody, writer_link_t *writer, const char *why) {
    if (was_told_to_end(writer) && writer->outstanding_objects == 0) {
        log_info(NULL, "%s has left", writer->id);
    } else {
        metric_add(METRIC_WRITERS_LOST, NULL, 1);
        log_warn(NULL, "%s is gone (%s) with %zu %s unacknowledged", writer->id, why, writer->outstanding_objects,
                 plural(writer->outstanding_objects, "object", "objects"));
    }
    /* It gets nothing more, and no Released: a writer that was only slow would apply that to its objects after its
     * return. */
    writer->lost = true;
    object_t *object, *following;
    for (object = TAILQ_FIRST(&custody->objects); object; object = following) {
        following = TAILQ_NEXT(object, next);
        if (object->writer == writer)
            dispatch_redeliver(object, "its writer is gone");
    }
    /* Queued messages must not keep memory, nor reach the writer's successor. */
    free_writer(custody, writer, 0);
    custody->writers_changed = true;
}

void writers_died(custody_t *custody, writer_link_t *writer, const char *why) {
    if (!was_told_to_end(writer))
        suspects_blame(custody, writer);
    writers_lost(custody, writer, why);
}

/* The connection to a writer tells that the process is gone long before its silence does. */
static int on_monitor(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    custody_t *custody = argument;
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (writer->monitor && zsock_fd(writer->monitor) == item->fd)
        break;
    for (ring_change_t change; writer && (change = ring_monitor_next(writer->monitor)) != RING_NO_CHANGE;) {
        if (change != RING_DISCONNECTED)
            continue;
        writers_died(custody, writer, "connection broken");
        writer = NULL;
    }
    return custody->end_turn ? custody->end_turn(custody->stage) : 0;
}

/* The launcher starts no more; each takes sockets, and ZeroMQ has a limited number of them. */
static bool has_room_for_writer(const custody_t *custody) {
    size_t count = 0;
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    count++;
    return count < WRITERS_MAX;
}

static void add_writer(custody_t *custody, const Ring__Alive *alive) {
    writer_link_t *writer = must(calloc(1, sizeof *writer));
    writer->id = must(strdup(alive->id));
    writer->incarnation = alive->incarnation;
    writer->alive_ms = clock_ms();
    snprintf(writer->release, sizeof writer->release, "%s", alive->release);
    writer->process = alive->process;
    writer->started_at = alive->started_at;
    /* No limit: the windows of its objects bound the queue. */
    writer->outbox = ring_watched_outbox_new(custody->stage->settings.run_dir, writer->id, 0, &writer->monitor);
    if (!writer->outbox) {
        free(writer->id);
        free(writer);
        return;
    }
    TAILQ_INSERT_TAIL(&custody->writers, writer, next);
    custody->writers_gone = SILENCE_NONE;
    if (!writer->monitor || watch_begin(custody->stage->loop, writer->monitor, on_monitor, custody) != 0)
        log_warn(NULL, "can't watch the connection to %s: its end is noticed by its silence only", writer->id);
    log_info(NULL, "%s is there, release %s", writer->id, alive->release);
    object_t *object;
    TAILQ_FOREACH(object, &custody->objects, next)
    if (!object->writer && object->whole)
        dispatch_redeliver(object, "a writer appeared");
    custody->writers_changed = true;
}

static bool is_writer_inbox(const char *id) {
    return strncmp(id, "writer-", 7) == 0 && strlen(id) < 80 && !strchr(id, '/');
}

void writers_on_alive(custody_t *custody, const Ring__Alive *alive) {
    if (!is_writer_inbox(alive->id)) {
        log_warn(NULL, "a writer calls itself \"%s\": ignored", alive->id);
        return;
    }
    writer_link_t *writer = find_writer(custody, alive->id);
    if (writer && writer->incarnation == alive->incarnation) {
        writer->kept_by_storage = alive->storage_silent_ms > 0;
        if (!writer->kept_by_storage)
            writer->alive_ms = clock_ms();
        return;
    }
    if (alive->storage_silent_ms > 0)
        return; /* nothing for it yet */
    if (writer)
        writers_died(custody, writer, "replaced");
    if (!has_room_for_writer(custody)) {
        if (log_seldom(&custody->complained, NULL))
            log_warn(NULL, "%s is ignored: %d writers are there already", alive->id, WRITERS_MAX);
        return;
    }
    add_writer(custody, alive);
}

void writers_release(custody_t *custody) {
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    dispatch_release(custody, writer, 0);
}

static bool is_last(const custody_t *custody, const writer_link_t *writer) {
    writer_link_t *other;
    TAILQ_FOREACH(other, &custody->writers, next)
    if (other != writer && dispatch_may_assign(other))
        return false;
    return true;
}

void writers_keep_last(custody_t *custody) {
    custody->keeps_last_writer = true;
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next)
    if (writer->leaving && writer->outstanding_objects > 0 && is_last(custody, writer))
        writer->leaving = false; /* it has not been released, and will say again that it leaves */
}

/* The last one is let go with a later Leaving: the listener may be about to be told to end, too. */
static bool must_stay(custody_t *custody, writer_link_t *writer) {
    if (writer->leaving || !is_last(custody, writer))
        return false;
    int64_t now_ms = clock_ms();
    if (!writer->asked_ms) {
        log_info(NULL, "%s would leave: it is the last one", writer->id);
        writer->asked_ms = now_ms;
    }
    return custody->keeps_last_writer || now_ms - writer->asked_ms < LAST_WRITER_STAYS_MS;
}

void writers_on_leaving(custody_t *custody, const Ring__Leaving *leaving) {
    writer_link_t *writer = find_incarnation(custody, leaving->incarnation);
    if (!writer)
        return;
    if (must_stay(custody, writer))
        return;
    if (!writer->leaving) {
        log_info(NULL, "%s leaves, %zu %s still with it", writer->id, writer->outstanding_objects,
                 plural(writer->outstanding_objects, "object is", "objects are"));
        writer->leaving = true;
        custody->writers_changed = true;
    }
    dispatch_release_if_done(custody, writer);
}

void writers_tick(custody_t *custody, int64_t now_ms) {
    writer_link_t *writer, *following;
    for (writer = TAILQ_FIRST(&custody->writers); writer; writer = following) {
        following = TAILQ_NEXT(writer, next);
        if (now_ms - writer->alive_ms < WRITER_SILENCE_MS)
            continue;
        custody->writers_gone = writer->kept_by_storage ? SILENCE_STORAGE : SILENCE_UNKNOWN;
        if (writer->kept_by_storage)
            writers_lost(custody, writer, "silent: storage keeps it");
        else
            writers_died(custody, writer, "silent: it is stopped, or hangs, perhaps in storage");
    }
}

void writers_clear(custody_t *custody) {
    while (!TAILQ_EMPTY(&custody->writers))
        /* The release may still be on its way. NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ */
        free_writer(custody, TAILQ_FIRST(&custody->writers), LINGER_MS);
}
