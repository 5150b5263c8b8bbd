/* Storage that fails, call by call, and comes back: acknowledged objects are there, others were answered A700, and
 * nothing partial is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "deploy/launcher/supervisor.h"
#include "tests/faults/delivery.h"
#include "tests/support/http.h"
#include "tests/support/patience.h"

#define SERIES  "1.2.826.0.1.3680043.9.9999.3.700"
#define OBJECTS 6

/* Sends a series under the rules; the storage is well again after so many failures. Returns how many it took. */
static delivery_t deliver_under(const char *name, const char *rules) {
    receiver_t receiver;
    start_with_faults(&receiver, name, NULL);
    queue_t *queue = queue_new(rabbitmq_port(), name);
    delivery_t d = {.port = receiver.port, .calling_ae = "STORAGE", .series = SERIES, .count = OBJECTS, .large = 2};
    d.pixels = 30000;
    set_faults(&receiver, rules);
    cr_assert(delivery_run(&d, PATIENCE_MS), "%d objects were acknowledged", delivery_acknowledged(&d));
    int strangers;
    cr_expect_eq(delivery_faults(&d, receiver.root, &strangers), 0);
    cr_expect_eq(strangers, 0);
    cr_expect_eq(d.others, 0, "another status than 0000 and A700");
    cr_expect_eq(receiver_files(&receiver), OBJECTS);
    cr_expect(no_temporary_files(&receiver), "a partial file is left");
    expect_last_registration(queue, SERIES, OBJECTS);
    cr_expect_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    return d;
}

/* Each failure is one A700, and the association goes on. */
static void fail_each(const char *call, const char *path) {
    static const char *const errors[] = {"ENOSPC", "EDQUOT", "EIO", "EROFS", "ESTALE"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        char *rules = text_of("writer %s %s after=1 count=2 %s\n", call, errors[i], path);
        char *name = text_of("storage-%s-%s", call, errors[i]);
        delivery_t d = deliver_under(name, rules);
        cr_expect_geq(d.out_of_resources, 1, "%s", rules);
        cr_expect_leq(d.out_of_resources, 2, "%s", rules);
        free(rules);
        free(name);
    }
}

Test(storage_faults, of_write_are_answered_a700_and_pass, .timeout = PATIENCE_S) {
    fail_each("write", "path=/.oxidicom/tmp/");
}

Test(storage_faults, of_fsync_are_answered_a700_and_pass, .timeout = PATIENCE_S) {
    fail_each("fsync", "path=/root/");
}

Test(storage_faults, of_rename_are_answered_a700_and_pass, .timeout = PATIENCE_S) {
    fail_each("rename", "");
}

Test(storage_faults, of_mkdir_are_answered_a700_and_pass, .timeout = PATIENCE_S) {
    delivery_t d = deliver_under("storage-mkdir", "writer mkdir ENOSPC count=2\n");
    cr_expect_eq(d.out_of_resources, 2);
}

Test(storage_faults, of_open_are_answered_a700_and_pass, .timeout = PATIENCE_S) {
    delivery_t d = deliver_under("storage-open", "writer open EIO count=2\n");
    cr_expect_geq(d.out_of_resources, 1);
}

Test(storage_faults, that_lose_the_answer_to_a_create_leave_no_file_behind, .timeout = PATIENCE_S) {
    static const char *const errors[] = {"EIO", "ESTALE", "EEXIST", "ETIMEDOUT"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        char *rules = text_of("writer create lost=%s after=1 count=3\n", errors[i]);
        char *name = text_of("storage-lost-%s", errors[i]);
        delivery_t d = deliver_under(name, rules);
        cr_expect_leq(d.out_of_resources, 3, "%s", rules);
        free(rules);
        free(name);
    }
}

Test(storage_faults, that_let_writes_be_short_are_not_seen, .timeout = PATIENCE_S) {
    delivery_t d = deliver_under("storage-short", "writer write short path=/.oxidicom/tmp/\n");
    cr_expect_eq(d.out_of_resources, 0);
    cr_expect_eq(d.sent, OBJECTS);
}

Test(storage_faults, of_the_journal_hold_acknowledgements_back_and_lose_nothing, .timeout = PATIENCE_S) {
    static const char *const rules[] = {"notifier write ENOSPC count=3 path=/journal\n",
                                        "notifier fsync EIO count=2 path=/journal\n",
                                        "notifier write short count=1 path=/journal\n"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        char *name = text_of("storage-journal-%zu", i);
        delivery_t d = deliver_under(name, rules[i]);
        cr_expect_eq(d.out_of_resources, 0, "%s", rules[i]);
        free(name);
    }
}

typedef struct stalled {
    const receiver_t *receiver;
    long most_kib;
} stalled_t;

/* Must-hold while storage stands still: others are answered, memory stays bounded. */
static bool looked_after(void *argument) {
    stalled_t *s = argument;
    scu_t scu = {.timeout_ms = 10000}; /* shorter than the stall */
    const scu_context_t context = {1, "1.2.840.10008.1.1", {IMPLICIT_LE}};
    cr_assert(scu_associate(&scu, s->receiver->port,
                            &(scu_request_t){.calling = "ECHO", .contexts = &context, .contexts_count = 1}));
    cr_assert_eq(scu_echo(&scu, 1), 0);
    cr_assert(scu_release(&scu));
    long kib = receiver_memory_kib(s->receiver);
    if (kib > s->most_kib)
        s->most_kib = kib;
    return false;
}

