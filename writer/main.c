/* oxidicom-writer: takes data sets in chunks from the listener, writes them as files and says so to the notifier.
 * It keeps nothing: it may be killed at any instant. */
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <zlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/open_beneath.h"
#include "common/plural.h"
#include "common/stage.h"
#include "common/watch.h"
#include "proto/libraries.h"
#include "proto/reply.h"
#include "proto/snapshot.h"
#include "writer/conformance.h"
#include "writer/dicom/head.h"
#include "writer/objects.h"
#include "writer/storage/survey.h"

/* A writer that nobody waits for any more, or that is told to end at once, waits so long for what storage is doing.
 */
#define STORAGE_END_WAIT_MS 1000
/* Messages waiting for a listener or notifier that is away. */
#define WRITER_OUTBOX_MESSAGES 1000

typedef struct writer {
    stage_t *stage;
    zsock_t *listener, *notifier; /* outboxes */
    zsock_t *monitor;             /* of the connection to the listener; NULL: it can't be watched */
    bool connected;               /* to the listener's inbox */
    incoming_environment_t environment;
    quarantine_t quarantine;
    holdings_t holdings;
    objects_t *objects;
    ring_inbox_t inbox;
    snapshot_t *snapshot;
    int64_t beat_ms;
    bool leaving;
    int storage_timer;       /* only storage keeps it from its end; -1: it does not */
    bool released;           /* by the listener that is there */
    uint64_t ended_listener; /* has ended, so that nothing is to be waited for; 0: none */
} writer_t;

/* --- messages to others --------------------------------------------------------------------------- */

static void say_leaving(writer_t *self) {
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.id = self->stage->id;
    leaving.incarnation = self->stage->incarnation;
    if (ring_send(self->listener, &RING_ENVELOPE(LEAVING, leaving, &leaving)) != 0)
        log_debug(NULL, "can't say to the listener that this writer leaves: %s", strerror(errno));
}

static void say_alive(writer_t *self) {
    Ring__Alive alive = alive_of(self->stage, RING__STAGE__STAGE_WRITER);
    self->beat_ms = clock_ms();
    store_set_deadline(self->environment.store, self->beat_ms + WRITER_SILENCE_MS);
    metric_set(METRIC_OBJECTS_OPEN, NULL, (int64_t)objects_open(self->objects));
    snapshot_send(self->snapshot, NULL);
    if (ring_send(self->listener, &RING_ENVELOPE(ALIVE, alive, &alive)) != 0)
        log_debug(NULL, "can't say to the listener that this writer lives: %s", strerror(errno));
    /* Said again and again: a listener that was started meanwhile does not know it. */
    if (self->leaving)
        say_leaving(self);
}

/* All threads wait for silent storage. The writer then says no Alive: its objects shall go to others, with perhaps
 * better storage. If only some wait, it goes on with the others. */
static bool is_held_up(const writer_t *self) {
    return pool_held_up_ms(self->environment.pool) >= ALIVE_INTERVAL_MS;
}

/* Stopped, or held up by storage, for so long that the listener has given its objects to others. Its work now
 * might undo theirs: it goes on under a new incarnation, and drops the old one's objects. */
static void renew_after_silence(writer_t *self) {
    int64_t silent_ms = clock_ms() - self->beat_ms;
    if (silent_ms < WRITER_SILENCE_MS || is_held_up(self))
        return;
    log_warn(NULL, "was held up for %lld ms: open objects are left to others, %zu of them", (long long)silent_ms,
             objects_open(self->objects));
    if (stage_renew(self->stage) != 0) {
        stage_end(self->stage, EX_OSERR);
        return;
    }
    objects_renew(self->objects, self->stage->incarnation);
    self->released = false;
    say_alive(self);
}

