#include "notifier/publisher.h"

#include <czmq.h>
#include <nats/nats.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "notifier/publisher.h"

struct publisher {
    zsock_t *queue;                /* PUSH, bounded */
    zactor_t *thread;              /* NULL: nobody wants the messages */
    atomic_uint_least64_t waiting; /* in the queue; the thread takes off what it has taken */
    uint64_t dropped;
    int64_t complained_ms;
};

/* What the thread owns. */
typedef struct work {
    zsock_t *pipe;  /* from publisher_destroy */
    zsock_t *queue; /* PULL */
    atomic_uint_least64_t *waiting;
    const settings_t *settings;
    connection_state_t *state;
    natsConnection *connection; /* NULL: the address is of no use */
    uint64_t failed;
    int64_t complained_ms;
} work_t;

typedef struct start {
    const settings_t *settings;
    zsock_t *queue;
    atomic_uint_least64_t *waiting;
    connection_state_t *state;
} start_t;

/* --- the thread: NATS ---------------------------------------------------------------------------------- */

static void on_disconnected(natsConnection *connection, void *closure) {
    (void)connection;
    connection_down(closure, "the connection was lost");
    log_warn(NULL, "the connection to NATS is lost; progress waits or is dropped, reception goes on");
}

static void on_connected(natsConnection *connection, void *closure) {
    (void)connection;
    connection_up(closure);
    log_info(NULL, "connected to NATS");
}

/* cnats prints errors of the connection on stderr unless somebody takes them. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure) {
    (void)connection;
    (void)subscription;
    (void)closure;
    log_warn(NULL, "NATS: %s", natsStatus_GetText(status));
}

/* Never logs the address, which may hold a password. */
static natsStatus set_options(natsOptions *options, const char *address, connection_state_t *state) {
    natsStatus status = natsOptions_SetURL(options, address);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, "oxidicom-notifier");
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, NATS_CONNECT_TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxReconnect(options, -1);
    if (status == NATS_OK)
        status = natsOptions_SetReconnectWait(options, NATS_RETRY_MS);
    if (status == NATS_OK)
        status = natsOptions_SetReconnectJitter(options, NATS_RETRY_MS, NATS_RETRY_MS);
    if (status == NATS_OK)
        status = natsOptions_SetRetryOnFailedConnect(options, true, on_connected, state);
    if (status == NATS_OK)
        status = natsOptions_SetReconnectedCB(options, on_connected, state);
    if (status == NATS_OK)
        status = natsOptions_SetDisconnectedCB(options, on_disconnected, state);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, on_error, NULL);
    return status;
}

/* on_connected may have come before it. */
static void not_there_yet(connection_state_t *state) {
    bool connected;
    int64_t since;
    char why[CONNECTION_WHY_BYTES];
    log_warn(NULL, "NATS is not there yet; progress waits or is dropped, reception goes on");
    connection_read(state, &connected, &since, why);
    if (!connected)
        connection_down(state, "nobody is there yet");
}

static void give_up(connection_state_t *state, natsStatus status) {
    connection_down(state, natsStatus_GetText(status));
    log_error(NULL, "OXIDICOM_NATS_ADDRESS can't be used: %s; no progress is published",
              natsStatus_GetText(status));
}

static void connect_to_nats(work_t *work) {
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_options(options, work->settings->nats_address, work->state);
    if (status == NATS_OK)
        status = natsConnection_Connect(&work->connection, options);
    natsOptions_Destroy(options);
    if (status == NATS_OK)
        on_connected(NULL, work->state);
    else if (status == NATS_NOT_YET_CONNECTED)
        not_there_yet(work->state);
    else
        give_up(work->state, status);
}
/* One message of the queue: the subject with its NUL, then the payload. False: none waits. */
static bool publish_next(work_t *work) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, zsock_resolve(work->queue), ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return false;
    }
    atomic_fetch_sub(work->waiting, 1);
    const char *subject = zmq_msg_data(&message);
    size_t subject_size = strlen(subject) + 1;
    natsStatus status = NATS_INVALID_ARG;
    if (work->connection)
        status = natsConnection_Publish(work->connection, subject, subject + subject_size,
                                        (int)(zmq_msg_size(&message) - subject_size));
    if (status != NATS_OK) {
        work->failed++;
        if (work->connection && log_seldom(&work->complained_ms))
            log_warn(NULL, "progress messages that NATS did not take so far: %llu (%s)",
                     (unsigned long long)work->failed, natsStatus_GetText(status));
    }
    zmq_msg_close(&message);
    return true;
}

