/* oxidicom-listener: DICOM over TCP on one side, the ring on the other. Its folders are layers, and each sees the
 * earlier ones: net/ (connections, TLS) and custody/ (objects, writers), ul/ (the DICOM Upper Layer: PDUs,
 * associations), dimse/ (messages), and the files beside this one. */
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/telemetry/otlp.h"
#include "listener/conformance.h"
#include "listener/heap.h"
#include "listener/listener_metrics.h"
#include "listener/listener_status.h"
#include "listener/server.h"
#include "proto/libraries.h"
#include "proto/snapshot.h"

/* While nothing is held, memory that malloc keeps goes back to the system, at most this often. */
#define GIVE_BACK_INTERVAL_MS 1000
/* A tick that comes so long after the one before is late. */
#define TICK_LATE_MS (3 * TIMER_TICK_MS)

typedef struct listener {
    custody_t custody;
    server_t server;
    ring_inbox_t inbox;
    int64_t given_back_ms;
    uint64_t given_back_work; /* done until then */
    int64_t ticked_ms;
    bool left_out; /* the last tick */
    snapshot_t *snapshot;
} listener_t;

/* --- messages of the ring ----------------------------------------------------------------------------- */

static void on_alive(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    listener_t *listener = self;
    uint64_t notifier = listener->custody.notifier_incarnation;
    custody_on_alive(&listener->custody, envelope->alive);
    if (listener->custody.notifier_incarnation != notifier)
        server_say_traces_again(&listener->server);
}

static void on_leaving(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    writers_on_leaving(&((listener_t *)self)->custody, envelope->leaving);
}

static void on_credit(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    custody_on_credit(&((listener_t *)self)->custody, envelope->credit);
}

static void on_written(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    custody_on_written(&((listener_t *)self)->custody, envelope->written);
}

static void on_opened(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    custody_on_opened(&((listener_t *)self)->custody, envelope->opened);
}

static void on_acknowledged(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    custody_on_acknowledged(&((listener_t *)self)->custody, envelope->acknowledged);
}

static void on_status_query(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    listener_t *listener = self;
    listener_status_on_query(&listener->server, &listener->custody, envelope->status_query);
}

static ring_handler_fn *const HANDLERS[] = {
    [RING__ENVELOPE__BODY_ALIVE] = on_alive,
    [RING__ENVELOPE__BODY_LEAVING] = on_leaving,
    [RING__ENVELOPE__BODY_CREDIT] = on_credit,
    [RING__ENVELOPE__BODY_WRITTEN] = on_written,
    [RING__ENVELOPE__BODY_OPENED] = on_opened,
    [RING__ENVELOPE__BODY_ACKNOWLEDGED] = on_acknowledged,
    [RING__ENVELOPE__BODY_STATUS_QUERY] = on_status_query,
};

/* --- metrics ------------------------------------------------------------------------------------------ */

static void send_metrics(listener_t *listener) {
    listener->custody.writers_changed = false;
    listener_metrics_set(&listener->server, &listener->custody);
    listener_view_t view;
    snapshot_send(listener->snapshot, listener_status_view(&view, &listener->server, &listener->custody));
}

/* --- the stage ---------------------------------------------------------------------------------------- */

/* After all other events, and once the server has caught up. */
static int end_turn(stage_t *stage) {
    listener_t *listener = stage->self;
    if (listener->custody.writers_changed)
        send_metrics(listener); /* whether the receiver is ready depends on it */
    if (listener->server.site.draining && !stage->ended && server_idle(&listener->server) &&
        custody_idle(&listener->custody)) {
        writers_release(&listener->custody);
        stage_end(stage, 0);
    }
    return stage->ended ? -1 : 0;
}

/* The custody has heard from the ring. */
static int on_custody(stage_t *stage) {
    server_catch_up(&((listener_t *)stage->self)->server);
    return end_turn(stage);
}

static int on_sockets(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    (void)item;
    stage_t *stage = argument;
    server_on_events(&((listener_t *)stage->self)->server);
    return end_turn(stage);
}

/* malloc keeps what a burst has taken, scattered over its heap. Once the burst is over it goes back to the system;
 * walking the heap takes a moment that nobody waits for then. */
static void give_back_memory(listener_t *listener, int64_t now_ms) {
    uint64_t work =
        listener->custody.objects_begun + listener->server.accepted_count + server_idle(&listener->server);
    if (work == listener->given_back_work || now_ms - listener->given_back_ms < GIVE_BACK_INTERVAL_MS ||
        !custody_idle(&listener->custody))
        return;
    listener->given_back_ms = now_ms;
    listener->given_back_work = work;
    heap_give_back();
}

/* The loop runs its timers before it looks at sockets. After a stall of this process what has come meanwhile is
 * heard first, so that nobody is judged by it: the late tick is left out, and none after it. */
static bool leave_out(listener_t *listener, int64_t now_ms) {
    bool late = listener->ticked_ms && now_ms - listener->ticked_ms >= TICK_LATE_MS;
    listener->ticked_ms = now_ms;
    listener->left_out = late && !listener->left_out;
    return listener->left_out;
}

