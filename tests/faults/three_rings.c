/* Three whole rings as three hosts would have them, on one storage and one queue. Each series is split at random
 * over rings, associations, aborts, repeats, and two titles that are sanitised alike. First nobody dies; then
 * random stages do; then one ring does, for good.
 *
 * By hand: OXIDICOM_TEST_SERIES, how many series in each of the three parts; OXIDICOM_TEST_SEED repeats a run. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "tests/faults/ring_of_ours.h"

#define RINGS            3
#define SENDERS          6
#define SERIES_DEFAULT   6
#define SERIES_MOST      1000
#define INSTANCES        12
#define CHUNK_MOST       4
#define KILL_INTERVAL_MS 400
#define QUIET            "2s"
#define ABORT_QUIET      "3s"
#define QUIET_LEAST_MS   1500 /* of the former, on a machine that is busy */
#define SETTLE_MS        240000
#define QUEUE            "three-rings"

typedef struct series {
    char uid[80];
    bool sent;
    int64_t begun_ms, ended_ms;
    int rings; /* bits: rings with files of it */
    bool slow; /* the wait may have been over between two of its associations */
    int64_t association_ended_ms;
    int registered, last;
    int64_t registered_ms; /* for the first time */
} series_t;

typedef struct site {
    receiver_t receivers[RINGS];
    ring_of_ours_t rings[RINGS];
    const char *environments[RINGS][32];
    char *texts[RINGS][8];
    _Atomic int gone; /* the ring that died for good; -1: none */
    series_t series[SERIES_MOST];
    atomic_int next, sending;
    int count;
    unsigned seed;
    int64_t killed_ms[10000];
    int kills;
} site_t;

typedef struct sender {
    pthread_t thread;
    site_t *site;
    unsigned seed;
} sender_t;

/* --- the rings ------------------------------------------------------------------------------------------- */

static void start_ring(site_t *site, int i) {
    receiver_t *receiver = &site->receivers[i];
    receiver_prepare(receiver);
    char **text = site->texts[i];
    text[0] = text_of("%d", receiver->port);
    text[1] = text_of("%s/run", receiver->folder);
    text[2] = text_of("host-%d", i);
    text[3] = text_of("%s/../preload.so", binaries());
    const char *const environment[] = {
        "OXIDICOM_LISTENER_PORT", text[0], "OXIDICOM_RUN_DIR", text[1], "OXIDICOM_TEST_HOST", text[2], "LD_PRELOAD",
        text[3], "OXIDICOM_FILES_ROOT", site->receivers[0].root,
        /* so that others take its journal over */
        "OXIDICOM_STATE_DIR", "/proc/no/such/place", "OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),
        "OXIDICOM_QUEUE_NAME", QUEUE, "OXIDICOM_SERIES_QUIET", QUIET, "OXIDICOM_ABORT_QUIET", ABORT_QUIET, NULL};
    memcpy(site->environments[i], environment, sizeof environment);
    ring_of_ours_start(&site->rings[i], receiver, site->environments[i]);
}

static void start(site_t *site) {
    atomic_init(&site->gone, -1);
    for (int i = 0; i < RINGS; i++)
        start_ring(site, i);
}

static void stop(site_t *site) {
    for (int i = RINGS - 1; i >= 0; i--) {
        cr_expect(i == atomic_load(&site->gone) || ring_of_ours_stop(&site->rings[i]));
        receiver_clear(&site->receivers[i]);
        for (size_t t = 0; t < 4; t++)
            free(site->texts[i][t]);
    }
}

static void note_kill(site_t *site) {
    if (site->kills < 10000)
        site->killed_ms[site->kills++] = clock_ms();
}

static void kill_for_good(site_t *site, int ring) {
    int status;
    atomic_store(&site->gone, ring);
    for (int stage = 0; stage < RING_STAGES; stage++)
        kill(site->rings[ring].pids[stage], SIGKILL);
    for (int stage = 0; stage < RING_STAGES; stage++)
        cr_assert(process_wait(site->rings[ring].pids[stage], PATIENCE_MS, &status));
    note_kill(site);
}

