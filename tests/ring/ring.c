#include "tests/ring/ring.h"

#include <criterion/hooks.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "common/clock.h"

/* Criterion runs each test in a process of its own, so that addresses go through the environment. */
static rabbitmq_t rabbitmq;
static nats_server_t nats;

static void export_port(const char *name, int port) {
    char *text = text_of("%d", port);
    setenv(name, text, 1);
    free(text);
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests) {
    (void)tests;
    rabbitmq_start(&rabbitmq);
    nats_server_start(&nats, 0);
    export_port("RING_RABBITMQ", rabbitmq.port);
    export_port("RING_NATS", nats.port);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats) {
    (void)stats;
    nats_server_stop(&nats);
    rabbitmq_stop(&rabbitmq);
}

static int exported_port(const char *name) {
    const char *text = getenv(name);
    cr_assert_not_null(text, "%s", name);
    return atoi(text);
}

int rabbitmq_port(void) {
    return exported_port("RING_RABBITMQ");
}

int nats_port(void) {
    return exported_port("RING_NATS");
}

const char *rabbitmq_address(void) {
    static char address[64];
    snprintf(address, sizeof address, "amqp://127.0.0.1:%d", rabbitmq_port());
    return address;
}

const char *nats_address(void) {
    static char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", nats_port());
    return address;
}

void ring_start(receiver_t *receiver, const char *queue, const char *const *more) {
    const char *environment[64] = {"OXIDICOM_AMQP_ADDRESS",      rabbitmq_address(),
                                   "OXIDICOM_NATS_ADDRESS",      nats_address(),
                                   "OXIDICOM_QUEUE_NAME",        queue,
                                   "OXIDICOM_PROGRESS_INTERVAL", "50ms"};
    size_t count = 8;
    for (; more && *more; more += 2) {
        environment[count++] = more[0];
        environment[count++] = more[1];
    }
    receiver_prepare(receiver);
    receiver_start(receiver, environment);
}

const char *subject_of(const char *calling_ae, const char *series_uid) {
    static char subject[256];
    int at = snprintf(subject, sizeof subject, "oxidicom.%s.", calling_ae);
    snprintf(subject + at, sizeof subject - (size_t)at, "%s", series_uid);
    for (char *c = subject + at; *c; c++)
        if (*c == '.')
            *c = '_';
    return subject;
}

const char *instance_of(const char *series_uid, int number) {
    static _Thread_local char uid[128];
    snprintf(uid, sizeof uid, "%s.%d", series_uid, number);
    return uid;
}

int series_to_send(int usual, int most) {
    const char *text = getenv("OXIDICOM_TEST_SERIES");
    int count = text ? atoi(text) : usual;
    cr_assert(count > 0 && count <= most);
    return count;
}

const char *series_number(const char *root, int number) {
    static char uid[80];
    snprintf(uid, sizeof uid, "%s.%d", root, number);
    return uid;
}

void mount_small(const char *folder, const char *options) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, options) != 0)
        cr_skip("a file system of its own needs root");
}

int store_instance(scu_t *scu, const char *series_uid, int number, size_t pixels) {
    const char *uid = instance_of(series_uid, number);
    bytes_t set = dataset_instance(EXPLICIT_LE, series_uid, uid, number, pixels);
    int status = scu_store(scu, 1, MR_STORAGE, uid, &set);
    bytes_free(&set);
    return status;
}

void store_some(scu_t *scu, int port, const char *calling_ae, const char *series_uid, int first, int count) {
    cr_assert(scu_associate_mr(scu, port, calling_ae, EXPLICIT_LE));
    for (int i = first; i < first + count; i++)
        cr_assert_eq(store_instance(scu, series_uid, i, 2000), 0, "instance %d", i);
}

void write_series(const char *folder, const char *series_uid, int first, int count, size_t pixels) {
    for (int i = first; i < first + count; i++) {
        bytes_t set = dataset_instance(EXPLICIT_LE, series_uid, instance_of(series_uid, i), i, pixels);
        char *path = text_of("%s/%05d.dcm", folder, i);
        part10_write(path, EXPLICIT_LE, MR_STORAGE, instance_of(series_uid, i), &set);
        free(path);
        bytes_free(&set);
    }
}

void expect_registration(queue_t *queue, const char *series_uid, int ndicom) {
    delivered_t task;
    cr_assert(queue_await(queue, &task, PATIENCE_MS), "no registration of %s", series_uid);
    cr_assert_str_eq(json_string_value(delivered_argument(&task, "SeriesInstanceUID")), series_uid);
    cr_assert_eq(json_integer_value(delivered_argument(&task, "ndicom")), ndicom, "%s: %lld", series_uid,
                 (long long)json_integer_value(delivered_argument(&task, "ndicom")));
    delivered_clear(&task);
}

void expect_no_registration(queue_t *queue) {
    delivered_t task;
    cr_assert_not(queue_await(queue, &task, 300), "one registration too many");
}

void expect_stored_in_the_end(scu_t *scu, const char *instance, const bytes_t *set) {
    int status;
    int64_t end_ms = clock_ms() + PATIENCE_MS;
    do
        status = scu_store(scu, 1, MR_STORAGE, instance, set);
    while (status == 0xA700 && clock_ms() < end_ms);
    cr_assert_eq(status, 0, "status %04X", (unsigned)status);
}
