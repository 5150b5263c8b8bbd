/* oxidicom-notifier: events of the ring into the journal; from there acknowledgements to the listener, progress to
 * NATS, registrations to the broker. */
#include <czmq.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/stage.h"
#include "notifier/adoption.h"
#include "notifier/batch.h"
#include "notifier/board.h"
#include "notifier/broker.h"
#include "notifier/confine.h"
#include "notifier/drain.h"
#include "notifier/gauges.h"
#include "notifier/health.h"
#include "notifier/housekeeping.h"
#include "notifier/http.h"
#include "notifier/journal.h"
#include "notifier/libraries.h"
#include "notifier/live.h"
#include "notifier/metrics_export.h"
#include "notifier/progress.h"
#include "notifier/publisher.h"
#include "notifier/query.h"
#include "notifier/reception.h"
#include "notifier/registrar.h"
#include "notifier/traced.h"
#include "proto/figures.h"
#include "proto/otlp.h"
#include "proto/reply.h"
#include "proto/span.h"

typedef struct notifier {
    stage_t *stage;
    ring_inbox_t inbox;
    zsock_t *listener; /* its inbox */
    zsock_t *monitor;  /* of the connection to it; NULL: it can't be watched */
    journal_t journal;
    batch_t *batch;
    publisher_t *publisher;
    progress_t *progress;
    int progress_timer; /* -1: none */
    zactor_t *broker;
    connection_state_t broker_state, nats_state;
    registrar_t *registrar;
    query_t *query;
    adoption_t adoption;
    housekeeping_t housekeeping;
    figures_t *figures;
    board_t *board;
    health_t health;
    gauges_t gauges;
    live_t live;
    http_t *http;                     /* NULL: nobody is to be served */
    metrics_export_t *metrics_export; /* NULL: none */
    size_t figures_heard;             /* messages of that kind in what was taken from the inbox last */
    int journal_changes;              /* rows changed so far, at the last commit of events */
    int64_t journal_try_ms;           /* when a journal that did not take events is tried again */
    traced_t *traced;
    int64_t listener_heard_ns, listener_died_ns; /* since 1970 */
    uint64_t current_listener;                   /* incarnation; 0: has not said it yet */
    bool strangers;                              /* this batch had events of another one */
    int grace_timer;                             /* -1: none */
    int64_t resend_at_ms, resend_pause_ms;       /* after a commit that failed; 0: none has */
    log_limit_t complained;
    drain_t drain;
} notifier_t;

/* --- a batch: events, commit, what follows from it ----------------------------------------------------- */

static int on_progress_due(zloop_t *loop, int timer, void *argument);
static int on_grace_over(zloop_t *loop, int timer, void *argument);

static void arm_progress(notifier_t *notifier) {
    int64_t wait_ms = progress_flush(notifier->progress, clock_ms());
    if (wait_ms >= 0 && notifier->progress_timer < 0)
        notifier->progress_timer =
            zloop_timer(notifier->stage->loop, (size_t)wait_ms, 1, on_progress_due, notifier);
}

static int on_progress_due(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    notifier_t *notifier = argument;
    notifier->progress_timer = -1;
    arm_progress(notifier);
    return 0;
}

/* Associations of other listeners than the current one are ended after the grace, which begins anew when another
 * listener says that it lives. */
static void arm_grace(notifier_t *notifier) {
    if (notifier->grace_timer < 0)
        notifier->grace_timer = zloop_timer(notifier->stage->loop, LISTENER_GRACE_MS, 1, on_grace_over, notifier);
}

/* The listener sends what was not acknowledged again to a new notifier. One whose journal has failed (a full disk,
 * say) becomes such a one after a pause, so that the objects that wait get another chance before their deadline. */
static void ask_again_later(notifier_t *notifier) {
    batch_drop(notifier->batch);
    if (notifier->resend_at_ms)
        return;
    notifier->resend_pause_ms = notifier->resend_pause_ms ? notifier->resend_pause_ms * 2 : RESEND_FIRST_MS;
    if (notifier->resend_pause_ms > RESEND_LONGEST_MS)
        notifier->resend_pause_ms = RESEND_LONGEST_MS;
    notifier->resend_at_ms = clock_ms() + notifier->resend_pause_ms;
}

static void ask_again(notifier_t *notifier) {
    if (!notifier->resend_at_ms || clock_ms() < notifier->resend_at_ms)
        return;
    notifier->resend_at_ms = 0;
    notifier->stage->incarnation++;
}

