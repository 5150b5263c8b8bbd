/* RabbitMQ away at the start and in the middle, under load: reception goes on as before, and each series is
 * registered once. OXIDICOM_TEST_OUTAGE: how many seconds each of the two outages lasts. */
#include <stdlib.h>

#include "common/clock.h"
#include "notifier/broker/registrar.h"
#include "tests/ring/ring.h"
#include "tests/support/pacs.h"

#define BETWEEN_MAX_MS 30000

static rabbitmq_t broker;

static pacs_t pacs = {.calling_ae = "OUTAGE",
                      .root_uid = "1.2.826.0.1.3680043.9.9999.3.80",
                      .objects = 3,
                      .object_bytes = 20000,
                      .series_max = 1000000};

/* Takes the tasks of all series; returns how many came more than once, and asserts that these have one id. */
static int expect_all_registered(queue_t *queue, const char *id_of_first) {
    char(*ids)[64] = calloc((size_t)pacs.series + 1, sizeof *ids);
    int repeated = 0, missing = pacs.series - 1;
    snprintf(ids[1], sizeof ids[1], "%s", id_of_first);
    delivered_t task;
    while (missing > 0 ? queue_await(queue, &task, PATIENCE_MS) : queue_take(queue, &task)) {
        int number = pacs_number_of(&pacs, json_string_value(delivered_argument(&task, "SeriesInstanceUID")));
        const char *id = json_string_value(json_object_get(task.headers, "id"));
        /* A folder is told from others by 28 bits of the UID's hash: of many thousand series, two may share one. */
        int ndicom = (int)json_integer_value(delivered_argument(&task, "ndicom"));
        cr_expect(ndicom == pacs.objects || (pacs.series > 5000 && ndicom == 2 * pacs.objects), "series %d: %d",
                  number, ndicom);
        if (!*ids[number])
            missing--;
        else
            repeated++;
        if (*ids[number])
            cr_expect_str_eq(ids[number], id, "series %d is registered twice", number);
        snprintf(ids[number], sizeof ids[number], "%s", id);
        delivered_clear(&task);
    }
    cr_assert_eq(missing, 0, "%d series are lost", missing);
    free(ids);
    return repeated;
}

Test(outage, of_rabbitmq_under_load_loses_and_repeats_nothing_and_does_not_slow_reception, .timeout = 7200) {
    const char *wanted = getenv("OXIDICOM_TEST_OUTAGE");
    int64_t outage_ms = 1000 * (wanted ? strtoll(wanted, NULL, 10) : 3);
    int64_t between_ms = outage_ms < BETWEEN_MAX_MS ? outage_ms : BETWEEN_MAX_MS;
    receiver_t receiver;
    rabbitmq_start(&broker); /* to know its port */
    rabbitmq_pause(&broker);
    char *address = text_of("amqp://127.0.0.1:%d", broker.port);
    ring_start(&receiver, "outage", (const char *const[]){"OXIDICOM_AMQP_ADDRESS", address, NULL});
    pacs.port = receiver.port;
    pacs_begin(&pacs);

    double absent = pacs_rate(&pacs, outage_ms);
    rabbitmq_start(&broker);
    queue_t *queue = queue_new(broker.port, "outage");
    delivered_t first;
    char id_of_first[64];
    cr_assert(queue_await(queue, &first, PATIENCE_MS));
    cr_expect_eq(pacs_number_of(&pacs, json_string_value(delivered_argument(&first, "SeriesInstanceUID"))), 1);
    snprintf(id_of_first, sizeof id_of_first, "%s", json_string_value(json_object_get(first.headers, "id")));
    delivered_clear(&first);
    queue_destroy(&queue);
    double there = pacs_rate(&pacs, between_ms);
    rabbitmq_pause(&broker);
    double gone;
    int64_t end_ms = clock_ms() + PATIENCE_MS;
    do /* the machine may be busy with other work for a while */
        gone = pacs_rate(&pacs, outage_ms);
    while (gone * 4 <= there && clock_ms() < end_ms);
    rabbitmq_start(&broker);
    pacs_rate(&pacs, between_ms);
    pacs_end(&pacs);

    queue = queue_new(broker.port, "outage");
    int repeated = expect_all_registered(queue, id_of_first);
    fprintf(stderr,
            "%d series; objects per second without the broker %.0f, with it %.0f, without it again %.0f; "
            "%d repeated after an unclear confirm\n",
            pacs.series, absent, there, gone, repeated);
    cr_expect_leq(repeated, REGISTRATIONS_IN_FLIGHT);
    cr_expect_gt(gone * 4, there, "reception is slower without the broker");
    cr_expect_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    rabbitmq_stop(&broker);
    free(address);
}
