/* Storage that never answers, like a hard NFS mount without its server: which processes end, and their
 * messages. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/ring/ring.h"
#include "tests/support/faults.h"
#include "tests/support/patience.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.96"
/* Longer than any test. */
#define FOREVER "stall=86400000"

typedef struct stuck {
    receiver_t receiver;
    char *preload, *faults;
    scu_t scu;
} stuck_t;

/* A receiver with these faults of storage (preload.h), and an association with so many stored objects. */
static void stuck_start(stuck_t *stuck, const char *rules, int objects, const char *name, const char *value) {
#ifdef SANITIZED
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    *stuck = (stuck_t){.scu.timeout_ms = PATIENCE_MS};
    receiver_prepare(&stuck->receiver);
    stuck->preload = text_of("%s/../preload.so", binaries());
    stuck->faults = text_of("%s/faults", stuck->receiver.folder);
    faults_set(stuck->faults, rules);
    receiver_start(&stuck->receiver,
                   (const char *const[]){"LD_PRELOAD", stuck->preload, "OXIDICOM_TEST_FAULTS", stuck->faults,
                                         "OXIDICOM_DRAIN_TIMEOUT", "1s", name, value, NULL});
    store_some(&stuck->scu, stuck->receiver.port, "STUCK", SERIES, 1, objects);
}

static void send_one(stuck_t *stuck, int number) {
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, number), number, 20000);
    cr_assert(scu_send_store(&stuck->scu, 1, MR_STORAGE, instance_of(SERIES, number), &set, 0));
    bytes_free(&set);
}

/* TERM. Returns the exit status, and how long it took. */
static int end_of(stuck_t *stuck, int64_t *took_ms) {
    int status;
    int64_t begin_ms = clock_ms();
    kill(stuck->receiver.launcher, SIGTERM);
    cr_assert(process_wait(stuck->receiver.launcher, PATIENCE_MS, &status));
    *took_ms = clock_ms() - begin_ms;
    stuck->receiver.launcher = 0;
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The answer may be read before the line is written. */
static void expect_once(const stuck_t *stuck, const char *text) {
    cr_expect(receiver_logged(&stuck->receiver, text, PATIENCE_MS), "\"%s\"", text);
    cr_expect_eq(receiver_times_logged(&stuck->receiver, text), 1, "\"%s\"", text);
}

static void stuck_clear(stuck_t *stuck) {
    scu_close(&stuck->scu);
    receiver_clear(&stuck->receiver);
    free(stuck->preload);
    free(stuck->faults);
}

/* The stages have little time to end: where the machine is busy and one is killed that storage does not keep,
 * another try is due. */
static bool ends_without_the_loop_of_a_writer(void) {
    stuck_t stuck;
    int64_t took_ms;
    stuck_start(&stuck, "\n", 1, "OXIDICOM_WRITER_OPERATIONS", "1");
    faults_set(stuck.faults, "writer fsync " FOREVER "\n");
    send_one(&stuck, 2);
    cr_assert_eq(end_of(&stuck, &took_ms), 1, "a stage was killed");
    bool as_wanted =
        !receiver_was_killed(&stuck.receiver, "listener") && !receiver_was_killed(&stuck.receiver, "notifier");
    if (as_wanted) {
        cr_expect_eq(receiver_times_logged(&stuck.receiver, "writer-0 did not end in time: killed"), 1);
        cr_expect_eq(receiver_times_logged(&stuck.receiver, "notifier has ended"), 1);
        cr_expect_lt(took_ms, 10000, "OXIDICOM_DRAIN_TIMEOUT and 5 s, and what a busy machine adds: %lld ms",
                     (long long)took_ms);
    }
    stuck_clear(&stuck);
    return as_wanted;
}

Test(stuck, storage_that_keeps_the_loop_of_a_writer_keeps_the_ring_from_no_end, .timeout = PATIENCE_S) {
    cr_expect(try_again(ends_without_the_loop_of_a_writer), "other stages were killed, too");
}

Test(stuck, storage_is_named_where_it_keeps_every_writer_until_an_object_is_given_up, .timeout = PATIENCE_S) {
    stuck_t stuck;
    setenv("OXIDICOM_WRITER_OPERATIONS", "1", 1);
    stuck_start(&stuck, "\n", 1, "OXIDICOM_STORE_TIMEOUT", "12s");
    faults_set(stuck.faults, "writer fsync " FOREVER "\n");
    send_one(&stuck, 2);
    cr_assert_eq(scu_status(&stuck.scu), 0xA700);
    cr_expect_not_null(memmem(stuck.scu.body.at, stuck.scu.body.size, "its storage did not answer", 26));
    expect_once(&stuck, "writer-0 is gone (silent: it is stopped, or hangs, perhaps in storage)");
    expect_once(&stuck, "no answer from its writers, which are stopped or hang, perhaps in storage,");
    stuck_clear(&stuck);
}

Test(stuck, storage_is_named_alone_where_a_writer_lives_whose_threads_it_keeps, .timeout = PATIENCE_S) {
    stuck_t stuck;
    setenv("OXIDICOM_WRITER_OPERATIONS", "2", 1);
    stuck_start(&stuck, "writer fsync stall=20\n", 8, "OXIDICOM_STORE_TIMEOUT", "12s");
    faults_set(stuck.faults, "writer fsync " FOREVER "\n");
    for (int i = 9; i <= 12; i++) /* more than it has threads */
        send_one(&stuck, i);
    cr_assert_eq(scu_status(&stuck.scu), 0xA700);
    cr_expect(stuck.scu.body.size > 30 &&
              memmem(stuck.scu.body.at, stuck.scu.body.size, "storage did not answer", 22));
    cr_expect_null(memmem(stuck.scu.body.at, stuck.scu.body.size, "a writer or", 11));
    expect_once(&stuck, "writer-0 is gone (silent: storage keeps it)");
    cr_expect(receiver_logged(&stuck.receiver, "no answer from storage, which keeps its writers,", PATIENCE_MS));
    stuck_clear(&stuck);
}

static bool ends_without_threads_of_a_writer(void) {
    stuck_t stuck;
    int64_t took_ms;
    /* Slow enough for threads. */
    stuck_start(&stuck, "writer fsync stall=20\n", 8, "OXIDICOM_WRITER_OPERATIONS", "2");
    faults_set(stuck.faults, "writer fsync " FOREVER "\n");
    send_one(&stuck, 9);
    int status = end_of(&stuck, &took_ms);
    bool as_wanted = !receiver_was_killed(&stuck.receiver, NULL);
    if (as_wanted) {
        cr_expect_eq(status, 0);
        cr_expect_eq(receiver_times_logged(&stuck.receiver, "storage does not answer: ends"), 1);
        cr_expect_lt(took_ms, 10000, "%lld ms", (long long)took_ms);
    }
    stuck_clear(&stuck);
    return as_wanted;
}

Test(stuck, storage_that_keeps_threads_of_a_writer_is_not_waited_for_once_the_listener_has_ended,
     .timeout = PATIENCE_S) {
    cr_expect(try_again(ends_without_threads_of_a_writer), "stages had to be killed");
}