/* Whether the journal takes anything is known from what was written, not from what was only read. */
static bool commit_events(notifier_t *notifier) {
    if (!notifier->journal.open)
        return true;
    bool wrote = sqlite3_total_changes(notifier->journal.db) != notifier->journal_changes;
    int64_t begun_us = clock_us();
    bool committed = journal_commit(&notifier->journal) == 0;
    metric_observe(METRIC_JOURNAL_COMMIT_TIME, clock_us() - begun_us);
    metric_add(METRIC_JOURNAL_FAILURES, NULL, !committed);
    if (wrote || !committed)
        atomic_store(&notifier->health.journal_writable, committed);
    notifier->journal_changes = sqlite3_total_changes(notifier->journal.db);
    return committed;
}

/* Only what is committed is acknowledged, published or sent. */
static void finish_batch(notifier_t *notifier) {
    reception_end_abandoned(&notifier->journal, notifier->batch);
    bool events = notifier->journal.open, committed = commit_events(notifier);
    query_settle(notifier->query, committed);
    if (!committed) {
        ask_again_later(notifier);
    } else if (events) {
        batch_settle(notifier->batch, notifier->listener, notifier->progress, clock_ms());
        notifier->resend_pause_ms = 0;
    }
    arm_progress(notifier);
    if (notifier->strangers && notifier->current_listener)
        arm_grace(notifier);
    notifier->strangers = false;
    registrar_pump(notifier->registrar);
}

static void end_quiet_series(notifier_t *notifier) {
    if (reception_end_quiet(&notifier->journal, notifier->batch))
        finish_batch(notifier);
    else
        (void)!journal_commit(&notifier->journal); /* of nothing */
}

static int on_grace_over(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    notifier_t *notifier = argument;
    notifier->grace_timer = -1;
    traced_close_others(notifier->traced, notifier->current_listener, notifier->listener_died_ns);
    reception_close_other_listeners(&notifier->journal, notifier->batch, notifier->current_listener);
    finish_batch(notifier);
    return 0;
}

/* --- messages of the ring ------------------------------------------------------------------------------ */

static void complain(notifier_t *notifier, const char *message) {
    if (log_seldom(&notifier->complained, NULL))
        log_warn(NULL, "a %s message that lacks something is not used", message);
}

static log_context_t context_of(const Ring__ObjectId *id) {
    return (log_context_t){.association = id->association, .object = id->object};
}

static void on_stored(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__Stored *stored = envelope->stored;
    if (!reception_stored_usable(stored)) {
        complain(notifier, "Stored");
        return;
    }
    log_context_t context = context_of(stored->object);
    metric_add(METRIC_EVENTS, "stored", 1);
    log_debug(&context, "stored by writer %s, attempt %u", stored->writer, stored->attempt);
    notifier->strangers |= stored->object->listener != notifier->current_listener;
    traced_say_stored(stored);
    if (reception_on_stored(&notifier->journal, notifier->batch, stored))
        traced_on_stored(notifier->traced, stored);
}

static void on_refused(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__Refused *refused = envelope->refused;
    if (!reception_refused_usable(refused)) {
        complain(notifier, "Refused");
        return;
    }
    log_context_t context = context_of(refused->object);
    metric_add(METRIC_EVENTS, "refused", 1);
    log_debug(&context, "refused with %04X: %s", refused->status, refused->reason);
    notifier->strangers |= refused->object->listener != notifier->current_listener;
    traced_say_refused(refused);
    if (reception_on_refused(&notifier->journal, notifier->batch, refused))
        traced_on_refused(notifier->traced, refused);
}

static void on_association_ended(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__AssociationEnded *ended = envelope->association_ended;
    log_context_t context = {.association = ended->association};
    metric_add(METRIC_EVENTS, "association_ended", 1);
    log_debug(&context, "ended");
    reception_on_association_ended(&notifier->journal, notifier->batch, ended->listener, ended->association);
}

static void on_association_traced(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    traced_on_association(((notifier_t *)self)->traced, envelope->association_traced);
}

static void on_alive(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__Alive *alive = envelope->alive;
    if (alive->stage != RING__STAGE__STAGE_LISTENER || !alive->incarnation)
        return;
    if (alive->incarnation == notifier->current_listener) {
        notifier->listener_heard_ns = span_now();
        return;
    }
    notifier->listener_died_ns = notifier->listener_heard_ns ? notifier->listener_heard_ns : span_now();
    notifier->listener_heard_ns = span_now();
    log_info(NULL, "the listener is there, release %s", alive->release);
    notifier->current_listener = alive->incarnation;
    if (notifier->grace_timer >= 0)
        zloop_timer_end(notifier->stage->loop, notifier->grace_timer);
    notifier->grace_timer = -1;
    arm_grace(notifier);
}

static void on_figures(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    notifier->figures_heard++;
    board_on_figures(notifier->board, envelope->figures, clock_ms());
    view_on_figures(notifier->live.view, envelope->figures);
}

static void on_status_query(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    query_on_status(((notifier_t *)self)->query, envelope->status_query);
}

