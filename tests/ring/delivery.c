/* The same for every kind of broker: a real Celery worker with CUBE's rules gets every series that a PACS was told
 * Success for, though the broker goes away under load, again and again. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/ring/ring.h"
#include "tests/support/pacs.h"

#define OUTAGES 3

static pacs_t pacs = {.calling_ae = "DELIVERY",
                      .root_uid = "1.2.826.0.1.3680043.9.9999.3.81",
                      .objects = 2,
                      .object_bytes = 2000,
                      .series_max = 5000};

/* --- the brokers ----------------------------------------------------------------------------------------- */

typedef struct broker_kind {
    const char *name;
    char *(*start)(void); /* returns its address */
    void (*leave)(void);  /* it is not there any more */
    void (*come_back)(void);
    void (*stop)(void);
} broker_kind_t;

static rabbitmq_t own_rabbitmq;
static redis_server_t redis;
static char *folder, *moved;

static char *start_rabbitmq(void) {
    rabbitmq_start(&own_rabbitmq);
    return text_of("amqp://guest:guest@127.0.0.1:%d//", own_rabbitmq.port);
}

static void leave_rabbitmq(void) {
    rabbitmq_pause(&own_rabbitmq);
}

static void come_back_rabbitmq(void) {
    rabbitmq_start(&own_rabbitmq);
}

static void stop_rabbitmq(void) {
    rabbitmq_stop(&own_rabbitmq);
}

static void come_back_redis(void) {
    redis_pause(&redis, SIGKILL);
    redis_start(&redis, (const char *const[]){"--requirepass", "p@ss", NULL});
}

static char *start_redis(void) {
    come_back_redis();
    setenv("OXIDICOM_REDIS_KEY_PREFIX", "chris-", 1);
    setenv("CUBE_KEY_PREFIX", "chris-", 1);
    return text_of("redis://:p%%40ss@127.0.0.1:%d/1", redis.port);
}

/* It hangs until it is killed: its socket takes messages meanwhile, and loses them with it. */
static void leave_redis(void) {
    cr_assert_eq(kill(redis.pid, SIGSTOP), 0);
}

static void stop_redis(void) {
    redis_stop(&redis);
}

static char *start_folder(void) {
    folder = temporary_folder("delivery");
    moved = text_of("%s.moved", folder);
    return text_of("filesystem://%s/queue/", folder);
}

/* Nothing can be put where it was, nor made anew: the folder above is gone, too. */
static void leave_folder(void) {
    cr_assert_eq(rename(folder, moved), 0);
}

static void come_back_folder(void) {
    cr_assert_eq(rename(moved, folder), 0);
}

static void stop_folder(void) {
    remove_folder(folder);
    free(folder);
    free(moved);
}

/* --- what CUBE was told ---------------------------------------------------------------------------------- */

typedef struct record {
    const char *path;
    int tasks, series;
    char (*ids)[64]; /* by series */
} record_t;

static void note_call(record_t *record, json_t *call) {
    const char *series = json_string_value(json_object_get(call, "SeriesInstanceUID"));
    const char *id = json_string_value(json_object_get(call, "task_id"));
    int number = pacs_number_of(&pacs, series);
    cr_expect_eq(json_array_size(json_object_get(call, "faults")), 0, "CUBE refuses %s", series);
    cr_expect_eq(json_integer_value(json_object_get(call, "ndicom")), pacs.objects, "%s", series);
    record->series += !*record->ids[number];
    if (*record->ids[number])
        cr_expect_str_eq(record->ids[number], id, "%s came again under another id", series);
    snprintf(record->ids[number], sizeof record->ids[number], "%s", id);
}

static bool has_all(void *argument) {
    record_t *record = argument;
    size_t size;
    char *content = file_content(record->path, &size), *rest = content;
    memset(record->ids, 0, ((size_t)pacs.series_max + 1) * sizeof *record->ids);
    record->tasks = record->series = 0;
    for (char *line; rest && strchr(rest, '\n') && (line = strsep(&rest, "\n")); record->tasks++) {
        json_t *call = json_loads(line, 0, NULL);
        cr_assert_not_null(call, "%s", line);
        note_call(record, call);
        json_decref(call);
    }
    free(content);
    return record->series >= pacs.series;
}

/* Waits until CUBE knows all that were sent; returns how many tasks came in all. */
static int expect_all_delivered(const char *path) {
    record_t record = {.path = path, .ids = calloc((size_t)pacs.series_max + 1, sizeof *record.ids)};
    bool all = await(has_all, &record, PATIENCE_MS);
    for (int i = 1; i <= pacs.series && !all; i++)
        cr_expect(*record.ids[i], "series %d is lost", i);
    cr_assert(all, "%d of %d series are delivered", record.series, pacs.series);
    free(record.ids);
    return record.tasks;
}

/* --- the story ------------------------------------------------------------------------------------------- */

/* The worker is away during the outages, and ends when it has nothing to do: kombu itself may lose tasks that it
 * has taken from a dying broker, or from a folder. */
static void deliver(const broker_kind_t *kind) {
    receiver_t receiver;
    char *address = kind->start();
    ring_start(&receiver, kind->name, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", address, NULL});
    char *record = text_of("%s/record", receiver.folder), *log = text_of("%s/celery", receiver.folder);
    pid_t worker = celery_worker_start(address, kind->name, receiver.root, record, log);
    pacs.port = receiver.port;
    pacs_begin(&pacs);
    pacs_await(&pacs, 20, PATIENCE_MS);
    pacs_end(&pacs);
    expect_all_delivered(record);
    process_stop(worker, SIGTERM, PATIENCE_MS);
    pacs_begin(&pacs);
    for (int i = 0; i < OUTAGES; i++) {
        pacs_await(&pacs, 10, PATIENCE_MS);
        kind->leave();
        pacs_await(&pacs, 20, PATIENCE_MS);
        kind->come_back();
    }
    pacs_await(&pacs, 10, PATIENCE_MS);
    pacs_end(&pacs);
    worker = celery_worker_start(address, kind->name, receiver.root, record, log);
    int tasks = expect_all_delivered(record);
    fprintf(stderr, "%s: %d series, %d tasks\n", kind->name, pacs.series, tasks);
    process_stop(worker, SIGTERM, PATIENCE_MS);
    cr_expect_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    kind->stop();
    free(address);
    free(record);
    free(log);
}

Test(delivery, over_rabbitmq_that_is_restarted_under_load_loses_nothing, .timeout = PATIENCE_S) {
    deliver(&(broker_kind_t){"delivery-amqp", start_rabbitmq, leave_rabbitmq, come_back_rabbitmq, stop_rabbitmq});
}

Test(delivery, over_redis_that_hangs_and_is_killed_under_load_loses_nothing, .timeout = PATIENCE_S) {
    deliver(&(broker_kind_t){"delivery-redis", start_redis, leave_redis, come_back_redis, stop_redis});
}

Test(delivery, over_a_folder_that_goes_away_under_load_loses_nothing, .timeout = PATIENCE_S) {
    deliver(&(broker_kind_t){"delivery-folder", start_folder, leave_folder, come_back_folder, stop_folder});
}
