/* A random stage is killed every 200 ms, while eight senders send series after series, each object until it is
 * acknowledged, and RabbitMQ and NATS come and go. Acknowledged objects must be there, and be registered.
 *
 * OXIDICOM_TEST_SECONDS is its length, OXIDICOM_TEST_SEED repeats the kills and the series of a run before. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/faults/ring_of_ours.h"

#define SENDERS           8
#define SERIES_MAX        20000 /* of one sender: more than 20 minutes take */
#define SERIES_OF_A_TITLE 50
#define KILL_INTERVAL_MS  200
#define SERVERS_UP_MS     8000
#define CALM_MS           180000
#define QUEUE             "kill-loop"

typedef struct sender {
    pthread_t thread;
    unsigned seed;
    int number, port;
    const atomic_bool *over;
    delivery_t *series;
    int series_count;
    bool failed; /* its begun messages could not be delivered after the last kill */
} sender_t;

typedef struct loop {
    receiver_t receiver;
    ring_of_ours_t ring;
    rabbitmq_t rabbitmq;
    nats_server_t nats;
    sender_t senders[SENDERS];
    unsigned seed;
    int64_t length_ms;
    atomic_bool over, servers_up, servers_stay, done;
    pthread_t servers_thread;
    int server_restarts, kills;
} loop_t;

/* --- senders ------------------------------------------------------------------------------------------- */

/* The series that is under way at the end is finished without any more kills. */
static void *send_series(void *argument) {
    sender_t *sender = argument;
    while (!atomic_load(sender->over) && sender->series_count < SERIES_MAX && !sender->failed) {
        delivery_t *d = &sender->series[sender->series_count];
        *d = (delivery_t){.port = sender->port, .count = 2 + rand_r(&sender->seed) % 30};
        d->pixels = (size_t)(1000 + rand_r(&sender->seed) % 60000);
        d->large = rand_r(&sender->seed) % 4 == 0 ? 2 : 0;
        /* Another title, and so another folder, now and then: afterwards each series is looked for in one. */
        snprintf(d->calling_ae, sizeof d->calling_ae, "KILLS%d-%d", sender->number,
                 sender->series_count / SERIES_OF_A_TITLE);
        snprintf(d->series, sizeof d->series, "1.2.826.0.1.3680043.9.9999.6.%d.%d", sender->number,
                 ++sender->series_count);
        sender->failed = !delivery_run(d, CALM_MS);
    }
    return NULL;
}

static void start_senders(loop_t *loop) {
    for (int i = 0; i < SENDERS; i++) {
        sender_t *sender = &loop->senders[i];
        *sender = (sender_t){.seed = loop->seed + 1 + (unsigned)i,
                             .number = i,
                             .port = loop->receiver.port,
                             .over = &loop->over,
                             .series = calloc(SERIES_MAX, sizeof *sender->series)};
        cr_assert(sender->series && pthread_create(&sender->thread, NULL, send_series, sender) == 0);
    }
}

/* --- servers ------------------------------------------------------------------------------------------- */

static bool is_set(void *flag) {
    return atomic_load((atomic_bool *)flag);
}

/* In a thread of its own, since RabbitMQ takes seconds to start; it lives as long as the test, since the servers
 * die with the thread that has started them. */
static void *run_servers(void *argument) {
    loop_t *loop = argument;
    rabbitmq_start(&loop->rabbitmq);
    nats_server_start(&loop->nats, 0);
    atomic_store(&loop->servers_up, true);
    while (!await(is_set, &loop->over, SERVERS_UP_MS)) {
        nats_server_stop(&loop->nats);
        rabbitmq_pause(&loop->rabbitmq);
        nats_server_start(&loop->nats, loop->nats.port);
        rabbitmq_start(&loop->rabbitmq);
        loop->server_restarts++;
    }
    atomic_store(&loop->servers_stay, true);
    while (!await(is_set, &loop->done, SERVERS_UP_MS))
        ;
    nats_server_stop(&loop->nats);
    rabbitmq_stop(&loop->rabbitmq);
    return NULL;
}

/* --- the loop ------------------------------------------------------------------------------------------ */

