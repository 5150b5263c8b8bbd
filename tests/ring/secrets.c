/* Passwords of broker and NATS: in files, and nowhere else. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ring/ring.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.82"
#define SECRET "t0psecret"

static redis_server_t redis;
static nats_server_t nats;

static char *secret_file(const receiver_t *receiver, const char *name, char *content) {
    char *path = text_of("%s/%s", receiver->folder, name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fprintf(file, "%s\n", content) > 0 && fclose(file) == 0);
    free(content);
    return path;
}

static void expect_clean(const char *path) {
    size_t size;
    char *content = file_content(path, &size);
    cr_assert(content && size > 0, "%s", path);
    cr_expect_null(memmem(content, size, SECRET, strlen(SECRET)), "%s has the password", path);
    free(content);
}

static void expect_clean_process(pid_t pid) {
    char *path = text_of("/proc/%d/cmdline", (int)pid);
    cr_assert_gt(pid, 0);
    expect_clean(path);
    free(path);
}

static void expect_clean_everywhere(const receiver_t *receiver) {
    expect_clean(receiver->log);
    expect_clean_process(receiver->launcher);
    expect_clean_process(receiver_stage(receiver, "listener", 0));
    expect_clean_process(receiver_stage(receiver, "writer", 0));
    expect_clean_process(receiver_stage(receiver, "notifier", 0));
}

/* What a program says when it is asked for `option`. */
static void expect_clean_answer(const receiver_t *receiver, const char *program, const char *option) {
    char *path = text_of("%s/%s", binaries(), program), *said = text_of("%s/said", receiver->folder);
    char *run = text_of("%s/run", receiver->folder);
    cr_expect_geq(process_run(said, (const char *const[]){"OXIDICOM_RUN_DIR", run, NULL},
                              (const char *const[]){path, option, NULL}, PATIENCE_MS),
                  0);
    expect_clean(said);
    free(path);
    free(said);
    free(run);
}

static void start(receiver_t *receiver, const char *password) {
    char *broker = secret_file(receiver, "broker", text_of("redis://:%s@127.0.0.1:%d", password, redis.port));
    char *progress = secret_file(receiver, "nats", text_of("nats://me:%s@127.0.0.1:%d", password, nats.port));
    receiver_start(receiver,
                   (const char *const[]){"OXIDICOM_AMQP_ADDRESS", UNSET, "OXIDICOM_CELERY_BROKER_FILE", broker,
                                         "OXIDICOM_NATS_ADDRESS_FILE", progress, "RUST_LOG", "trace", NULL});
    free(broker);
    free(progress);
}

Test(secrets, that_come_in_files_work_and_appear_nowhere, .timeout = PATIENCE_S) {
    receiver_t receiver;
    scu_t scu = {0};
    receiver_prepare(&receiver);
    redis_start(&redis, (const char *const[]){"--requirepass", SECRET, NULL});
    nats_server_start_with(&nats, 0, (const char *const[]){"--user", "me", "--pass", SECRET, NULL});
    start(&receiver, SECRET);
    cr_assert(receiver_logged(&receiver, "connected to the broker", PATIENCE_MS));
    cr_assert(receiver_logged(&receiver, "connected to NATS", PATIENCE_MS));
    store_some(&scu, receiver.port, "SECRETS", SERIES, 1, 2);
    cr_assert(scu_release(&scu));
    cr_assert(receiver_logged(&receiver, "series " SERIES " is registered: 2 files", PATIENCE_MS));
    expect_clean_everywhere(&receiver);
    expect_clean_answer(&receiver, "oxidicom", "status");
    expect_clean_answer(&receiver, "oxidicom", "--help");
    expect_clean_answer(&receiver, "oxidicom-notifier", "--help");
    redis_stop(&redis);
    nats_server_stop(&nats);
    cr_assert(receiver_logged(&receiver, "no connection to the broker", PATIENCE_MS));
    cr_assert(receiver_logged(&receiver, "the connection to NATS is lost", PATIENCE_MS));
    expect_clean_everywhere(&receiver);
    expect_clean_answer(&receiver, "oxidicom", "status");
    cr_expect_eq(receiver_stop(&receiver), 0);
    expect_clean(receiver.log);
    receiver_clear(&receiver);
}

Test(secrets, that_are_wrong_appear_nowhere, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    redis_start(&redis, (const char *const[]){"--requirepass", "another", NULL});
    nats_server_start_with(&nats, 0, (const char *const[]){"--user", "me", "--pass", "another", NULL});
    start(&receiver, SECRET);
    cr_assert(receiver_logged(&receiver, "the broker does not let this user in", PATIENCE_MS));
    cr_assert(receiver_logged(&receiver, "NATS does not let this user in", PATIENCE_MS));
    expect_clean_everywhere(&receiver);
    expect_clean_answer(&receiver, "oxidicom", "status");
    cr_expect_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    redis_stop(&redis);
    nats_server_stop(&nats);
}