/* Why it does not say that it lives: the listener tells storage from a process that is stopped. */
static void say_kept_by_storage(writer_t *self) {
    Ring__Alive alive = alive_of(self->stage, RING__STAGE__STAGE_WRITER);
    alive.storage_silent_ms = (uint64_t)pool_held_up_ms(self->environment.pool);
    if (alive.storage_silent_ms && ring_send(self->listener, &RING_ENVELOPE(ALIVE, alive, &alive)) != 0)
        log_debug(NULL, "can't say to the listener that storage keeps this writer: %s", strerror(errno));
}

static void on_beat(stage_t *stage) {
    renew_after_silence(stage->self);
    if (is_held_up(stage->self))
        say_kept_by_storage(stage->self);
    else
        say_alive(stage->self);
}

/* After a long or just finished wait: the listener must not take that for silence. */
static void catch_up(writer_t *self) {
    renew_after_silence(self);
    if (clock_ms() - self->beat_ms >= ALIVE_INTERVAL_MS && !is_held_up(self))
        say_alive(self);
}

/* --- how it ends ------------------------------------------------------------------------------------ */

/* The monitor is read before each decision: a sender of a chunk has been connected before. */
static bool listener_is_there(writer_t *self) {
    for (ring_change_t change; self->monitor && (change = ring_monitor_next(self->monitor)) != RING_NO_CHANGE;)
        self->connected = change == RING_CONNECTED;
    return self->connected || !self->monitor;
}

/* A dead listener takes its associations with it: nobody finishes open objects, and nobody releases this writer.
 * That it goes at once matters where both were told to end before they had heard of one another. */
static void forget_gone_listener(writer_t *self) {
    if (listener_is_there(self))
        return;
    while (ring_drain(self->stage->inbox, &self->inbox) > 0)
        ; /* whole objects are stored; it ends, for nobody is left to send more */
    objects_drop_unfinished(self->objects);
    self->released = true;
}

static int end_unfinished(writer_t *self, const char *why) {
    size_t open = objects_open(self->objects);
    log_warn(NULL, "%s: ends with %zu %s open", why, open, plural(open, "object", "objects"));
    stage_end(self->stage, EXIT_SUCCESS);
    return -1;
}

/* Nobody waits any more for what storage is still doing. */
static int on_storage_timeout(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    return end_unfinished(argument, "storage does not answer");
}

static void end_if_free(writer_t *self) {
    if (!self->leaving || self->stage->ended)
        return;
    forget_gone_listener(self);
    uint64_t listener = objects_listener(self->objects);
    bool nobody_there = self->ended_listener && (!listener || listener == self->ended_listener);
    bool is_idle = objects_open(self->objects) == 0 && pool_outstanding(self->environment.pool) == 0;
    if (!self->released && !nobody_there)
        return;
    if (is_idle)
        stage_end(self->stage, EXIT_SUCCESS);
    else if (self->storage_timer < 0)
        self->storage_timer = zloop_timer(self->stage->loop, STORAGE_END_WAIT_MS, 1, on_storage_timeout, self);
}

static int on_monitor(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    writer_t *self = argument;
    bool was_there = self->connected;
    if (listener_is_there(self) != was_there)
        log_debug(NULL, "the listener is %s", was_there ? "gone" : "there");
    end_if_free(self);
    return self->stage->ended ? -1 : 0;
}

static int on_drain_timeout(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    return end_unfinished(argument, "OXIDICOM_DRAIN_TIMEOUT is over");
}

static void on_terminate(stage_t *stage) {
    writer_t *self = stage->self;
    bool again = self->leaving;
    self->leaving = true;
    if (again ||
        zloop_timer(stage->loop, (size_t)stage->settings.drain_timeout_ms, 1, on_drain_timeout, self) < 0) {
        stage_end(stage, EXIT_SUCCESS);
        return;
    }
    log_info(NULL, "told to end: asks the listener for no more objects");
    say_leaving(self);
    end_if_free(self);
}

/* --- messages from others ------------------------------------------------------------------------- */

static void on_chunk(void *argument, const Ring__Envelope *envelope, zmq_msg_t *data) {
    writer_t *self = argument;
    renew_after_silence(self);
    objects_on_chunk(self->objects, envelope->chunk, data);
    catch_up(self);
}

