/* Real senders, real NATS, a real Celery worker that applies CUBE's rules. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ring/ring.h"

static pid_t storescu_start(const char *calling_ae, int port, const char *folder) {
    char *text = text_of("%d", port);
    pid_t pid = process_start(NULL, NULL,
                              (const char *const[]){"storescu", "-aet", calling_ae, "--scan-directories",
                                                    "127.0.0.1", text, folder, NULL});
    free(text);
    return pid;
}

static void expect_success(pid_t pid) {
    int status;
    cr_assert(process_wait(pid, PATIENCE_MS, &status), "it did not end");
    cr_assert_eq(status, 0, "it failed with %d", status);
}

/* --- what CUBE's worker records ---------------------------------------------------------------------------- */

typedef struct record {
    const char *path;
    size_t lines;
    char *content;
} record_t;

static bool has_lines(void *argument) {
    record_t *record = argument;
    size_t size = 0, lines = 0;
    free(record->content);
    record->content = file_content(record->path, &size);
    for (size_t i = 0; i < size; i++)
        lines += record->content[i] == '\n';
    return lines >= record->lines;
}

/* Waits for the n-th call and returns it. */
static json_t *recorded_call(const char *path, size_t n) {
    record_t record = {path, n, NULL};
    cr_assert(await(has_lines, &record, PATIENCE_MS), "the worker has not executed %zu tasks", n);
    char *line = record.content;
    for (size_t i = 1; i < n; i++)
        line = strchr(line, '\n') + 1;
    *strchr(line, '\n') = 0;
    json_t *call = json_loads(line, 0, NULL);
    free(record.content);
    return call;
}

/* Celery's worker reports of each task its headers. */
static void expect_shown(const char *log, const json_t *call) {
    size_t size;
    char *said = file_content(log, &size);
    char *shown =
        text_of("'SeriesInstanceUID': '%s', ...}", json_string_value(json_object_get(call, "SeriesInstanceUID")));
    cr_expect(strstr(said, shown), "%s does not say %s", log, shown);
    cr_expect_null(strstr(said, json_string_value(json_object_get(call, "PatientName"))), "see %s", log);
    cr_expect_null(strstr(said, json_string_value(json_object_get(call, "path"))), "see %s", log);
    free(shown);
    free(said);
}

static void compare_with_sent(const receiver_t *receiver, const char *folder, const char *series_folder,
                              const char *series, int count) {
    for (int i = 1; i <= count; i++) {
        char *sent_path = text_of("%s/%05d.dcm", folder, i);
        char *path = text_of("%s/%s/%04d-%s.dcm", receiver->root, series_folder, i, instance_of(series, i)),
             syntax[65];
        size_t sent_size, size;
        char *sent = file_content(sent_path, &sent_size), *got = file_content(path, &size);
        bytes_t a = part10_data_set(sent, sent_size, syntax), b = part10_data_set(got, size, syntax);
        cr_assert(got && a.size == b.size && memcmp(a.at, b.at, a.size) == 0, "%s differs", path);
        free(sent);
        free(got);
        free(sent_path);
        free(path);
    }
}

/* Sends one series of 60 slices with `sender`, through broker and worker, and looks at everything. */
static void receive_series(const char *queue, const char *broker, const char *const *sender,
                           const char *calling_ae) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.60";
    receiver_t receiver;
    tap_t *tap = tap_new(nats_port());
    receiver_prepare(&receiver);
    char *folder = temporary_folder("slices"), *record = text_of("%s/record", receiver.folder);
    char *log = text_of("%s/celery", receiver.folder),
         *address = broker ? strdup(broker) : text_of("filesystem://%s/q", receiver.folder);
    receiver_start(&receiver,
                   (const char *const[]){"OXIDICOM_AMQP_ADDRESS", address, "OXIDICOM_NATS_ADDRESS", nats_address(),
                                         "OXIDICOM_QUEUE_NAME", queue, "OXIDICOM_PROGRESS_INTERVAL", "1ms", NULL});
    cr_assert(receiver_logged(&receiver, "connected to NATS", PATIENCE_MS)); /* earlier messages are lost */
    pid_t worker = celery_worker_start(address, queue, receiver.root, record, log);
    write_series(folder, series, 1, 60, 20000);
    char *port = text_of("%d", receiver.port);
    const char *arguments[32] = {0};
    size_t n = 0;
    for (; sender[n]; n++)
        arguments[n] = strcmp(sender[n], "PORT") == 0     ? port
                       : strcmp(sender[n], "FOLDER") == 0 ? folder
                                                          : sender[n];
    cr_assert_eq(process_run(NULL, NULL, arguments, PATIENCE_MS), 0);
    json_t *call = recorded_call(record, 1);
    cr_assert_eq(json_array_size(json_object_get(call, "faults")), 0, "CUBE refuses: %s",
                 json_dumps(json_object_get(call, "faults"), 0));
    cr_assert_eq(json_integer_value(json_object_get(call, "ndicom")), 60);
    cr_assert_str_eq(json_string_value(json_object_get(call, "pacs_name")), calling_ae);
    expect_shown(log, call);
    compare_with_sent(&receiver, folder, json_string_value(json_object_get(call, "path")), series, 60);
    json_decref(call);
    cr_assert(tap_await_done(tap, subject_of(calling_ae, series), 1, PATIENCE_MS));
    lonk_summary_t lonk = tap_summary_of(tap, subject_of(calling_ae, series));
    cr_assert_eq(lonk.last_count, 60);
    cr_assert_eq(lonk.errors, 0);
    cr_assert_null(lonk.disorder, "%s", lonk.disorder);
    cr_assert_eq(receiver_stop(&receiver), 0);
    process_stop(worker, SIGTERM, PATIENCE_MS);
    tap_destroy(&tap);
    remove_folder(folder);
    receiver_clear(&receiver);
    free(folder);
    free(record);
    free(log);
    free(address);
    free(port);
}