/* --- the senders ----------------------------------------------------------------------------------------- */

static int some_ring(sender_t *sender) {
    int ring;
    do
        ring = rand_r(&sender->seed) % RINGS;
    while (ring == atomic_load(&sender->site->gone));
    return ring;
}

static const char *some_title(sender_t *sender) {
    return rand_r(&sender->seed) % 2 ? "THREE 1" : "THREE@1";
}

/* Before it ends: the wait may begin as soon as a ring sees the end. */
static void note_end(series_t *series) {
    series->association_ended_ms = series->association_ended_ms ? series->association_ended_ms : clock_ms();
}

/* Sends the missing instances of a part of the series, repeats some others, and ends somehow. */
static void try_to_send(sender_t *sender, series_t *series, bool *stored, int first, int count) {
    int ring = some_ring(sender), aborts_at = rand_r(&sender->seed) % 4 == 0 ? rand_r(&sender->seed) % count : -1;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    if (!scu_associate_mr(&scu, sender->site->receivers[ring].port, some_title(sender), EXPLICIT_LE)) {
        scu_close(&scu);
        poll(NULL, 0, 20);
        return;
    }
    for (int i = first; i < first + count; i++) {
        if (stored[i] && rand_r(&sender->seed) % 4)
            continue;
        if (i - first == aborts_at) {
            note_end(series);
            scu_abort(&scu);
            return;
        }
        bytes_t set = dataset_instance(EXPLICIT_LE, series->uid, instance_of(series->uid, i + 1), i + 1, 2000);
        int status = scu_store(&scu, 1, MR_STORAGE, instance_of(series->uid, i + 1), &set);
        bytes_free(&set);
        stored[i] |= status == 0;
        series->slow |= series->association_ended_ms && clock_ms() - series->association_ended_ms > QUIET_LEAST_MS;
        series->association_ended_ms = 0;
        series->rings |= 1 << ring;
        if (status < 0) {
            note_end(series);
            scu_close(&scu);
            return;
        }
    }
    note_end(series);
    (void)scu_release(&scu);
}

static bool is_stored(const bool *stored, int first, int count) {
    for (int i = first; i < first + count; i++)
        if (!stored[i])
            return false;
    return true;
}

static void send_series(sender_t *sender, series_t *series) {
    bool stored[INSTANCES] = {false};
    int64_t end_ms = clock_ms() + SETTLE_MS;
    series->begun_ms = clock_ms();
    for (int first = 0, count; first < INSTANCES; first += count) {
        count = 1 + rand_r(&sender->seed) % CHUNK_MOST;
        if (count > INSTANCES - first)
            count = INSTANCES - first;
        do
            try_to_send(sender, series, stored, first, count);
        while (!is_stored(stored, first, count) && clock_ms() < end_ms);
    }
    series->sent = is_stored(stored, 0, INSTANCES);
    series->ended_ms = clock_ms();
}

static void *send_all(void *argument) {
    sender_t *sender = argument;
    site_t *site = sender->site;
    for (int number; (number = atomic_fetch_add(&site->next, 1)) < site->count;)
        send_series(sender, &site->series[number]);
    atomic_fetch_sub(&site->sending, 1);
    return NULL;
}

static void start_senders(site_t *site, sender_t *senders, int count) {
    atomic_store(&site->sending, SENDERS);
    site->count += count;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender_t){.site = site, .seed = site->seed++};
        cr_assert_eq(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
}

static void join_senders(site_t *site, sender_t *senders) {
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    atomic_store(&site->next, site->count); /* each has taken one too many */
}

/* --- afterwards ------------------------------------------------------------------------------------------ */

typedef struct registrations {
    site_t *site;
    queue_t *queue;
} registrations_t;