static long number_of(const char *variable, long otherwise) {
    const char *text = getenv(variable);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void kill_stages(loop_t *loop) {
    unsigned seed = loop->seed;
    int64_t next_ms = clock_ms(), end_ms = next_ms + loop->length_ms;
    for (; clock_ms() < end_ms; loop->kills++) {
        next_ms += KILL_INTERVAL_MS;
        for (int64_t now_ms; (now_ms = clock_ms()) < next_ms;)
            poll(NULL, 0, (int)(next_ms - now_ms));
        ring_of_ours_kill(&loop->ring, rand_r(&seed) % RING_STAGES);
    }
}

/* --- afterwards ---------------------------------------------------------------------------------------- */

typedef struct totals {
    int series, objects, sent, associations, out_of_resources, others, missing, strangers, unregistered, tasks;
} totals_t;

static void count_deliveries(loop_t *loop, totals_t *t) {
    for (int i = 0; i < SENDERS; i++)
        for (int s = 0; s < loop->senders[i].series_count; s++) {
            const delivery_t *d = &loop->senders[i].series[s];
            int strangers;
            t->series++;
            t->objects += delivery_acknowledged(d);
            t->sent += d->sent;
            t->associations += d->associations;
            t->out_of_resources += d->out_of_resources;
            t->others += d->others;
            t->missing += delivery_faults(d, loop->receiver.root, &strangers);
            t->strangers += strangers;
        }
}

/* Takes what the queue holds: for each series the number of files that its last registration tells. */
static void take_registrations(queue_t *queue, json_t *last, totals_t *t) {
    delivered_t task;
    while (queue_take(queue, &task)) {
        json_object_set(last, json_string_value(delivered_argument(&task, "SeriesInstanceUID")),
                        delivered_argument(&task, "ndicom"));
        t->tasks++;
        delivered_clear(&task);
    }
}

static int count_unregistered(const loop_t *loop, const json_t *last, bool tell) {
    int count = 0;
    for (int i = 0; i < SENDERS; i++)
        for (int s = 0; s < loop->senders[i].series_count; s++) {
            const delivery_t *d = &loop->senders[i].series[s];
            json_t *ndicom = json_object_get(last, d->series);
            bool right = ndicom && json_integer_value(ndicom) == delivery_acknowledged(d);
            count += !right;
            if (!right && tell)
                fprintf(stderr, "series %s has %d objects, its last registration has %lld\n", d->series,
                        delivery_acknowledged(d), ndicom ? (long long)json_integer_value(ndicom) : -1);
        }
    return count;
}

typedef struct registrations {
    const loop_t *loop;
    queue_t *queue;
    json_t *last;
    totals_t *totals;
} registrations_t;

static bool all_registered(void *argument) {
    registrations_t *r = argument;
    take_registrations(r->queue, r->last, r->totals);
    return count_unregistered(r->loop, r->last, false) == 0;
}

static void await_registrations(const loop_t *loop, totals_t *t) {
    registrations_t r = {loop, queue_new(loop->rabbitmq.port, QUEUE), json_object(), t};
    (void)await(all_registered, &r, CALM_MS); /* missing files are then counted and told */
    poll(NULL, 0, 1000);                      /* a wrong one may follow a right one */
    take_registrations(r.queue, r.last, t);
    t->unregistered = count_unregistered(loop, r.last, true);
    json_decref(r.last);
    queue_destroy(&r.queue);
}

static void print_totals(const loop_t *loop, const totals_t *t) {
    const int *k = loop->ring.kills;
    fprintf(
        stderr,
        "kill loop: seed %u, %lld s, %d kills (listener %d, notifier %d, writers %d), RabbitMQ and NATS restarted "
        "%d times\n"
        "  %d series, %d objects acknowledged (%.0f/s), %d sends, %d associations, %d times A700\n"
        "  %d registrations, %d acknowledged objects missing or altered, %d series not registered as they are, "
        "%d strange files\n",
        loop->seed, (long long)loop->length_ms / 1000, loop->kills, k[0], k[1], k[2] + k[3] + k[4],
        loop->server_restarts, t->series, t->objects, (double)t->objects * 1000 / (double)loop->length_ms, t->sent,
        t->associations, t->out_of_resources, t->tasks, t->missing, t->unregistered, t->strangers);
}

static void run(loop_t *loop) {
    start_senders(loop);
    kill_stages(loop);
    atomic_store(&loop->over, true);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(loop->senders[i].thread, NULL);
}

Test(kill_loop, loses_nothing_that_was_acknowledged, .timeout = 100000) {
#ifdef SANITIZED
    long seconds = 15;
#else
    long seconds = 60;
#endif
    loop_t loop = {.length_ms = 1000 * number_of("OXIDICOM_TEST_SECONDS", seconds),
                   .seed = (unsigned)number_of("OXIDICOM_TEST_SEED", time(NULL) % 100000)};
    totals_t totals = {0};
    fprintf(stderr, "kill loop: OXIDICOM_TEST_SEED=%u\n", loop.seed);
    cr_assert_eq(pthread_create(&loop.servers_thread, NULL, run_servers, &loop), 0);
    cr_assert(await(is_set, &loop.servers_up, CALM_MS));
    receiver_prepare(&loop.receiver);
    char *broker = text_of("amqp://127.0.0.1:%d", loop.rabbitmq.port),
         *nats = text_of("127.0.0.1:%d", loop.nats.port);
    const char *const environment[] = {
        "OXIDICOM_AMQP_ADDRESS", broker, "OXIDICOM_NATS_ADDRESS", nats, "OXIDICOM_QUEUE_NAME", QUEUE, NULL};
    ring_of_ours_start(&loop.ring, &loop.receiver, environment);
    run(&loop);
    count_deliveries(&loop, &totals);
    cr_assert(await(is_set, &loop.servers_stay, CALM_MS));
    await_registrations(&loop, &totals);
    print_totals(&loop, &totals);
    for (int i = 0; i < SENDERS; i++)
        cr_expect_not(loop.senders[i].failed, "sender %d could not deliver its last series", i);
    cr_expect_gt(totals.objects, 0);
    cr_expect_eq(totals.missing, 0);
    cr_expect_eq(totals.strangers, 0);
    cr_expect_eq(totals.unregistered, 0);
    cr_expect_eq(totals.others, 0);
    cr_expect_eq((int)receiver_files(&loop.receiver), totals.objects);
    cr_expect(ring_of_ours_stop(&loop.ring));
    cr_expect(no_temporary_files(&loop.receiver), "a partial file is left");
    atomic_store(&loop.done, true);
    pthread_join(loop.servers_thread, NULL);
    for (int i = 0; i < SENDERS; i++)
        free(loop.senders[i].series);
    receiver_clear(&loop.receiver);
    free(broker);
    free(nats);
}
