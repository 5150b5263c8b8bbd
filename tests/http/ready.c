/* /livez and /readyz while stages and servers come and go. */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/http/endpoint.h"

static pid_t start_writer(const receiver_t *receiver) {
    char *program = text_of("%s/oxidicom-writer", binaries());
    pid_t writer = process_start(receiver->log, NULL, (const char *const[]){program, NULL});
    free(program);
    return writer;
}

static char *ready_text(int *status) {
    return http_get(endpoint_port(), "/readyz", NULL, status);
}

Test(ready, turns_when_the_last_writer_dies_and_back_and_waits_for_no_silence, .timeout = PATIENCE_S) {
    receiver_t receiver;
    endpoint_start(&receiver, "ready-writer", "listener,notifier", NULL);
    int status;
    char *said = ready_text(&status);
    cr_expect_eq(status, 503);
    cr_expect_not_null(strstr(said, "no writer is there"), "%s", said);
    free(said);
    pid_t writer = start_writer(&receiver);
    cr_assert_geq(await_status("/readyz", 200), 0);
    kill(writer, SIGKILL);
    cr_expect_geq(await_status("/readyz", 503), 0);
    cr_expect(receiver_logged(&receiver, "writer-0 is gone (connection broken)", PATIENCE_MS),
              "it was silent first");
    process_wait(writer, PATIENCE_MS, &status);
    cr_expect_eq(status_of("/livez"), 200, "without a writer it lives");
    writer = start_writer(&receiver);
    cr_expect(receiver_logged(&receiver, "writer-0 0", PATIENCE_MS));
    cr_expect_geq(await_status("/readyz", 200), 0);
    process_stop(writer, SIGTERM, PATIENCE_MS);
    receiver_clear(&receiver);
}

static bool is_stopped(void *process) {
    char *path = text_of("/proc/%d/stat", *(pid_t *)process);
    size_t size;
    char *content = file_content(path, &size), *state = content ? strrchr(content, ')') : NULL;
    bool is = state && strncmp(state, ") T", 3) == 0;
    free(content);
    free(path);
    return is;
}

Test(ready, is_not_while_the_listener_is_dead_or_rejects_newcomers, .timeout = PATIENCE_S) {
    receiver_t receiver;
    endpoint_start(&receiver, "ready-listener", NULL,
                   (const char *const[]){"OXIDICOM_DRAIN_TIMEOUT", "120s", NULL});
    cr_assert_geq(await_status("/readyz", 200), 0);
    pid_t listener = receiver_stage(&receiver, "listener", 0);
    kill(listener, SIGSTOP); /* it says nothing any more */
    cr_expect_geq(await_status("/readyz", 503), 0);
    kill(listener, SIGCONT);
    cr_expect_geq(await_status("/readyz", 200), 0);
    /* The next listener does not come before the death of this one was seen. */
    kill(receiver.launcher, SIGSTOP);
    cr_assert(await(is_stopped, &receiver.launcher, PATIENCE_MS));
    kill(listener, SIGKILL);
    cr_expect_geq(await_status("/readyz", 503), 0);
    kill(receiver.launcher, SIGCONT);
    cr_expect_geq(await_status("/readyz", 200), 0, "the next listener is not heard");
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "OPEN", EXPLICIT_LE));
    bytes_t command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size)); /* an idle association is not waited for */
    kill(receiver.launcher, SIGTERM);
    cr_expect_geq(await_status("/readyz", 503), 0, "it drains");
    cr_expect_eq(status_of("/livez"), 200);
    scu_close(&scu);
    bytes_free(&command);
    int status;
    cr_assert(process_wait(receiver.launcher, PATIENCE_MS, &status));
    receiver.launcher = 0;
    receiver_clear(&receiver);
}

/* What /readyz says when it is degraded: on a busy machine a stage may be silent for a while. */
static bool says_degraded(void *said) {
    int status;
    free(*(char **)said);
    *(char **)said = ready_text(&status);
    return status == 200 && strstr(*(char **)said, "ready, but degraded: ");
}

/* The same in JSON. The listener vouches for a writer, which may itself not have been heard yet. */
static bool tells_degraded_with_all_stages(void *said) {
    int status;
    free(*(char **)said);
    *(char **)said = http_get(endpoint_port(), "/readyz?verbose", NULL, &status);
    json_t *json = json_loads(*(char **)said, 0, NULL);
    const char *readiness = json_string_value(json_object_get(json, "status"));
    bool tells = status == 200 && readiness && strcmp(readiness, "degraded") == 0 &&
                 json_array_size(json_object_get(json, "stages")) == 3;
    json_decref(json);
    return tells;
}

