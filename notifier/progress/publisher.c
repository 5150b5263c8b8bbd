#include "notifier/progress/publisher.h"

#include <czmq.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "notifier/progress/nats_link.h"

/* Messages taken from the queue before the connection is looked after again. */
#define SLICE_MESSAGES 256

struct publisher {
    zsock_t *queue;                /* PUSH, bounded */
    zactor_t *thread;              /* NULL: nobody wants the messages */
    atomic_uint_least64_t waiting; /* in the queue; the thread takes off what it has taken */
    uint64_t dropped;
    log_limit_t complained;
};

/* What the thread owns. */
typedef struct work {
    zsock_t *pipe;  /* from publisher_destroy */
    zsock_t *queue; /* PULL */
    atomic_uint_least64_t *waiting;
    const settings_t *settings;
    nats_link_t *link;
} work_t;

/* A message of the queue: one of these, the subject with its NUL, then the payload or the count. */
typedef enum kind { KIND_MESSAGE, KIND_DONE } kind_t;

typedef struct start {
    const settings_t *settings;
    zsock_t *queue;
    atomic_uint_least64_t *waiting;
    link_state_t *state;
} start_t;

/* --- the thread ------------------------------------------------------------------------------------------ */

static void publish(work_t *work, const char *message, size_t size) {
    const char *subject = message + 1, *payload = subject + strlen(subject) + 1;
    uint32_t count;
    if (*message == KIND_DONE) {
        memcpy(&count, payload, sizeof count);
        nats_link_publish_done(work->link, subject, count);
    } else {
        nats_link_publish(work->link, subject, payload, size - (size_t)(payload - message));
    }
}

/* False: none waits. */
static bool publish_next(work_t *work) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    bool any = zmq_msg_recv(&message, zsock_resolve(work->queue), ZMQ_DONTWAIT) >= 0;
    if (any) {
        atomic_fetch_sub(work->waiting, 1);
        publish(work, zmq_msg_data(&message), zmq_msg_size(&message));
    }
    zmq_msg_close(&message);
    return any;
}

/* A slice of what waits. OXIDICOM_DEV_SLEEP pauses here and nowhere else. Returns whether the thread shall end. */
static bool publish_some(work_t *work, zpoller_t *told) {
    for (int i = 0; i < SLICE_MESSAGES && publish_next(work); i++) {
        if (work->settings->dev_sleep_ms == 0)
            continue;
        if (zpoller_wait(told, (int)work->settings->dev_sleep_ms) || zpoller_terminated(told))
            return true;
        break;
    }
    return false;
}

/* Publishes until it is told to end. */
static void run(work_t *work) {
    zpoller_t *both = zpoller_new(work->pipe, work->queue, NULL), *told = zpoller_new(work->pipe, NULL);
    assert(both && told);
    for (bool ended = false; !ended;) {
        zsock_t *ready = zpoller_wait(both, (int)nats_link_service(work->link));
        ended =
            ready == work->pipe || zpoller_terminated(both) || (ready == work->queue && publish_some(work, told));
    }
    zpoller_destroy(&both);
    zpoller_destroy(&told);
}

static void publisher_thread(zsock_t *pipe, void *argument) {
    start_t start = *(start_t *)argument;
    work_t work = {.pipe = pipe, .queue = start.queue, .waiting = start.waiting, .settings = start.settings};
    zsock_signal(pipe, 0);
    work.link = nats_link_new(work.settings, start.state);
    run(&work);
    int64_t deadline_ms = clock_ms() + LONK_FLUSH_MS;
    while (clock_ms() < deadline_ms && publish_next(&work))
        ;
    nats_link_flush(work.link, deadline_ms - clock_ms());
    nats_link_destroy(&work.link);
    zsock_destroy(&work.queue);
}

/* --- for the loop -------------------------------------------------------------------------------------- */

publisher_t *publisher_new(const settings_t *settings, link_state_t *state) {
    publisher_t *publisher = must(calloc(1, sizeof *publisher));
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

/* Puts a message into the queue, or counts it as dropped. */
static void enqueue(publisher_t *publisher, kind_t kind, const char *subject, const void *payload, size_t size) {
    if (!publisher->thread)
        return;
    size_t subject_size = strlen(subject) + 1;
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, 1 + subject_size + size) != 0)
        abort();
    char *bytes = zmq_msg_data(&message);
    bytes[0] = (char)kind;
    memcpy(bytes + 1, subject, subject_size);
    memcpy(bytes + 1 + subject_size, payload, size);
    atomic_fetch_add(&publisher->waiting, 1);
    if (zmq_msg_send(&message, zsock_resolve(publisher->queue), ZMQ_DONTWAIT) >= 0)
        return;
    atomic_fetch_sub(&publisher->waiting, 1);
    zmq_msg_close(&message);
    publisher->dropped++;
    if (log_seldom(&publisher->complained, NULL))
        log_warn(NULL, "progress messages dropped for want of room so far: %llu",
                 (unsigned long long)publisher->dropped);
}

void publisher_publish(void *self, const char *subject, const void *payload, size_t size) {
    enqueue(self, KIND_MESSAGE, subject, payload, size);
}

void publisher_publish_done(void *self, const char *subject, uint32_t count) {
    enqueue(self, KIND_DONE, subject, &count, sizeof count);
}

void publisher_count(publisher_t *publisher, uint64_t *waiting, uint64_t *dropped) {
    *waiting = atomic_load(&publisher->waiting);
    *dropped = publisher->dropped;
}
