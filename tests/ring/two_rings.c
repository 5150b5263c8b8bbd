/* Two whole rings, each with its own sockets and journal, on one storage folder: what two replicas share. */
#include <stdlib.h>
#include <string.h>

#include "tests/ring/ring.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.7"
/* More by hand: OXIDICOM_TEST_SERIES=100. */
#define SERIES_DEFAULT 20
#define SERIES_MOST    1000
#define INSTANCES      6

typedef struct pair {
    receiver_t ring[2]; /* the second one's files root is the first one's */
    queue_t *queue;
} pair_t;

static void pair_start(pair_t *pair, const char *queue) {
    pair->queue = queue_new(rabbitmq_port(), queue);
    ring_start(&pair->ring[0], queue, (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    ring_start(&pair->ring[1], queue,
               (const char *const[]){"OXIDICOM_WRITERS", "2", "OXIDICOM_FILES_ROOT", pair->ring[0].root, NULL});
}

static void pair_stop(pair_t *pair) {
    for (int i = 1; i >= 0; i--) {
        cr_expect_eq(receiver_stop(&pair->ring[i]), 0);
        receiver_clear(&pair->ring[i]);
    }
    queue_destroy(&pair->queue);
}

/* Takes `count` registrations; `last[n]` becomes the count in the last one of series n. */
static void take_registrations(pair_t *pair, int count, int *last) {
    for (int i = 0; i < count; i++) {
        delivered_t task;
        cr_assert(queue_await(pair->queue, &task, PATIENCE_MS), "%d registrations of %d", i, count);
        const char *uid = json_string_value(delivered_argument(&task, "SeriesInstanceUID"));
        last[atoi(strrchr(uid, '.') + 1)] = (int)json_integer_value(delivered_argument(&task, "ndicom"));
        delivered_clear(&task);
    }
}

Test(two_rings, take_different_series_of_one_patient_at_once, .timeout = PATIENCE_S) {
    pair_t pair;
    int count = series_to_send(SERIES_DEFAULT, SERIES_MOST), last[SERIES_MOST + 1] = {0};
    pair_start(&pair, "two-different");
    for (int n = 1; n < count; n += 2) {
        scu_t scu[2] = {{.timeout_ms = PATIENCE_MS}, {.timeout_ms = PATIENCE_MS}};
        for (int i = 0; i < 2; i++)
            store_some(&scu[i], pair.ring[i].port, "TWO", series_number(SERIES, n + i), 1, INSTANCES);
        for (int i = 0; i < 2; i++)
            cr_assert(scu_release(&scu[i]));
    }
    take_registrations(&pair, count / 2 * 2, last);
    expect_no_registration(pair.queue);
    for (int n = 1; n <= count / 2 * 2; n++)
        cr_expect_eq(last[n], INSTANCES, "series %d: %d", n, last[n]);
    cr_expect_eq(receiver_files(&pair.ring[0]), (size_t)(count / 2 * 2) * INSTANCES);
    pair_stop(&pair);
}

/* Each ring gets a part of every series, one instance both. Who ends first leaves the series to the other. */
static void share_series(const char *queue, const char *const titles[2]) {
    pair_t pair;
    int count = series_to_send(SERIES_DEFAULT, SERIES_MOST), owed = count, last[SERIES_MOST + 1] = {0};
    pair_start(&pair, queue);
    for (int n = 1; n <= count; n++) {
        scu_t scu[2] = {{.timeout_ms = PATIENCE_MS}, {.timeout_ms = PATIENCE_MS}};
        int first = n % 2; /* now the one, now the other ends last */
        store_some(&scu[first], pair.ring[first].port, titles[first], series_number(SERIES, n), 1, INSTANCES);
        if (n % 5 == 0) { /* it is registered before the other begins, and then again */
            cr_assert(scu_release(&scu[first]));
            char *text = text_of("series %s is registered: %d files", series_number(SERIES, n), INSTANCES);
            cr_assert(receiver_logged(&pair.ring[first], text, PATIENCE_MS));
            free(text);
            owed++;
        }
        store_some(&scu[!first], pair.ring[!first].port, titles[!first], series_number(SERIES, n), INSTANCES,
                   INSTANCES);
        if (n % 5 != 0)
            cr_assert(scu_release(&scu[first]));
        cr_assert(scu_release(&scu[!first]));
    }
    take_registrations(&pair, owed, last);
    expect_no_registration(pair.queue);
    for (int n = 1; n <= count; n++)
        cr_expect_eq(last[n], 2 * INSTANCES - 1, "series %d: %d", n, last[n]);
    cr_expect_eq(receiver_files(&pair.ring[0]), (size_t)count * (2 * INSTANCES - 1));
    cr_expect_gt(receiver_times_logged(&pair.ring[0], " is left to another replica"), 0);
    cr_expect_gt(receiver_times_logged(&pair.ring[1], " is left to another replica"), 0);
    pair_stop(&pair);
}

Test(two_rings, that_share_a_series_register_it_once_after_its_last_file, .timeout = PATIENCE_S) {
    share_series("two-same", (const char *const[]){"TWO", "TWO"});
}

Test(two_rings, share_a_series_also_of_two_titles_that_are_sanitised_alike, .timeout = PATIENCE_S) {
    share_series("two-titles", (const char *const[]){"TWO 1", "TWO@1"});
}

/* As a pod that is drained: its association is aborted, the peer goes on with the other. */
Test(two_rings, of_which_one_ends_register_its_part_with_the_other, .timeout = PATIENCE_S) {
    pair_t pair;
    scu_t scu[2] = {{.timeout_ms = PATIENCE_MS}, {.timeout_ms = PATIENCE_MS}};
    pair_start(&pair, "two-drain");
    for (int i = 0; i < 2; i++)
        store_some(&scu[i], pair.ring[i].port, "TWO", series_number(SERIES, 0), 1 + i * INSTANCES, INSTANCES);
    cr_assert_eq(receiver_stop(&pair.ring[1]), 0);
    scu_close(&scu[1]);
    expect_no_registration(pair.queue);
    cr_assert(scu_release(&scu[0]));
    expect_registration(pair.queue, series_number(SERIES, 0), 2 * INSTANCES);
    receiver_start(&pair.ring[1],
                   (const char *const[]){"OXIDICOM_FILES_ROOT", pair.ring[0].root, "OXIDICOM_AMQP_ADDRESS",
                                         rabbitmq_address(), "OXIDICOM_QUEUE_NAME", "two-drain", NULL});
    cr_expect(receiver_logged(&pair.ring[1], "was registered by another replica", PATIENCE_MS));
    expect_no_registration(pair.queue);
    pair_stop(&pair);
}