static void on_cancel(void *argument, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    writer_t *self = argument;
    objects_on_cancel(self->objects, envelope->cancel);
}

static void on_released(void *argument, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    writer_t *self = argument;
    const Ring__Released *released = envelope->released;
    if (released->incarnation == 0)
        self->ended_listener = released->listener;
    else if (released->incarnation == self->stage->incarnation)
        self->released = true;
    else
        return; /* meant for an earlier writer of this inbox */
    objects_on_released(self->objects, released->listener);
}

static ring_handler_fn *const HANDLERS[] = {
    [RING__ENVELOPE__BODY_CHUNK] = on_chunk,
    [RING__ENVELOPE__BODY_CANCEL] = on_cancel,
    [RING__ENVELOPE__BODY_RELEASED] = on_released,
};

/* Files that are open here lie on the earlier storage. The listener sends their objects again, to the next
 * writer. */
static void end_if_locked_out(writer_t *self) {
    if (store_locked_out(self->environment.store))
        stage_end_locked_out(self->stage);
}

static bool on_inbox(stage_t *stage) {
    writer_t *self = stage->self;
    bool more = ring_drain(stage->inbox, &self->inbox) == INBOX_BURST_MESSAGES;
    more |= objects_on_turn(self->objects);
    catch_up(self);
    report_end_turn(self->environment.report);
    end_if_free(self);
    end_if_locked_out(self);
    return more;
}

static int on_storage(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    writer_t *self = argument;
    objects_on_done(self->objects);
    report_end_turn(self->environment.report);
    catch_up(self);
    end_if_free(self);
    return self->stage->ended ? -1 : 0;
}

/* --- now and then ---------------------------------------------------------------------------------- */

static int on_sweep(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    store_sweep(((writer_t *)argument)->environment.store);
    return 0;
}

/* --- the stage -------------------------------------------------------------------------------------- */

/* Where one object at a time is wanted, or threads can't be had, the loop does all that storage is asked for. */
static pool_t *start_pool(writer_t *self, size_t operations) {
    pool_t *pool = operations > 1 ? pool_new(operations) : NULL;
    zmq_pollitem_t done = {.fd = pool ? pool_descriptor(pool) : -1, .events = ZMQ_POLLIN};
    if (pool && zloop_poller(self->stage->loop, &done, on_storage, self) != 0)
        pool_destroy(&pool);
    return pool;
}

/* Links say where series go (writer/storage/home.h). They are allowed in our own folder alone: elsewhere one could
 * make CUBE show a file of its own. */
static void allow_links(sandbox_t *sandbox, const char *files_root) {
    struct stat s;
    char *own = format_text("%s/.oxidicom", files_root);
    if ((mkdir(own, 0755) == 0 || errno == EEXIST) && lstat(own, &s) == 0 && S_ISDIR(s.st_mode))
        sandbox_allow(sandbox, own, SANDBOX_LINK);
    free(own);
}

/* Storage, and no network at all. The dictionary may lie anywhere, so it is read before. */
static int confine(stage_t *stage, sandbox_t *sandbox) {
    if (!head_start()) {
        log_error(NULL, "DCMTK's data dictionary can't be loaded: is DCMDICTPATH right?");
        return EX_UNAVAILABLE;
    }
    sandbox_allow(sandbox, stage->settings.files_root, SANDBOX_WRITE);
    allow_links(sandbox, stage->settings.files_root);
    return 0;
}

