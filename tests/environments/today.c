/* The environments of the reference implementation start this one unchanged. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/environments/container.h"
#include "tests/support/senders.h"

#define SERIES  "1.2.826.0.1.3680043.9.9999.8.1"
#define SENDERS 8

static void receive_a_series(const environment_t *environment, const char *queue_name) {
    container_t container;
    container_prepare(&container);
    queue_t *queue = queue_new(rabbitmq_port(), queue_name);
    tap_t *tap = tap_new(nats_port());
    container_start(&container, environment, "chris-oxidicom-5f9d8b7c6d-abcde",
                    (const char *const[]){"OXIDICOM_QUEUE_NAME", queue_name, NULL}, NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, container.receiver.port, "TODAY", SERIES, 1, 5);
    cr_expect_eq(container_tool(&container, environment, "status", "--stages"), 0);
    cr_assert(scu_release(&scu));
    expect_registration(queue, SERIES, 5);
    cr_assert(tap_await_done(tap, subject_of("TODAY", SERIES), 1, PATIENCE_MS));
    cr_assert_eq(receiver_files(&container.receiver), 5);
    cr_assert_eq(container_stop(&container), 0);
    tap_destroy(&tap);
    queue_destroy(&queue);
    container_clear(&container);
}

Test(today, the_chart_receives_with_nothing_writable_but_its_volume, .timeout = PATIENCE_S) {
    receive_a_series(&CHART, "today-chart");
}

Test(today, minichris_receives_with_nothing_writable_but_its_volume, .timeout = PATIENCE_S) {
    receive_a_series(&MINICHRIS, "today-minichris");
}

/* The broker is away, so that nothing but the journal below the volume knows of the series. */
static void lose_the_host(const environment_t *environment, const char *queue_name) {
    container_t container;
    container_prepare(&container);
    queue_t *queue = queue_new(rabbitmq_port(), queue_name);
    char *nowhere = text_of("amqp://queue:%d", free_port());
    container_start(
        &container, environment, "first",
        (const char *const[]){"OXIDICOM_AMQP_ADDRESS", nowhere, "OXIDICOM_QUEUE_NAME", queue_name, NULL}, NULL);
    scu_t finished = {.timeout_ms = PATIENCE_MS}, open = {.timeout_ms = PATIENCE_MS};
    store_some(&finished, container.receiver.port, "TODAY", SERIES, 1, 7);
    cr_assert(scu_release(&finished));
    store_some(&open, container.receiver.port, "TODAY", SERIES ".2", 1, 3);
    container_kill(&container);
    scu_close(&open);
    container_start(&container, environment, "second",
                    (const char *const[]){"OXIDICOM_QUEUE_NAME", queue_name, NULL}, NULL);
    int ndicom[2] = {0};
    for (int i = 0; i < 2; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS), "only %d registrations", i);
        const char *series = json_string_value(delivered_argument(&task, "SeriesInstanceUID"));
        ndicom[strcmp(series, SERIES) != 0] = (int)json_integer_value(delivered_argument(&task, "ndicom"));
        delivered_clear(&task);
    }
    cr_assert_eq(ndicom[0], 7, "%d", ndicom[0]);
    cr_assert_eq(ndicom[1], 3, "%d", ndicom[1]);
    expect_no_registration(queue);
    cr_assert_eq(container_stop(&container), 0);
    queue_destroy(&queue);
    container_clear(&container);
    free(nowhere);
}

Test(today, the_chart_killed_altogether_loses_no_registration_under_another_host_name, .timeout = PATIENCE_S) {
    lose_the_host(&CHART, "today-chart-killed");
}

Test(today, minichris_killed_altogether_loses_no_registration_under_another_host_name, .timeout = PATIENCE_S) {
    lose_the_host(&MINICHRIS, "today-minichris-killed");
}

Test(today, the_charts_250_millicores_and_256_mib_take_8_senders_of_2_mb_objects, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip_test("a sanitizer needs more memory than that by itself");
#endif
    cgroup_t cgroup;
    container_t container;
    container_prepare(&container);
    if (!cgroup_make(&cgroup, 250, 256))
        cr_skip_test("no control group can be made here");
    container_start(&container, &CHART, "small", (const char *const[]){"OXIDICOM_QUEUE_NAME", "today-small", NULL},
                    &cgroup);
    senders_t *senders = senders_start(&(senders_spec_t){.port = container.receiver.port,
                                                         .senders = SENDERS,
                                                         .per_association = 10,
                                                         .bytes = 2 * 1000 * 1000,
                                                         .series = SERIES ".8"});
    cr_expect(senders_await_stored(senders, 20, 2 * PATIENCE_MS), "%u objects", senders_counts(senders).stored);
    sent_counts_t counts = senders_stop(&senders);
    cr_expect_eq(cgroup_killed(&cgroup), 0, "%ld killed", cgroup_killed(&cgroup));
    cr_expect_eq(counts.a700 + counts.other + counts.unanswered + counts.broken, 0);
    size_t size;
    char *log = file_content(container.receiver.log, &size);
    cr_expect_null(strstr(log, "died of signal"), "%s", log);
    cr_expect_eq(receiver_files(&container.receiver), counts.stored);
    cr_expect_eq(container_stop(&container), 0);
    container_clear(&container);
    cgroup_remove(&cgroup);
    free(log);
}
