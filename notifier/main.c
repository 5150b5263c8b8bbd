/* oxidicom-notifier: series that come in into the journal; from there the word that they are open to the listener,
 * progress to NATS, registrations to the broker. */
#include <sysexits.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/telemetry/otlp.h"
#include "common/watch.h"
#include "notifier/broker/broker.h"
#include "notifier/confine.h"
#include "notifier/journal/quiet.h"
#include "notifier/journal/reception.h"
#include "notifier/notifier.h"
#include "notifier/notifier_libraries.h"
#include "notifier/sharing.h"
#include "proto/reply.h"

/* Acknowledgements and signs of life that wait for a listener that is not there. */
#define LISTENER_QUEUE_MESSAGES 10000
/* A journal that did not take events is tried so often. */
#define JOURNAL_TRY_MS 2000

/* --- metrics ------------------------------------------------------------------------------------------- */

/* A journal that refused events is tried again; an unready one gets none. */
static void try_journal(notifier_t *notifier) {
    if (atomic_load(&notifier->health.journal_writable) || clock_ms() < notifier->journal_try_ms)
        return;
    notifier->journal_try_ms = clock_ms() + JOURNAL_TRY_MS;
    journal_run(&notifier->journal, SQL_JOURNAL_TRY, VALUES(NUMBER(journal_now())));
    bool committed = journal_commit(&notifier->journal) == 0;
    atomic_store(&notifier->health.journal_writable, committed && notifier->journal.room != ROOM_NONE);
}

/* The notifier's own metrics take the shorter way. */
static void beat_metrics(notifier_t *notifier) {
    health_beat(&notifier->health);
    try_journal(notifier);
    metric_set(METRIC_JOURNALING, NULL, atomic_load(&notifier->health.journal_writable));
    notifier_metrics_measure(
        &notifier->own_metrics,
        &(notifier_metrics_sources_t){&notifier->journal, notifier->registrar, notifier->inquiries,
                                      notifier->storage, notifier->replicas, notifier->publisher,
                                      &notifier->broker_state, &notifier->nats_state, &notifier->cube_state,
                                      notifier->stage->settings.nats_address != NULL, notifier->cube != NULL},
        clock_ms());
    all_metrics_on_message(notifier->metrics, snapshot_take(notifier->snapshot), clock_ms());
    live_beat(&notifier->live, clock_ms());
    http_tick(notifier->http, clock_ms());
}

/* --- the stage ----------------------------------------------------------------------------------------- */

/* What NATS takes soon is waited for; the rest waits in the journal. */
static bool waits_for_nats(notifier_t *notifier) {
    bool connected;
    int64_t since;
    char why[LINK_WHY_BYTES];
    link_state_read(&notifier->nats_state, &connected, &since, why);
    return connected && dones_busy(notifier->dones, DONES_AWAITED_MS);
}

static void end_if_drained(stage_t *stage) {
    notifier_t *notifier = stage->self;
    /* A listener that was told to end, too, has series to open and associations to end. */
    bool is_needed = notifier->listener_there && notifier->listener_drains;
    if (is_needed || !drain_is_quiet(&notifier->drain) || registrar_busy(notifier->registrar) ||
        waits_for_nats(notifier))
        return;
    if (!notifier->leaving)
        sharing_leave_all(notifier);
    if (notifier->unleft == 0)
        stage_end(stage, 0);
}

