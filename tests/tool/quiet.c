/* A series that waits for another association: what an operator sees, and what becomes of it. */
#include <signal.h>
#include <string.h>

#include "tests/tool/tool.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.9."
#define FILES  2

static receiver_t receiver;
static queue_t *queue;

static void start(const char *name) {
    queue = queue_new(rabbitmq_port(), name);
    ring_start(&receiver, name,
               (const char *const[]){"OXIDICOM_ABORT_QUIET", "1h", "OXIDICOM_SERIES_QUIET", "0s", NULL});
}

static void tear_down(void) {
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

TestSuite(quiet, .fini = tear_down, .timeout = PATIENCE_S);

static scu_t store(const char *series, int first) {
    scu_t scu = {0};
    store_some(&scu, receiver.port, "SENDER", series, first, FILES);
    return scu;
}

static void expect_waiting(const char *series, const char *why) {
    json_t *json = await_reception(series, "waiting");
    cr_expect_str_eq(value_at(json, "why"), why);
    cr_expect_str_neq(value_at(json, "quiet_until"), "");
    json_decref(json);
}

/* All of it is one reception, registered once. */
static void send_the_rest(const char *series) {
    scu_t scu = store(series, FILES + 1);
    cr_assert(scu_release(&scu));
    expect_registration(queue, series, 2 * FILES);
    json_t *json = await_reception(series, "registered");
    cr_expect_str_eq(value_at(json, "quiet_until"), "");
    json_decref(json);
    int status;
    json = TOOL_JSON(&status, "series", series);
    cr_expect_eq(json_array_size(json_object_get(json, "series")), 1);
    json_decref(json);
}

static void fin(scu_t *scu) {
    scu_finish(scu);
    cr_assert(scu_at_end(scu));
    scu_close(scu);
}

Test(quiet, is_told_with_how_the_last_association_ended_until_another_brings_the_rest) {
    static const struct {
        const char *series, *why;
        void (*go)(scu_t *scu);
    } ways[] = {{SERIES "1", "the last association was aborted", scu_abort},
                {SERIES "2", "the last association lost its connection", fin},
                {SERIES "3", "the last association lost its connection", scu_reset}};
    int status;
    start("tool-quiet");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        scu_t scu = store(ways[i].series, 1);
        ways[i].go(&scu);
        expect_waiting(ways[i].series, ways[i].why);
    }
    json_t *json = TOOL_JSON(&status, "status");
    cr_expect_str_eq(value_at(json, "journal.receptions.waiting"), "3");
    json_decref(json);
    char *said = TOOL(&status, "series", SERIES "1"), *at = strstr(said, "waiting until ");
    cr_assert_not_null(at, "%s", said);
    cr_expect(strstr(at, ", the last association was aborted") == at + strlen("waiting until 12:03:20"), "%s",
              said);
    free(said);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        send_the_rest(ways[i].series);
    expect_no_registration(queue);
}

static bool is_another(void *argument) {
    pid_t now = receiver_stage(&receiver, "notifier", 0);
    return now && now != *(const pid_t *)argument;
}

Test(quiet, outlives_the_listener_then_the_notifier) {
    start("tool-quiet-deaths");
    scu_t scu = store(SERIES "5", 1);
    kill(receiver_stage(&receiver, "listener", 0), SIGKILL);
    expect_waiting(SERIES "5", "the last association died with its listener");
    scu_close(&scu);
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    kill(notifier, SIGKILL);
    cr_assert(await(is_another, &notifier, PATIENCE_MS));
    expect_waiting(SERIES "5", "the last association died with its listener");
    send_the_rest(SERIES "5");
    expect_no_registration(queue);
}