Test(ready, is_degraded_without_broker_and_nats_and_says_why_without_their_passwords, .timeout = PATIENCE_S) {
    receiver_t receiver;
    char *broker = text_of("amqp://me:topsecret@127.0.0.1:%d", free_port()),
         *nats = text_of("nats://me:topsecret@127.0.0.1:%d", free_port());
    endpoint_start(&receiver, "ready-degraded", NULL,
                   (const char *const[]){"OXIDICOM_AMQP_ADDRESS", broker, "OXIDICOM_NATS_ADDRESS", nats, NULL});
    char *said = NULL;
    cr_assert(await(says_degraded, &said, PATIENCE_MS), "%s", said);
    cr_expect_not_null(strstr(said, "ready, but degraded: broker is not there: "), "%s", said);
    cr_expect_not_null(strstr(said, "NATS is not there: "), "%s", said);
    cr_expect_null(strstr(said, "topsecret"), "%s", said);
    cr_assert(await(tells_degraded_with_all_stages, &said, PATIENCE_MS), "%s", said);
    json_t *json = json_loads(said, 0, NULL), *checks = json_object_get(json, "checks");
    cr_assert_not_null(checks, "%s", said);
    cr_expect(json_is_false(json_object_get(json_object_get(checks, "broker"), "ok")));
    cr_expect(json_is_true(json_object_get(json_object_get(checks, "journal"), "ok")));
    cr_expect_null(strstr(said, "topsecret"), "%s", said);
    json_decref(json);
    free(said);
    receiver_clear(&receiver);
    free(broker);
    free(nats);
}

static int store_one(scu_t *scu, const char *series, const char *uid) {
    bytes_t set = dataset_instance(EXPLICIT_LE, series, uid, 1, 1000);
    int status = scu_store(scu, 1, MR_STORAGE, uid, &set);
    bytes_free(&set);
    return status;
}

static bool tells_of_storage(void *said) {
    return says_degraded(said) && strstr(*(char **)said, "storage failed to take a writer's last file");
}

/* It stays in service: only an object that is stored tells that storage works again. */
Test(ready, is_degraded_while_storage_takes_no_file, .timeout = PATIENCE_S) {
    receiver_t receiver;
    endpoint_start(&receiver, "ready-storage", NULL,
                   (const char *const[]){"OXIDICOM_MIN_FREE", "1000000GiB", NULL});
    cr_assert_geq(await_status("/readyz", 200), 0);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "FULL", EXPLICIT_LE));
    cr_assert_eq(store_one(&scu, "1.2.3", "1.2.3.1"), 0xA700);
    char *said = NULL;
    cr_assert(await(tells_of_storage, &said, PATIENCE_MS), "%s", said);
    free(said);
    scu_close(&scu);
    receiver_clear(&receiver);
}

/* No file of the notifier may grow beyond this, as on a full disk. */
static void let_journal_grow_to(const receiver_t *receiver, rlim_t bytes) {
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(prlimit(receiver_stage(receiver, "notifier", 0), RLIMIT_FSIZE, &limit, NULL), 0);
}

#define LISTENER_BORN "oxidicom_process_start_time_seconds{stage=\"listener\"}"

static bool has_next_listener(void *born) {
    return metric(LISTENER_BORN) > *(double *)born;
}

static bool has_failed_again(void *failures) {
    return metric("oxidicom_journal_failures_total") > *(double *)failures;
}

/* The listener dies, too, so that nobody is left who sends anything again when the journal is well. */
Test(ready, is_not_while_the_journal_takes_nothing_and_again_when_it_does, .timeout = PATIENCE_S) {
    receiver_t receiver;
    signal(SIGXFSZ, SIG_IGN); /* the notifier inherits it */
    endpoint_start(&receiver, "ready-journal", NULL, (const char *const[]){"OXIDICOM_STORE_TIMEOUT", "1s", NULL});
    cr_assert_geq(await_status("/readyz", 200), 0);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "FULL", EXPLICIT_LE));
    bytes_t first = dataset_instance(EXPLICIT_LE, "1.2.3", "1.2.3.1", 1, 1000);
    expect_stored_in_the_end(&scu, "1.2.3.1", &first);
    bytes_free(&first);
    let_journal_grow_to(&receiver, 4096);
    bytes_t second = dataset_instance(EXPLICIT_LE, "1.2.3", "1.2.3.2", 2, 1000);
    expect_stored_in_the_end(&scu, "1.2.3.2", &second); /* its series is open in the journal */
    bytes_free(&second);
    cr_expect_eq(store_one(&scu, "1.2.4", "1.2.4.1"), 0xA700);
    cr_expect_geq(await_status("/readyz", 503), 0);
    double born = metric(LISTENER_BORN);
    double failures = metric("oxidicom_journal_failures_total");
    kill(receiver_stage(&receiver, "listener", 0), SIGKILL);
    cr_assert(await(has_next_listener, &born, PATIENCE_MS));
    cr_assert(await(has_failed_again, &failures, PATIENCE_MS), "the dead listener's associations are not closed");
    cr_expect_eq(status_of("/readyz"), 503);
    let_journal_grow_to(&receiver, RLIM_INFINITY);
    cr_expect_geq(await_status("/readyz", 200), 0,
                  "who is not ready is sent nothing, and must find out by himself");
    scu_close(&scu);
    receiver_clear(&receiver);
}