static void on_series_query(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    query_on_series(((notifier_t *)self)->query, envelope->series_query);
}

static void on_resend(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    query_on_resend(((notifier_t *)self)->query, envelope->resend);
}

static void on_register(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    query_on_register(((notifier_t *)self)->query, envelope->register_);
}

static ring_handler_fn *const HANDLERS[] = {
    [RING__ENVELOPE__BODY_ALIVE] = on_alive,
    [RING__ENVELOPE__BODY_STORED] = on_stored,
    [RING__ENVELOPE__BODY_REFUSED] = on_refused,
    [RING__ENVELOPE__BODY_ASSOCIATION_ENDED] = on_association_ended,
    [RING__ENVELOPE__BODY_FIGURES] = on_figures,
    [RING__ENVELOPE__BODY_ASSOCIATION_TRACED] = on_association_traced,
    [RING__ENVELOPE__BODY_STATUS_QUERY] = on_status_query,
    [RING__ENVELOPE__BODY_SERIES_QUERY] = on_series_query,
    [RING__ENVELOPE__BODY_RESEND] = on_resend,
    [RING__ENVELOPE__BODY_REGISTER] = on_register,
};

/* --- figures ------------------------------------------------------------------------------------------- */

/* A journal that did not take events is tried anew, for one that is not ready is sent none. */
static void try_journal(notifier_t *notifier) {
    if (atomic_load(&notifier->health.journal_writable) || clock_ms() < notifier->journal_try_ms)
        return;
    notifier->journal_try_ms = clock_ms() + JOURNAL_TRY_MS;
    journal_run(&notifier->journal, SQL_JOURNAL_TRY, VALUES(NUMBER(journal_now())));
    atomic_store(&notifier->health.journal_writable, journal_commit(&notifier->journal) == 0);
}

/* The notifier's own figures take the shorter way. */
static void beat_figures(notifier_t *notifier) {
    health_beat(&notifier->health);
    try_journal(notifier);
    metric_set(METRIC_JOURNALING, NULL, atomic_load(&notifier->health.journal_writable));
    gauges_measure(&notifier->gauges,
                   &(gauges_sources_t){&notifier->journal, notifier->registrar, notifier->publisher,
                                       &notifier->broker_state, &notifier->nats_state,
                                       notifier->stage->settings.nats_address != NULL},
                   clock_ms());
    board_on_figures(notifier->board, figures_take(notifier->figures), clock_ms());
    live_beat(&notifier->live, clock_ms());
    http_tick(notifier->http, clock_ms());
}

static int on_monitor(zloop_t *loop, zsock_t *monitor, void *argument) {
    (void)loop;
    if (ring_monitor_next(monitor) == RING_DISCONNECTED)
        board_lost(((notifier_t *)argument)->board, "listener");
    return 0;
}

/* --- the stage ----------------------------------------------------------------------------------------- */

static void end_if_drained(stage_t *stage) {
    notifier_t *notifier = stage->self;
    if (drain_is_quiet(&notifier->drain) && !registrar_busy(notifier->registrar))
        stage_end(stage, 0);
}

/* Another process begins with a new journal, and knows nothing that only this one's had. */
static void end_if_lost(stage_t *stage) {
    journal_t *journal = &((notifier_t *)stage->self)->journal;
    if (!journal->lost && !journal_is_there(journal))
        log_error(NULL, "the journal %s was removed or replaced", journal->path);
    else if (!journal->lost)
        return;
    stage_end(stage, EX_IOERR);
}

static void on_inbox(stage_t *stage) {
    notifier_t *notifier = stage->self;
    notifier->figures_heard = 0;
    /* Figures come all the time, and nothing follows from them. */
    if (ring_drain(stage->inbox, &notifier->inbox) > notifier->figures_heard) {
        finish_batch(notifier);
        drain_heard(&notifier->drain);
    }
    end_if_drained(stage);
}

static int on_broker(zloop_t *loop, zsock_t *socket, void *argument) {
    (void)loop;
    (void)socket;
    stage_t *stage = argument;
    registrar_on_broker(((notifier_t *)stage->self)->registrar);
    end_if_drained(stage);
    return stage->ended ? -1 : 0;
}

static void on_beat(stage_t *stage) {
    notifier_t *notifier = stage->self;
    ask_again(notifier);
    Ring__Alive alive = alive_of(stage, RING__STAGE__STAGE_NOTIFIER);
    /* A full queue means that the listener is not there to hear it. */
    (void)!ring_send(notifier->listener, &RING_ENVELOPE(ALIVE, alive, &alive));
    end_quiet_series(notifier);
    if (adoption_beat(&notifier->adoption, &notifier->journal, notifier->batch, stage->settings.files_root))
        batch_settle(notifier->batch, notifier->listener, notifier->progress, clock_ms());
    registrar_on_broker(notifier->registrar);
    housekeeping_beat(&notifier->housekeeping, &notifier->journal, stage->settings.journal_keep_ms);
    beat_figures(notifier);
    end_if_drained(stage);
    end_if_lost(stage);
}