/* The listener comes and goes. */
static int on_monitor(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    stage_t *stage = argument;
    notifier_t *notifier = stage->self;
    for (ring_change_t change; (change = ring_monitor_next(notifier->monitor)) != RING_NO_CHANGE;) {
        if (change == RING_DISCONNECTED)
            all_metrics_lost(notifier->metrics, "listener");
        notifier->listener_there = change == RING_CONNECTED;
        notifier->listener_drains = false;
    }
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

/* Locks, and who registers. */
static int on_replicas(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    stage_t *stage = argument;
    notifier_t *notifier = stage->self;
    sharing_on_answers(notifier);
    registrar_on_broker(notifier->registrar);
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

/* Another process begins with a new journal, and knows nothing that only this one's had. Where the log alone was
 * removed, the end brings it into the journal. */
static void end_if_lost(stage_t *stage) {
    journal_t *journal = &((notifier_t *)stage->self)->journal;
    if (!journal->lost && !journal_is_there(journal))
        log_error(NULL, "the journal %s or its log was removed or replaced", journal->path);
    else if (!journal->lost)
        return;
    stage_end(stage, EX_IOERR);
}

static bool on_inbox(stage_t *stage) {
    notifier_t *notifier = stage->self;
    notifier->metrics_heard = 0;
    size_t taken = ring_drain(stage->inbox, &notifier->inbox);
    /* Metrics come all the time, and nothing follows from them. */
    if (taken > notifier->metrics_heard) {
        commit_batch(notifier);
        drain_heard(&notifier->drain);
    }
    end_if_drained(stage);
    return taken == INBOX_BURST_MESSAGES;
}

/* Which dones NATS has. */
static int on_publisher(zloop_t *loop, zsock_t *socket, void *argument) {
    (void)loop;
    (void)socket;
    stage_t *stage = argument;
    notifier_t *notifier = stage->self;
    for (int64_t reception; publisher_taken(notifier->publisher, &reception);)
        dones_on_taken(notifier->dones, reception);
    dones_pump(notifier->dones);
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

static int on_broker(zloop_t *loop, zsock_t *socket, void *argument) {
    (void)loop;
    (void)socket;
    stage_t *stage = argument;
    notifier_t *notifier = stage->self;
    registrar_on_broker(notifier->registrar);
    dones_pump(notifier->dones);
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

/* What CUBE has answered. */
static int on_cube(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    stage_t *stage = argument;
    notifier_t *notifier = stage->self;
    for (cube_answer_t answer; cube_receive(notifier->cube, &answer);) {
        if (answer.question.number < 0)
            audits_on_answer(notifier->audits, &answer);
        else
            inquiries_on_answer(notifier->inquiries, &answer);
        cube_question_clear(&answer.question);
    }
    inquiries_beat(notifier->inquiries);
    registrar_pump(notifier->registrar);
    dones_pump(notifier->dones);
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

/* What storage has answered (adoption.h needs a journal without an open transaction). */
static int on_storage(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    stage_t *stage = argument;
    notifier_t *notifier = stage->self;
    for (storage_answer_t answer; storage_receive(notifier->storage, &answer);) {
        if (answer.names) {
            heard_counted(notifier->journal.heard, answer.reception, answer.names, answer.names_count);
            free(answer.names);
        } else if (answer.registration)
            registrar_on_counted(notifier->registrar, answer.registration, answer.late);
        else if (adoption_on_looked(&notifier->adoption, notifier->storage, &notifier->journal, notifier->owed,
                                    answer.left)) {
            owed_tell(notifier->owed, notifier->listener, notifier->progress, clock_ms());
            commit_waits(notifier);
        }
    }
    registrar_on_broker(notifier->registrar);
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

static void on_beat(stage_t *stage) {
    notifier_t *notifier = stage->self;
    commit_ask_again(notifier);
    Ring__Alive alive = alive_of(stage, RING__STAGE__STAGE_NOTIFIER);
    alive.journal = notifier->journal.id;
    /* A full queue means that the listener is not there to hear it. */
    (void)!ring_send(notifier->listener, &RING_ENVELOPE(ALIVE, alive, &alive));
    commit_overdue(notifier);
    /* Storage that keeps the locks waiting is asked by the other thread, too, which says for how long it is silent.
     */
    if (replicas_are_held_up(notifier->replicas))
        notifier->adoption.next_ms = 0;
    storage_say(notifier->storage, registrar_at_storage(notifier->registrar));
    adoption_beat(&notifier->adoption, notifier->storage, &notifier->journal);
    registrar_on_broker(notifier->registrar);
    inquiries_beat(notifier->inquiries);
    dones_pump(notifier->dones);
    expiry_beat(&notifier->expiry, &notifier->journal, stage->settings.journal_keep_ms);
    beat_metrics(notifier);
    end_if_drained(stage);
    end_if_lost(stage);
    if (storage_locked_out(notifier->storage) || replicas_locked_out(notifier->replicas))
        stage_end_locked_out(stage);
}

/* The listener and the writers have ended before; their last messages are handled, and due registrations are sent
 * while the broker accepts them. */
static void on_terminate(stage_t *stage) {
    notifier_t *notifier = stage->self;
    if (notifier->drain.begun_ms) {
        stage_end(stage, 0);
        return;
    }
    log_info(NULL, "told to end");
    drain_begin(&notifier->drain, stage, end_if_drained);
}

static int confine(stage_t *stage, sandbox_t *sandbox) {
    notifier_t *notifier = stage->self = must(calloc(1, sizeof *notifier));
    notifier->stage = stage;
    notifier->progress_timer = notifier->grace_timer = notifier->wait_timer = -1;
    confine_notifier(sandbox, &stage->settings);
    notifier->storage = storage_new(&stage->settings);
    notifier->replicas = replicas_new(&stage->settings);
    return notifier->storage && notifier->replicas ? 0 : EX_OSERR;
}

static int start(stage_t *stage) {
    notifier_t *notifier = stage->self;
    if (!broker_can_read_address(&stage->settings))
        return EXIT_SETTINGS;
    otlp_start(&stage->settings, stage->id);
    notifier->traced = traced_new();
    messages_start(notifier);
    int status = journal_open(&notifier->journal, &stage->settings);
    if (status != 0)
        return status;
    notifier->listener =
        ring_watched_outbox_new(stage->settings.run_dir, "listener", LISTENER_QUEUE_MESSAGES, &notifier->monitor);
    notifier->snapshot = snapshot_new(stage, RING__STAGE__STAGE_NOTIFIER, &notifier->inbox);
    if (!notifier->listener || !notifier->snapshot)
        return EXIT_SETTINGS;
    notifier->owed = owed_new(notifier->journal.id, notifier->replicas);
    quiet_resume(&notifier->journal);
    reception_load(&notifier->journal);
    sharing_resume(notifier);
    link_state_init(&notifier->broker_state);
    link_state_init(&notifier->nats_state);
    link_state_init(&notifier->cube_state);
    queue_state_init(&notifier->queue_state);
    if (stage->settings.cube_url && !(notifier->cube = cube_new(&stage->settings, &notifier->cube_state)))
        return EXIT_SETTINGS;
    notifier->publisher = publisher_new(&stage->settings, &notifier->nats_state);
    notifier->progress = progress_new(stage->settings.root_subject, stage->settings.progress_interval_ms,
                                      (progress_sink_t){publisher_publish, publisher_publish_done,
                                                        publisher_interrupted_ms, notifier->publisher});
    notifier->broker =
        broker_new(&stage->settings, &notifier->broker_state, notifier->cube ? &notifier->queue_state : NULL);
    notifier->dones = dones_new(&notifier->journal, notifier->progress, stage->settings.done_delay_ms);
    notifier->inquiries = inquiries_new(&notifier->journal, &stage->settings, notifier->cube, &notifier->cube_state,
                                        &notifier->queue_state);
    notifier->registrar = registrar_new(&notifier->journal, notifier->replicas, notifier->storage, notifier->broker,
                                        notifier->inquiries, &stage->settings);
    notifier->metrics = all_metrics_new();
    notifier->answers = answers_new(&(answers_sources_t){
        stage, &notifier->journal, notifier->registrar, notifier->inquiries, notifier->storage, notifier->replicas,
        notifier->publisher, notifier->metrics, &notifier->health.journal_writable, &notifier->broker_state,
        &notifier->nats_state, &notifier->cube_state});
    notifier->audits = audits_new(stage->settings.run_dir, notifier->cube, &notifier->cube_state);
    notifier->health.metrics = notifier->metrics;
    notifier->health.storage = notifier->storage;
    notifier->health.broker = &notifier->broker_state;
    notifier->health.nats = stage->settings.nats_address ? &notifier->nats_state : NULL;
    notifier->health.cube = notifier->cube ? &notifier->cube_state : NULL;
    notifier->health.journal_writable = true; /* it was opened */
    health_beat(&notifier->health);
    live_init(&notifier->live, &(view_sources_t){&stage->settings, &notifier->health, &notifier->journal});
    notifier->otlp_export = otlp_export_new(&stage->settings, notifier->metrics, stage->id);
    notifier->http = http_new(&stage->settings, &notifier->health, &notifier->live);
    if (!notifier->monitor || watch_begin(stage->loop, notifier->monitor, on_monitor, stage) != 0)
        log_warn(NULL, "can't watch the connection to the listener: its end is noticed by its silence only");
    zmq_pollitem_t answers = {.fd = storage_descriptor(notifier->storage), .events = ZMQ_POLLIN};
    zmq_pollitem_t answers_of_replicas = {.fd = replicas_descriptor(notifier->replicas), .events = ZMQ_POLLIN};
    int failed = zloop_poller(stage->loop, &answers, on_storage, stage) |
                 zloop_poller(stage->loop, &answers_of_replicas, on_replicas, stage) |
                 zloop_reader(stage->loop, zactor_sock(notifier->broker), on_broker, stage);
    if (notifier->cube) {
        zmq_pollitem_t answers_of_cube = {.fd = cube_descriptor(notifier->cube), .events = ZMQ_POLLIN};
        failed |= zloop_poller(stage->loop, &answers_of_cube, on_cube, stage);
    }
    if (publisher_socket(notifier->publisher))
        failed |= zloop_reader(stage->loop, publisher_socket(notifier->publisher), on_publisher, stage);
    commit_waits(notifier);
    return failed ? EX_OSERR : 0;
}

/* The publisher takes progress' last words; the journal, which dones NATS has. Returns whether its thread has
 * ended. */
static bool end_progress(notifier_t *notifier) {
    progress_destroy(&notifier->progress);
    if (!notifier->publisher)
        return true;
    publisher_end(notifier->publisher);
    for (int64_t reception; publisher_taken(notifier->publisher, &reception);)
        dones_on_taken(notifier->dones, reception);
    dones_end(&notifier->dones);
    return publisher_destroy(&notifier->publisher);
}

static void destroy(stage_t *stage) {
    notifier_t *notifier = stage->self;
    http_destroy(&notifier->http); /* first: it reads the settings below */
    if (notifier->otlp_export)
        all_metrics_on_message(notifier->metrics, snapshot_take(notifier->snapshot),
                               clock_ms()); /* the last, to be sent */
    otlp_export_end(notifier->otlp_export);
    live_clear(&notifier->live);
    answers_destroy(&notifier->answers);
    audits_destroy(&notifier->audits);
    registrar_destroy(&notifier->registrar);
    inquiries_destroy(&notifier->inquiries);
    cube_destroy(&notifier->cube);
    bool links_ended = broker_destroy(&notifier->broker);
    links_ended &= end_progress(notifier);
    owed_destroy(&notifier->owed);
    if (notifier->monitor)
        watch_end(stage->loop, notifier->monitor);
    ring_watched_outbox_destroy(&notifier->listener, &notifier->monitor);
    snapshot_destroy(&notifier->snapshot);
    /* SQLite may be held up by that thread, too: the journal is left as a crash would leave it, which loses
     * nothing. */
    if (storage_destroy(&notifier->storage)) {
        journal_close(&notifier->journal);
    } else {
        journal_unlock(&notifier->journal);
        stage->leaves_threads = true;
    }
    if (!replicas_destroy(&notifier->replicas))
        stage->leaves_threads = true;
    traced_destroy(&notifier->traced);
    otlp_stop();
    otlp_export_destroy(&notifier->otlp_export);
    all_metrics_destroy(&notifier->metrics);
    if (links_ended)
        free(notifier);
    else
        stage->leaves_threads = true; /* which use broker_state and nats_state */
    stage->self = NULL;
}

int main(int argc, char **argv) {
    static const stage_spec_t spec = {
        .name = "notifier",
        .summary = "journals which series come in, and tells NATS and CUBE.",
        .settings = FOR_NOTIFIER,
        .print_libraries = notifier_libraries_print,
        .confine = confine,
        .start = start,
        .on_inbox = on_inbox,
        .on_beat = on_beat,
        .on_terminate = on_terminate,
        .destroy = destroy,
    };
    return stage_main(&spec, argc, argv);
}