static int start(stage_t *stage) {
    writer_t *self = must(calloc(1, sizeof *self));
    stage->self = self;
    self->stage = stage;
    self->storage_timer = -1;
    const settings_t *settings = &stage->settings;
    self->inbox =
        (ring_inbox_t){.handlers = HANDLERS, .handlers_size = sizeof HANDLERS / sizeof *HANDLERS, .self = self};
    self->listener = ring_watched_outbox_new(settings->run_dir, "listener", WRITER_OUTBOX_MESSAGES, &self->monitor);
    self->notifier = ring_outbox_new(settings->run_dir, "notifier", WRITER_OUTBOX_MESSAGES);
    self->snapshot = snapshot_new(stage, RING__STAGE__STAGE_WRITER, &self->inbox);
    if (!self->listener || !self->notifier || !self->snapshot)
        return EXIT_SETTINGS;
    store_t *store = store_new(settings->files_root, settings->writer_id, stage->incarnation, settings->fsync);
    if (!store)
        return EX_CANTCREAT;
    open_beneath_say();
    store_keep_free(store, (uint64_t)settings->min_free_bytes);
    store_set_file_mode(store, (mode_t)strtoul(settings->file_mode, NULL, 8));
    self->quarantine = (quarantine_t){.store = store, .size_bytes = (uint64_t)settings->quarantine_size_bytes};
    report_t *report = report_new(stage->loop, self->listener, self->notifier, stage->id);
    self->environment =
        (incoming_environment_t){.store = store,
                                 .report = report,
                                 .quarantine = self->quarantine.size_bytes > 0 ? &self->quarantine : NULL,
                                 .pool = start_pool(self, (size_t)settings->writer_operations),
                                 .holdings = &self->holdings,
                                 .homes = homes_new(),
                                 .series = series_memo_new(),
                                 .max_object_bytes = (uint64_t)settings->max_object_size_bytes};
    self->objects = objects_new(&self->environment, self->listener);
    objects_renew(self->objects, stage->incarnation);
    self->beat_ms = clock_ms();
    if (!self->monitor || watch_begin(stage->loop, self->monitor, on_monitor, self) != 0)
        log_warn(NULL, "can't watch the connection to the listener: its end is noticed only when it says so");
    return zloop_timer(stage->loop, (size_t)settings->sweep_interval_ms, 0, on_sweep, self) < 0 ? EX_OSERR : 0;
}

/* Threads that storage keeps end with the process; their memory is left to them. */
static void stop_storage(writer_t *self) {
    incoming_environment_t *environment = &self->environment;
    /* A thread that has waited for storage already does not wait again. */
    if (!deposits_await(environment->pool, self->storage_timer < 0 ? STORAGE_END_WAIT_MS : 0)) {
        log_warn(NULL, "storage does not answer: ends without waiting for it");
        self->stage->leaves_threads = true;
        return;
    }
    if (environment->pool) {
        zmq_pollitem_t done = {.fd = pool_descriptor(environment->pool), .events = ZMQ_POLLIN};
        zloop_poller_end(self->stage->loop, &done);
    }
    pool_destroy(&environment->pool);
    store_destroy(&environment->store);
}

static void destroy(stage_t *stage) {
    writer_t *self = stage->self;
    if (self->snapshot)
        snapshot_send(self->snapshot, NULL); /* the counts since the last beat */
    objects_destroy(&self->objects);
    report_destroy(&self->environment.report);
    homes_destroy(&self->environment.homes);
    series_memo_destroy(&self->environment.series);
    stop_storage(self);
    if (self->monitor)
        watch_end(stage->loop, self->monitor);
    ring_watched_outbox_destroy(&self->listener, &self->monitor);
    zsock_destroy(&self->notifier);
    snapshot_destroy(&self->snapshot);
    free(self);
    stage->self = NULL;
}

static void print_libraries(FILE *out) {
    libraries_print(out);
    libraries_print_one(out, "dcmtk", head_dcmtk_version());
    libraries_print_one(out, "zlib", zlibVersion());
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--survey") == 0)
        return survey_main(argc - 1, argv + 1);
    static const stage_spec_t spec = {
        .name = "writer",
        .summary =
            "writes received DICOM objects as files into CUBE's storage. With --survey, for `oxidicom reconcile`, "
            "it only reads there.",
        .settings = FOR_WRITER,
        .print_conformance = conformance_print,
        .print_libraries = print_libraries,
        .confine = confine,
        .start = start,
        .on_inbox = on_inbox,
        .on_beat = on_beat,
        .on_terminate = on_terminate,
        .destroy = destroy,
    };
    return stage_main(&spec, argc, argv);
}