/* A PACS that sends objects of 2 MB and waits for each response, in a process of its own. */
static pid_t start_sender(const receiver_t *receiver, const char *folder, int number) {
    char *port = text_of("%d", receiver->port), *title = text_of("STALL%d", number);
    pid_t pid = process_start(
        NULL, NULL,
        (const char *const[]){"storescu", "-aet", title, "--scan-directories", "127.0.0.1", port, folder, NULL});
    free(port);
    free(title);
    return pid;
}

Test(storage_faults, that_stall_leave_echoes_answered_and_memory_bounded_and_lose_nothing, .timeout = PATIENCE_S) {
    const char *seconds = getenv("OXIDICOM_TEST_SECONDS");
    /* Long enough for the writer to be taken for gone, and to come back. */
    int64_t stall_ms = seconds ? 1000L * strtol(seconds, NULL, 10) : WRITER_SILENCE_MS + 2000;
    receiver_t receiver;
    start_with_faults(&receiver, "stalls", NULL);
    queue_t *queue = queue_new(rabbitmq_port(), "stalls");
    char *folder = temporary_folder("stalls"), *rule = text_of("writer fsync stall=%ld count=1\n", (long)stall_ms);
    stalled_t stalled = {&receiver, 0};
    pid_t senders[8];
    write_series(folder, SERIES, 1, 4, 2 << 20);
    set_faults(&receiver, rule);
    for (int i = 0; i < 8; i++)
        senders[i] = start_sender(&receiver, folder, i);
    (void)await(looked_after, &stalled, stall_ms);
    for (int i = 0; i < 8; i++) {
        int status;
        cr_expect(process_wait(senders[i], PATIENCE_MS, &status) && status == 0, "sender %d ended with %d", i,
                  status);
    }
    fprintf(stderr, "stall of %ld s: anonymous memory of all processes at most %ld KiB\n", (long)stall_ms / 1000,
            stalled.most_kib);
    cr_expect_lt(stalled.most_kib, 150 * 1024);
    cr_expect_eq(receiver_files(&receiver), 32);
    for (int i = 0; i < 8; i++)
        expect_registration(queue, SERIES, 4);
    cr_expect_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    remove_folder(folder);
    free(folder);
    free(rule);
}

typedef struct silence {
    const receiver_t *receiver;
    int port, watchdog_s;
} silence_t;

static bool is_killed(const receiver_t *receiver) {
    return receiver_times_logged(receiver, "notifier hangs") > 0;
}

/* Longer than the watchdog waits for a stage that storage may hold up, or it is known that this has been killed. */
static bool is_silent(void *argument) {
    const silence_t *silence = argument;
    int status;
    if (is_killed(silence->receiver))
        return true;
    char *metrics = http_get(silence->port, "/metrics", NULL, &status);
    bool silent =
        metric_in(metrics, "oxidicom_storage_silent_seconds") > 1.5 * WATCHDOG_STORAGE_FACTOR * silence->watchdog_s;
    free(metrics);
    return silent;
}

/* From its start on. The writers reach storage: their objects are journaled and acknowledged. False where the
 * watchdog has killed the notifier, as it may on a busy machine. */
static bool notifier_outlives_silence(const char *queue_name, int watchdog_s) {
    receiver_t receiver;
    silence_t silence = {&receiver, free_port(), watchdog_s};
    char *port_text = text_of("%d", silence.port), *watchdog = text_of("%ds", watchdog_s);
    start_under_faults(&receiver, queue_name, "notifier any hang path=SERVICES/PACS\n",
                       (const char *const[]){"OXIDICOM_WATCHDOG", watchdog, "OXIDICOM_HTTP_PORT", port_text, NULL});
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    queue_t *queue = queue_new(rabbitmq_port(), queue_name);
    delivery_t d = {
        .port = receiver.port, .calling_ae = "SILENT", .series = SERIES, .count = OBJECTS, .pixels = 1000};
    delivered_t task;
    cr_assert(delivery_run(&d, 60000), "%d objects were acknowledged", delivery_acknowledged(&d));
    cr_expect(await(is_silent, &silence, PATIENCE_MS), "storage answers the notifier");
    bool same = receiver_stage(&receiver, "notifier", 0) == notifier, killed = is_killed(&receiver);
    cr_expect(same || killed, "the notifier has died");
    cr_expect_not(queue_await(queue, &task, 0));
    free(port_text);
    free(watchdog);
    set_faults(&receiver, NULL);
    expect_last_registration(queue, SERIES, OBJECTS);
    cr_expect_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    return !killed;
}

Test(storage_faults, that_leave_the_notifier_without_answer_hold_up_nothing_but_registrations,
     .timeout = PATIENCE_S) {
    static const char *const names[] = {"silent", "silent-2", "silent-3"};
    bool outlived = false;
    for (int i = 0; i < 3 && !outlived; i++)
        outlived = notifier_outlives_silence(names[i], 1 << i);
    cr_expect(outlived, "the watchdog has killed the notifier");
}