/* --- the thread: its life ------------------------------------------------------------------------------ */

/* Publishes until it is told to end. OXIDICOM_DEV_SLEEP pauses here and nowhere else. */
static void run(work_t *work) {
    zpoller_t *both = zpoller_new(work->pipe, work->queue, NULL), *told = zpoller_new(work->pipe, NULL);
    assert(both && told);
    for (bool ended = false; !ended;) {
        zsock_t *ready = zpoller_wait(both, -1);
        if (ready == work->queue && publish_next(work) && work->settings->dev_sleep_ms > 0)
            ready = zpoller_wait(told, (int)work->settings->dev_sleep_ms);
        ended = ready == work->pipe || zpoller_terminated(both) || zpoller_terminated(told);
    }
    zpoller_destroy(&both);
    zpoller_destroy(&told);
}

static void flush(work_t *work) {
    int64_t deadline_ms = clock_ms() + LONK_FLUSH_MS;
    while (clock_ms() < deadline_ms && publish_next(work))
        ;
    int64_t left_ms = deadline_ms - clock_ms();
    if (!work->connection || left_ms <= 0 || natsConnection_Status(work->connection) != NATS_CONN_STATUS_CONNECTED)
        return;
    natsStatus status = natsConnection_FlushTimeout(work->connection, left_ms);
    if (status != NATS_OK)
        log_warn(NULL, "the last progress messages may be lost: %s", natsStatus_GetText(status));
}

static void publisher_thread(zsock_t *pipe, void *argument) {
    start_t start = *(start_t *)argument;
    work_t work = {.pipe = pipe,
                   .queue = start.queue,
                   .waiting = start.waiting,
                   .settings = start.settings,
                   .state = start.state};
    zsock_signal(pipe, 0);
    connect_to_nats(&work);
    run(&work);
    flush(&work);
    natsConnection_Destroy(work.connection);
    nats_Close();
    zsock_destroy(&work.queue);
}

/* --- for the loop -------------------------------------------------------------------------------------- */

publisher_t *publisher_new(const settings_t *settings, connection_state_t *state) {
    publisher_t *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        abort();
    if (!settings->nats_address)
        return publisher;
    static const char endpoint[] = "inproc://lonk";
    start_t start = {settings, zsock_new(ZMQ_PULL), &publisher->waiting, state};
    publisher->queue = zsock_new(ZMQ_PUSH);
    assert(start.queue && publisher->queue);
    /* ZeroMQ adds both marks up for inproc. */
    zsock_set_rcvhwm(start.queue, 1);
    zsock_set_sndhwm(publisher->queue, LONK_QUEUE_MESSAGES - 1);
    int bound = zsock_bind(start.queue, "%s", endpoint),
        connected = zsock_connect(publisher->queue, "%s", endpoint);
    assert(bound >= 0 && connected == 0);
    publisher->thread = zactor_new(publisher_thread, &start); /* has read `start` when this returns */
    assert(publisher->thread);
    return publisher;
}

void publisher_destroy(publisher_t **self_p) {
    publisher_t *publisher = *self_p;
    if (!publisher)
        return;
    zactor_destroy(&publisher->thread);
    zsock_destroy(&publisher->queue);
    free(publisher);
    *self_p = NULL;
}

void publisher_publish(void *self, const char *subject, const void *payload, size_t size) {
    publisher_t *publisher = self;
    if (!publisher->thread)
        return;
    size_t subject_size = strlen(subject) + 1;
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, subject_size + size) != 0)
        abort();
    memcpy(zmq_msg_data(&message), subject, subject_size);
    memcpy((char *)zmq_msg_data(&message) + subject_size, payload, size);
    atomic_fetch_add(&publisher->waiting, 1);
    if (zmq_msg_send(&message, zsock_resolve(publisher->queue), ZMQ_DONTWAIT) >= 0)
        return;
    atomic_fetch_sub(&publisher->waiting, 1);
    zmq_msg_close(&message);
    publisher->dropped++;
    if (log_seldom(&publisher->complained_ms))
        log_warn(NULL, "progress messages dropped for want of room so far: %llu",
                 (unsigned long long)publisher->dropped);
}

void publisher_count(publisher_t *publisher, uint64_t *waiting, uint64_t *dropped) {
    *waiting = atomic_load(&publisher->waiting);
    *dropped = publisher->dropped;
}
