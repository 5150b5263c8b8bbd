/* Writers that live but say nothing: stopped, or held up by their storage. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/limits.h"
#include "tests/ring/upper_layer.h"
#include "tests/support/senders.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.98"

/* --- stopped ---------------------------------------------------------------------------------------------- */

/* The first line that a shell command says; frees the command. Free it. */
static char *said_by(char *command) {
    char text[4096] = "";
    FILE *output = popen(command, "r");
    cr_assert_not_null(output);
    if (!fgets(text, sizeof text, output))
        *text = 0;
    pclose(output);
    free(command);
    text[strcspn(text, "\n")] = 0;
    return strdup(text);
}

/* The temporary file that there is; "" where there is none. Free it. */
static char *temporary_file(const receiver_t *receiver) {
    return said_by(text_of("find %s/.oxidicom/tmp -type f", receiver->root));
}

static bool has_temporary_file(void *receiver) {
    char *path = temporary_file(receiver);
    bool has = *path;
    free(path);
    return has;
}

static bool has_no_temporary_file(void *receiver) {
    return !has_temporary_file(receiver);
}

/* The writer that has the temporary file open. */
static pid_t writer_at_work(receiver_t *receiver) {
    cr_assert(await(has_temporary_file, receiver, PATIENCE_MS));
    char *path = temporary_file(receiver);
    for (int i = 0; i < 2; i++) {
        pid_t writer = receiver_stage(receiver, "writer", i);
        char *open_there = said_by(text_of("ls -l /proc/%d/fd | grep -F -e '%s'", (int)writer, path));
        bool is_it = *open_there;
        free(open_there);
        if (is_it) {
            free(path);
            return writer;
        }
    }
    cr_assert_fail("no writer has %s open", path);
    return 0;
}

static void expect_only_file(const receiver_t *receiver, const bytes_t *set) {
    char *path = said_by(text_of("find %s/SERVICES -type f", receiver->root)), syntax[65];
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_not_null(content);
    bytes_t found = part10_data_set(content, size, syntax);
    cr_expect_eq(receiver_files(receiver), 1);
    cr_expect(found.at && found.size == set->size && memcmp(found.at, set->at, set->size) == 0,
              "the file is not what was acknowledged last");
    free(content);
    free(path);
}

Test(hung, writer_loses_its_object_to_another_and_does_no_harm_when_it_goes_on, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "hung");
    ring_start(&receiver, "hung", (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "HUNG", EXPLICIT_LE));
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, "1.2.3", 1, 600000),
            newer = dataset_instance(EXPLICIT_LE, SERIES, "1.2.3", 1, 500000),
            command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, 1, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_p_data(&scu, 1, DATA, set.at, set.size / 2));
    pid_t writer = writer_at_work(&receiver);
    kill(writer, SIGSTOP);
    /* Its inbox has the whole object now. */
    cr_assert(scu_p_data(&scu, 1, LAST_DATA, set.at + set.size / 2, set.size - set.size / 2));
    cr_assert_eq(scu_status(&scu), 0, "by the other writer");
    expect_only_file(&receiver, &set);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3", &newer), 0);
    expect_only_file(&receiver, &newer);
    kill(writer, SIGCONT);
    cr_assert(receiver_logged(&receiver, "was held up for", PATIENCE_MS));
    cr_assert(await(has_no_temporary_file, &receiver, PATIENCE_MS), "a temporary file is left");
    /* It takes objects again. */
    kill(receiver_stage(&receiver, "writer", 0) == writer ? receiver_stage(&receiver, "writer", 1)
                                                          : receiver_stage(&receiver, "writer", 0),
         SIGSTOP);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3", &newer), 0);
    expect_only_file(&receiver, &newer);
    cr_assert(scu_release(&scu));
    expect_registration(queue, SERIES, 1);
    expect_no_registration(queue);
    bytes_free(&set);
    bytes_free(&newer);
    bytes_free(&command);
    for (int i = 0; i < 2; i++)
        kill(receiver_stage(&receiver, "writer", i), SIGCONT);
    cr_assert_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* --- held up ---------------------------------------------------------------------------------------------- */

/* Stops the thread that waits for storage and no other: the inbox still takes messages. */
static void hold_up(pid_t writer) {
    int status;
    if (ptrace(PTRACE_SEIZE, writer, NULL, NULL) != 0)
        cr_skip("holding up one thread needs the right to trace");
    cr_assert_eq(ptrace(PTRACE_INTERRUPT, writer, NULL, NULL), 0);
    cr_assert_eq(waitpid(writer, &status, __WALL), writer);
}

static int64_t echo_ms(const receiver_t *receiver) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    const scu_context_t context = {1, VERIFICATION, {EXPLICIT_LE}};
    int64_t begin = clock_ms();
    cr_assert(scu_associate(&scu, receiver->port, &(scu_request_t){.contexts = &context, .contexts_count = 1}));
    cr_assert_eq(scu_echo(&scu, 1), 0);
    int64_t took = clock_ms() - begin;
    cr_assert(scu_release(&scu));
    return took;
}

Test(hung, storage_fills_no_memory_delays_no_echo_and_loses_nothing, .timeout = PATIENCE_S) {
    enum { SENDERS = 8, MOST_KIB = 150 * 1024 };
    const char *wanted = getenv("OXIDICOM_TEST_STALL_MS"); /* 60000 for the long run */
    int64_t stall_ms = wanted ? atoll(wanted) : WRITER_SILENCE_MS + 3000;
    receiver_t receiver;
    ring_start(&receiver, "stalled", NULL);
    pid_t writer = receiver_stage(&receiver, "writer", 0);
    senders_t *senders = senders_start(&(senders_spec_t){
        .port = receiver.port, .senders = SENDERS, .per_association = 5, .bytes = 2000000, .series = SERIES});
    cr_assert(senders_await_stored(senders, 1, PATIENCE_MS));
    hold_up(writer);
    long most_kib = 0;
    int64_t longest_ms = 0;
    for (int64_t end = clock_ms() + stall_ms; clock_ms() < end;) {
        int64_t took = echo_ms(&receiver);
        longest_ms = took > longest_ms ? took : longest_ms;
        long kib = receiver_memory_kib(&receiver);
        most_kib = kib > most_kib ? kib : most_kib;
    }
    cr_assert(receiver_logged(&receiver, "is gone (silent", PATIENCE_MS));
    cr_assert_eq(ptrace(PTRACE_DETACH, writer, NULL, NULL), 0);
    bool goes_on = senders_await_stored(senders, 2, PATIENCE_MS);
    senders_quiet(senders);
    sent_counts_t counts = senders_stop(&senders);
    fprintf(stderr, "held up for %lld s: at most %ld MiB, echo within %lld ms, %u stored, %u refused with A700\n",
            (long long)stall_ms / 1000, most_kib / 1024, (long long)longest_ms, counts.stored, counts.a700);
    cr_expect(goes_on);
    cr_expect_eq(counts.other + counts.unanswered + counts.broken, 0, "other %u, unanswered %u, broken %u",
                 counts.other, counts.unanswered, counts.broken);
    cr_expect_eq(receiver_files(&receiver), counts.stored);
    cr_expect(await(has_no_temporary_file, &receiver, PATIENCE_MS), "a temporary file is left");
    cr_expect_lt(longest_ms, stall_ms / 2, "an echo waited for storage");
#ifndef SANITIZED
    cr_expect_lt(most_kib, MOST_KIB, "%ld KiB", most_kib);
#endif
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}
