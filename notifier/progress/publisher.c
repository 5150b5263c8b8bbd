#include "notifier/progress/publisher.h"

#include <czmq.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/watch.h"
#include "notifier/progress/nats_link.h"

/* Messages taken from the queue before the connection is looked after again. */
#define SLICE_MESSAGES 256

struct publisher {
    zsock_t *queue;                /* PUSH, bounded */
    zactor_t *thread;              /* NULL: nobody wants the messages */
    atomic_uint_least64_t waiting; /* in the queue; the thread removes the ones it has taken */
    atomic_int_least64_t interrupted_ms;
    uint64_t dropped;
    int64_t end_by_ms; /* what is not over by then is not waited for; 0: it is not to end yet */
    bool ended;        /* the thread has said its last word */
    log_limit_t complained;
};

/* What the thread owns. */
typedef struct work {
    zsock_t *pipe;  /* from publisher_destroy */
    zsock_t *queue; /* PULL */
    atomic_uint_least64_t *waiting;
    atomic_int_least64_t *interrupted_ms;
    const settings_t *settings;
    nats_link_t *link;
} work_t;

/* A message of the queue: one of these, the subject with its NUL, then the payload, or an end_t and its errors. */
typedef enum kind { KIND_MESSAGE, KIND_DONE } kind_t;

typedef struct end {
    int64_t reception, ended_ms;
    uint32_t count;
} end_t;

/* The last word of the thread where it says which receptions NATS has; they are numbered from 1. */
#define NO_MORE 0

typedef struct start {
    const settings_t *settings;
    zsock_t *queue;
    atomic_uint_least64_t *waiting;
    atomic_int_least64_t *interrupted_ms;
    link_state_t *state;
} publisher_start_t;

/* --- the thread ------------------------------------------------------------------------------------------ */

static void publish(work_t *work, const char *message, size_t size) {
    const char *subject = message + 1, *payload = subject + strlen(subject) + 1;
    end_t end;
    if (*message == KIND_DONE) {
        memcpy(&end, payload, sizeof end);
        nats_link_publish_done(work->link,
                               &(lonk_final_t){.reception = end.reception,
                                               .subject = subject,
                                               .count = end.count,
                                               .ended_ms = end.ended_ms,
                                               .errors = payload + sizeof end,
                                               .errors_size = size - (size_t)(payload + sizeof end - message)});
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

/* A slice of the queue. OXIDICOM_DEV_SLEEP pauses here and nowhere else. Returns whether the thread shall end. */
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
        /* Before it connects, too: a series may end meanwhile. */
        atomic_store(work->interrupted_ms, nats_link_interrupted_ms(work->link));
        int64_t wait_ms = nats_link_service(work->link);
        atomic_store(work->interrupted_ms, nats_link_interrupted_ms(work->link));
        zsock_t *ready = zpoller_wait(both, (int)wait_ms);
        ended =
            ready == work->pipe || zpoller_terminated(both) || (ready == work->queue && publish_some(work, told));
    }
    zpoller_destroy(&both);
    zpoller_destroy(&told);
}

/* At most DONES_UNDER_WAY_MAX are on their way: the pipe has room. */
static void say_taken(void *self, int64_t reception) {
    (void)!zsock_send(((work_t *)self)->pipe, "8", (uint64_t)reception); /* fails where nobody listens any more */
}

static void publisher_thread(zsock_t *pipe, void *argument) {
    publisher_start_t start = *(publisher_start_t *)argument;
    work_t work = {.pipe = pipe,
                   .queue = start.queue,
                   .waiting = start.waiting,
                   .interrupted_ms = start.interrupted_ms,
                   .settings = start.settings};
    zsock_signal(pipe, 0);
    work.link = nats_link_new(work.settings, start.state, say_taken, &work);
    run(&work);
    int64_t deadline_ms = clock_ms() + LONK_FLUSH_MS;
    while (clock_ms() < deadline_ms && publish_next(&work))
        ;
    nats_link_flush(work.link, deadline_ms - clock_ms());
    say_taken(&work, NO_MORE);
    nats_link_destroy(&work.link);
    zsock_destroy(&work.queue);
}