/* The listener and the writers have ended before; what they said last is handled, and what is due is sent as long
 * as the broker takes it. */
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
    confine_notifier(sandbox, &stage->settings);
    return 0;
}

static int start(stage_t *stage) {
    notifier_t *notifier = calloc(1, sizeof *notifier);
    if (!notifier)
        abort();
    stage->self = notifier;
    notifier->stage = stage;
    notifier->progress_timer = notifier->grace_timer = -1;
    otlp_start(&stage->settings, stage->id);
    notifier->traced = traced_new();
    notifier->inbox =
        (ring_inbox_t){.handlers = HANDLERS, .handlers_size = sizeof HANDLERS / sizeof *HANDLERS, .self = notifier};
    int status = journal_open(&notifier->journal, &stage->settings);
    if (status != 0)
        return status;
    notifier->listener =
        ring_watched_outbox_new(stage->settings.run_dir, "listener", LISTENER_QUEUE_MESSAGES, &notifier->monitor);
    notifier->figures = figures_new(stage, RING__STAGE__STAGE_NOTIFIER, &notifier->inbox);
    if (!notifier->listener || !notifier->figures)
        return EXIT_SETTINGS;
    notifier->batch = batch_new();
    connection_init(&notifier->broker_state);
    connection_init(&notifier->nats_state);
    notifier->publisher = publisher_new(&stage->settings, &notifier->nats_state);
    notifier->progress =
        progress_new(stage->settings.root_subject, stage->settings.progress_interval_ms,
                     (progress_sink_t){publisher_publish, publisher_publish_done, notifier->publisher});
    notifier->broker = broker_new(&stage->settings, &notifier->broker_state);
    notifier->registrar = registrar_new(&notifier->journal, notifier->broker, notifier->progress, &stage->settings);
    notifier->query =
        query_new(&(query_sources_t){stage, &notifier->journal, notifier->registrar, notifier->publisher,
                                     &notifier->broker_state, &notifier->nats_state});
    notifier->board = board_new();
    notifier->health.board = notifier->board;
    notifier->health.broker = &notifier->broker_state;
    notifier->health.nats = stage->settings.nats_address ? &notifier->nats_state : NULL;
    notifier->health.journal_writable = true; /* it was opened */
    health_beat(&notifier->health);
    live_init(&notifier->live, &(view_sources_t){&stage->settings, &notifier->health, &notifier->journal});
    notifier->metrics_export = metrics_export_new(&stage->settings, notifier->board, stage->id);
    notifier->http = http_new(&stage->settings, &notifier->health, &notifier->live);
    if (!notifier->monitor || zloop_reader(stage->loop, notifier->monitor, on_monitor, notifier) != 0)
        log_warn(NULL, "can't watch the connection to the listener: its end is noticed by its silence only");
    return zloop_reader(stage->loop, zactor_sock(notifier->broker), on_broker, stage) == 0 ? 0 : EX_OSERR;
}

static void destroy(stage_t *stage) {
    notifier_t *notifier = stage->self;
    http_destroy(&notifier->http); /* first: it reads what follows */
    if (notifier->metrics_export)
        board_on_figures(notifier->board, figures_take(notifier->figures), clock_ms()); /* the last, to be sent */
    metrics_export_end(notifier->metrics_export);
    live_clear(&notifier->live);
    query_destroy(&notifier->query);
    registrar_destroy(&notifier->registrar);
    broker_destroy(&notifier->broker);
    progress_destroy(&notifier->progress); /* before the publisher, which takes its last words */
    publisher_destroy(&notifier->publisher);
    batch_destroy(&notifier->batch);
    if (notifier->monitor)
        zloop_reader_end(stage->loop, notifier->monitor);
    ring_watched_outbox_destroy(&notifier->listener, &notifier->monitor);
    figures_destroy(&notifier->figures);
    journal_close(&notifier->journal);
    traced_destroy(&notifier->traced);
    otlp_stop();
    metrics_export_destroy(&notifier->metrics_export);
    board_destroy(&notifier->board);
    free(notifier);
    stage->self = NULL;
}

int main(int argc, char **argv) {
    static const stage_spec_t spec = {
        .name = "notifier",
        .summary = "journals what was stored, and tells NATS and CUBE.",
        .settings = FOR_NOTIFIER,
        .print_libraries = notifier_print_libraries,
        .confine = confine,
        .start = start,
        .on_inbox = on_inbox,
        .on_beat = on_beat,
        .on_terminate = on_terminate,
        .destroy = destroy,
    };
    return stage_main(&spec, argc, argv);
}