static bool are_all_registered(void *argument) {
    registrations_t *r = argument;
    delivered_t task;
    while (queue_take(r->queue, &task)) {
        const char *uid = json_string_value(delivered_argument(&task, "SeriesInstanceUID"));
        series_t *series = &r->site->series[atoi(strrchr(uid, '.') + 1)];
        series->last = (int)json_integer_value(delivered_argument(&task, "ndicom"));
        series->registered_ms = series->registered++ ? series->registered_ms : clock_ms();
        delivered_clear(&task);
    }
    for (int i = 0; i < r->site->count; i++)
        if (r->site->series[i].last != INSTANCES)
            return false;
    return true;
}

static bool was_killed(const site_t *site, const series_t *series) {
    for (int i = 0; i < site->kills; i++)
        if (site->killed_ms[i] >= series->begun_ms && site->killed_ms[i] <= series->registered_ms)
            return true;
    return false;
}

static void await_registrations(registrations_t *r) {
    cr_expect(await(are_all_registered, r, SETTLE_MS));
}

static void expect_registrations(site_t *site, int first, int count, const char *part) {
    int twice = 0, tasks = 0, split = 0, slow = 0;
    for (int i = first; i < first + count; i++) {
        const series_t *s = &site->series[i];
        twice += s->registered > 1;
        tasks += s->registered;
        split += (s->rings & (s->rings - 1)) != 0;
        slow += s->slow;
        cr_expect(s->sent, "series %d was not delivered", i);
        cr_expect_eq(s->last, INSTANCES, "the last registration of series %d has %d files", i, s->last);
        cr_expect(s->registered == 1 || s->slow || was_killed(site, s),
                  "series %d: %d registrations, and nobody died", i, s->registered);
    }
    fprintf(
        stderr,
        "three rings, %s: %d series, %d of them over several rings, %d registrations, %d series more than once, "
        "%d sent slowly\n",
        part, count, split, tasks, twice, slow);
}

static int number_of(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text && *text ? atoi(text) : otherwise;
}

static void kill_stages(site_t *site) {
    while (atomic_load(&site->sending) > 0) {
        poll(NULL, 0, KILL_INTERVAL_MS);
        ring_of_ours_kill(&site->rings[rand_r(&site->seed) % RINGS], rand_r(&site->seed) % RING_STAGES);
        note_kill(site);
    }
}

Test(three_rings, register_each_series_whole_whatever_dies, .timeout = 4 * PATIENCE_S) {
#ifdef SANITIZED
    cr_skip_test("nothing can be preloaded before AddressSanitizer");
#endif
    static site_t site;
    sender_t senders[SENDERS];
    int count = number_of("OXIDICOM_TEST_SERIES", SERIES_DEFAULT);
    cr_assert(count > 0 && 3 * count <= SERIES_MOST);
    site.seed = (unsigned)number_of("OXIDICOM_TEST_SEED", (int)(time(NULL) % 100000));
    fprintf(stderr, "three rings: OXIDICOM_TEST_SEED=%u\n", site.seed);
    for (int i = 0; i < 3 * count; i++)
        snprintf(site.series[i].uid, sizeof site.series[i].uid, "1.2.826.0.1.3680043.9.9999.18.%d", i);
    start(&site);
    registrations_t r = {&site, queue_new(rabbitmq_port(), QUEUE)};
    start_senders(&site, senders, count);
    join_senders(&site, senders);
    await_registrations(&r);
    start_senders(&site, senders, count);
    kill_stages(&site);
    join_senders(&site, senders);
    await_registrations(&r);
    start_senders(&site, senders, count);
    while (atomic_load(&site.next) < site.count - count / 2)
        poll(NULL, 0, 1);
    kill_for_good(&site, 2);
    join_senders(&site, senders);
    ring_of_ours_kill(&site.rings[1], 1); /* journals that were left behind are looked for at the start */
    note_kill(&site);
    await_registrations(&r);
    poll(NULL, 0, 1000); /* for one too many */
    (void)are_all_registered(&r);
    expect_registrations(&site, 0, count, "nobody dies");
    expect_registrations(&site, count, count, "stages die");
    expect_registrations(&site, 2 * count, count, "a ring dies for good");
    fprintf(stderr, "three rings: %d kills\n", site.kills);
    queue_destroy(&r.queue);
    stop(&site);
}