static int on_tick(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    stage_t *stage = argument;
    listener_t *listener = stage->self;
    if (leave_out(listener, clock_ms()))
        return 0;
    custody_tick(&listener->custody, clock_ms());
    server_tick(&listener->server);
    give_back_memory(listener, clock_ms());
    return end_turn(stage);
}

static bool on_inbox(stage_t *stage) {
    listener_t *listener = stage->self;
    bool more = ring_drain(stage->inbox, &listener->inbox) == INBOX_BURST_MESSAGES;
    (void)on_custody(stage);
    return more;
}

static void on_beat(stage_t *stage) {
    custody_beat(&((listener_t *)stage->self)->custody);
    send_metrics(stage->self);
}

static int on_drain_timeout(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    stage_t *stage = argument;
    listener_t *listener = stage->self;
    if (!custody_has_answered(&listener->custody))
        log_warn(NULL, "OXIDICOM_DRAIN_TIMEOUT is over: ends with unanswered objects");
    else if (!custody_idle(&listener->custody))
        log_warn(NULL, "OXIDICOM_DRAIN_TIMEOUT is over: no notifier has acknowledged the ends of associations; the "
                       "next one ends them");
    writers_release(&listener->custody);
    stage_end(stage, 0);
    return -1;
}

static void on_terminate(stage_t *stage) {
    listener_t *listener = stage->self;
    int64_t left_ms =
        listener->server.site.draining ? 0 : stage->settings.drain_timeout_ms; /* told again: at once */
    /* The aborts at the timeout need their half close before the process ends. */
    if (zloop_timer(stage->loop, (size_t)(left_ms + DRAIN_CLOSE_MS), 1, on_drain_timeout, stage) < 0)
        stage_end(stage, EX_OSERR);
    log_info(NULL, "told to end: no new associations");
    writers_keep_last(&listener->custody);
    server_drain(&listener->server);
    send_metrics(listener);
    (void)end_turn(stage);
}

static void on_hangup(stage_t *stage) {
    server_reload(&((listener_t *)stage->self)->server);
}

/* No files but the certificates, which a HUP reads again; no connection to anywhere. */
static int confine(stage_t *stage, sandbox_t *sandbox) {
    const settings_t *settings = &stage->settings;
    sandbox_allow_file(sandbox, settings->tls_certificate);
    sandbox_allow_file(sandbox, settings->tls_key);
    sandbox_allow_file(sandbox, settings->tls_ca);
    sandbox_allow_port(sandbox, settings->listener_port);
    sandbox_allow_port(sandbox, settings->tls_port);
    otlp_confine(settings, sandbox);
    return 0;
}

static int start(stage_t *stage) {
    listener_t *listener = must(calloc(1, sizeof *listener));
    stage->self = listener;
    otlp_start(&stage->settings, stage->id);
    listener->inbox =
        (ring_inbox_t){.handlers = HANDLERS, .handlers_size = sizeof HANDLERS / sizeof *HANDLERS, .self = listener};
    server_init(&listener->server);
    int status = custody_start(&listener->custody, stage);
    if (status == 0)
        status = server_start(&listener->server, stage, &listener->custody);
    if (status != 0)
        return status;
    listener->snapshot = snapshot_new(stage, RING__STAGE__STAGE_LISTENER, &listener->inbox);
    if (!listener->snapshot)
        return EXIT_SETTINGS;
    listener->custody.end_turn = on_custody;
    zmq_pollitem_t sockets = {.fd = listener->server.site.epoll, .events = ZMQ_POLLIN};
    if (zloop_poller(stage->loop, &sockets, on_sockets, stage) != 0 ||
        zloop_timer(stage->loop, TIMER_TICK_MS, 0, on_tick, stage) < 0)
        return EX_OSERR;
    return 0;
}

static void destroy(stage_t *stage) {
    listener_t *listener = stage->self;
    if (listener->snapshot)
        snapshot_send(listener->snapshot, NULL); /* the counts since the last beat */
    server_clear(&listener->server); /* first: associations give up the objects that they are receiving */
    custody_clear(&listener->custody);
    snapshot_destroy(&listener->snapshot);
    otlp_stop();
    free(listener);
    stage->self = NULL;
}

static void print_libraries(FILE *out) {
    libraries_print(out);
    libraries_print_one(out, "curl", curl_version_info(CURLVERSION_NOW)->version);
    libraries_print_one(out, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
}

int main(int argc, char **argv) {
    static const stage_spec_t spec = {
        .name = "listener",
        .summary = "receives DICOM over TCP and keeps every object until it is stored and journaled.",
        .settings = FOR_LISTENER,
        .print_conformance = conformance_print,
        .print_libraries = print_libraries,
        .confine = confine,
        .start = start,
        .on_inbox = on_inbox,
        .on_beat = on_beat,
        .on_terminate = on_terminate,
        .on_hangup = on_hangup,
        .destroy = destroy,
    };
    return stage_main(&spec, argc, argv);
}