/* --- for the loop -------------------------------------------------------------------------------------- */

publisher_t *publisher_new(const settings_t *settings, link_state_t *state) {
    publisher_t *publisher = must(calloc(1, sizeof *publisher));
    if (!settings->nats_address)
        return publisher;
    static const char endpoint[] = "inproc://lonk";
    publisher_start_t start = {settings, zsock_new(ZMQ_PULL), &publisher->waiting, &publisher->interrupted_ms,
                               state};
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

zsock_t *publisher_socket(publisher_t *publisher) {
    return publisher->thread ? zactor_sock(publisher->thread) : NULL;
}

void publisher_end(publisher_t *publisher) {
    publisher->ended = !publisher->thread || zstr_send(publisher->thread, "$TERM") != 0;
    publisher->end_by_ms = clock_ms() + PUBLISHER_END_MS;
}

bool publisher_taken(publisher_t *publisher, int64_t *reception) {
    uint64_t number = NO_MORE;
    if (!publisher->thread || publisher->ended || !watch_until(publisher->thread, publisher->end_by_ms) ||
        zsock_recv(publisher->thread, "8", &number) != 0)
        return false;
    *reception = (int64_t)number;
    publisher->ended = number == NO_MORE;
    return !publisher->ended;
}

bool publisher_destroy(publisher_t **self_p) {
    publisher_t *publisher = *self_p;
    *self_p = NULL;
    if (!publisher)
        return true;
    int64_t reception;
    if (!publisher->end_by_ms)
        publisher_end(publisher);
    while (publisher_taken(publisher, &reception))
        ; /* nobody asks */
    if (!publisher->ended) {
        log_warn(NULL, "NATS does not answer: the thread that waits for it is left to the kernel");
        return false;
    }
    zactor_destroy(&publisher->thread);
    zsock_destroy(&publisher->queue);
    free(publisher);
    return true;
}

/* Puts a message into the queue: its kind, the subject, and the payload, in two parts. False: there is no room. */
static bool enqueue(publisher_t *publisher, kind_t kind, const char *subject, const void *head, size_t head_size,
                    const void *rest, size_t rest_size) {
    size_t subject_size = strlen(subject) + 1;
    zmq_msg_t message;
    if (!publisher->thread)
        return false;
    must_hold(zmq_msg_init_size(&message, 1 + subject_size + head_size + rest_size) == 0);
    char *to = zmq_msg_data(&message);
    *to++ = (char)kind;
    to = mempcpy(to, subject, subject_size);
    to = mempcpy(to, head, head_size);
    if (rest_size)
        memcpy(to, rest, rest_size);
    atomic_fetch_add(&publisher->waiting, 1);
    if (zmq_msg_send(&message, zsock_resolve(publisher->queue), ZMQ_DONTWAIT) >= 0)
        return true;
    atomic_fetch_sub(&publisher->waiting, 1);
    zmq_msg_close(&message);
    return false;
}

void publisher_publish(void *self, const char *subject, const void *payload, size_t size) {
    publisher_t *publisher = self;
    if (!publisher->thread || enqueue(publisher, KIND_MESSAGE, subject, payload, size, NULL, 0))
        return;
    publisher->dropped++;
    if (log_seldom(&publisher->complained, NULL))
        log_warn(NULL, "progress messages dropped so far, since the queue is full: %llu",
                 (unsigned long long)publisher->dropped);
}

bool publisher_publish_done(void *self, const lonk_final_t *final) {
    end_t end = {final->reception, final->ended_ms, final->count};
    return enqueue(self, KIND_DONE, final->subject, &end, sizeof end, final->errors, final->errors_size);
}

int64_t publisher_interrupted_ms(void *self) {
    publisher_t *publisher = self;
    return atomic_load(&publisher->interrupted_ms);
}

void publisher_count(publisher_t *publisher, uint64_t *waiting, uint64_t *dropped) {
    *waiting = atomic_load(&publisher->waiting);
    *dropped = publisher->dropped;
}