Test(series, sent_by_storescu_is_registered_by_a_celery_worker_over_rabbitmq, .timeout = PATIENCE_S) {
    receive_series("series-storescu", rabbitmq_address(),
                   (const char *const[]){"storescu", "-aet", "STORESCU", "--scan-directories", "127.0.0.1", "PORT",
                                         "FOLDER", NULL},
                   "STORESCU");
}

Test(series, sent_by_dcmsend_is_registered_by_a_celery_worker_over_a_folder, .timeout = PATIENCE_S) {
    receive_series("series-dcmsend", NULL,
                   (const char *const[]){"dcmsend", "-aet", "DCMSEND", "--scan-directories", "127.0.0.1", "PORT",
                                         "FOLDER", NULL},
                   "DCMSEND");
}

Test(series, sent_by_eight_senders_at_once_are_each_registered_once, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "eight");
    ring_start(&receiver, "eight", (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    char *folders[8], uid[8][64];
    pid_t senders[8];
    for (int i = 0; i < 8; i++) {
        snprintf(uid[i], sizeof uid[i], "1.2.826.0.1.3680043.9.9999.3.8%d", i);
        folders[i] = temporary_folder("eight");
        write_series(folders[i], uid[i], 1, 100, 5000);
    }
    for (int i = 0; i < 8; i++)
        senders[i] = storescu_start("EIGHT", receiver.port, folders[i]);
    for (int i = 0; i < 8; i++)
        expect_success(senders[i]);
    int seen[8] = {0};
    for (int i = 0; i < 8; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS));
        const char *series = json_string_value(delivered_argument(&task, "SeriesInstanceUID"));
        seen[series[strlen(series) - 1] - '0']++;
        cr_assert_eq(json_integer_value(delivered_argument(&task, "ndicom")), 100);
        delivered_clear(&task);
    }
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(seen[i], 1, "series %d", i);
        remove_folder(folders[i]);
        free(folders[i]);
    }
    expect_no_registration(queue);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(series, split_over_four_associations_is_registered_when_the_last_one_ends, .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.4";
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "four");
    ring_start(&receiver, "four", NULL);
    scu_t scu[4] = {0};
    for (int i = 0; i < 4; i++)
        store_some(&scu[i], receiver.port, "FOUR", series, 10 * i + 1, 10);
    for (int i = 0; i < 3; i++)
        cr_assert(scu_release(&scu[i]));
    expect_no_registration(queue);
    cr_assert(scu_release(&scu[3]));
    expect_registration(queue, series, 40);
    expect_no_registration(queue);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(series, sent_twice_replaces_its_files_and_is_registered_twice, .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.2";
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "twice");
    tap_t *tap = tap_new(nats_port());
    ring_start(&receiver, "twice", NULL);
    cr_assert(receiver_logged(&receiver, "connected to NATS", PATIENCE_MS)); /* earlier messages are lost */
    for (int i = 0; i < 2; i++) {
        scu_t scu = {0};
        store_some(&scu, receiver.port, "TWICE", series, 1, 12);
        cr_assert(scu_release(&scu));
        expect_registration(queue, series, 12);
        cr_assert(tap_await_done(tap, subject_of("TWICE", series), i + 1, PATIENCE_MS));
    }
    cr_assert_eq(receiver_files(&receiver), 12);
    expect_no_registration(queue);
    tap_destroy(&tap);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(series, are_received_while_others_ask_whether_it_lives, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "echo");
    ring_start(&receiver, "echo", NULL);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "ECHO", "1.2.3.4", 1, 3);
    char *port = text_of("%d", receiver.port);
    cr_assert_eq(process_run(NULL, NULL, (const char *const[]){"echoscu", "127.0.0.1", port, NULL}, PATIENCE_MS),
                 0);
    cr_assert(scu_release(&scu));
    expect_registration(queue, "1.2.3.4", 3);
    free(port);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}
