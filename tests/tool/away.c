/* The tool while storage does not answer, which no command but reconcile needs: its time is kept all the same. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "deploy/tool/ask.h"
#include "proto/ring.h"
#include "tests/support/faults.h"
#include "tests/support/patience.h"
#include "tests/tool/tool.h"

/* Longer than any test: a test that waits for it is found out. */
#define FOREVER "stall=86400000"

/* From now on what we start has these faults (preload.h). */
static void have_faults(const receiver_t *receiver, const char *rules) {
#ifdef SANITIZED
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    char *preload = text_of("%s/../preload.so", binaries()), *faults = text_of("%s/faults", receiver->folder);
    faults_set(faults, rules);
    setenv("OXIDICOM_TEST_FAULTS", faults, 1);
    setenv("LD_PRELOAD", preload, 1);
    free(preload);
    free(faults);
}

static void expect_unavailable(const char *said, int status, const char *folder) {
    cr_expect_eq(status, EX_UNAVAILABLE, "%d: %s", status, said);
    cr_expect(strstr(said, folder) && strstr(said, "does not answer"), "%s", said);
}

Test(away, storage_is_not_touched_where_a_run_folder_is_named, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "away-named", NULL);
    await_status("well", "true");
    have_faults(&receiver, "tool stat " FOREVER " path=/.oxidicom/\n");
    static const char *const commands[] = {"status", "series"};
    for (size_t i = 0; i < 2; i++) {
        char *said = TOOL(&status, commands[i]);
        cr_expect_eq(status, 0, "%s: %d, %s", commands[i], status, said);
        free(said);
    }
    unsetenv("LD_PRELOAD");
    receiver_clear(&receiver);
}

Test(away, storage_is_looked_into_after_all_other_places, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    receiver_prepare(&receiver);
    if (access("/run/oxidicom", F_OK) == 0)
        cr_skip_test("this machine has a run folder of its own");
    char *temporary = text_of("%s/tmp", receiver.folder), *run = text_of("%s/oxidicom-%u", temporary, geteuid());
    process_run(NULL, NULL, (const char *const[]){"mkdir", "-p", "-m", "700", run, NULL}, PATIENCE_MS);
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_RUN_DIR", run, NULL});
    unsetenv("OXIDICOM_RUN_DIR");
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", temporary, 1);
    have_faults(&receiver, "tool stat " FOREVER " path=/.oxidicom/\n");
    char *said = TOOL(&status, "status", "--stages");
    cr_expect_eq(status, 0, "%d: %s", status, said);
    cr_expect_not_null(strstr(said, run), "%s", said);
    unsetenv("LD_PRELOAD");
    free(said);
    free(run);
    free(temporary);
    receiver_clear(&receiver);
}

Test(away, storage_in_which_a_run_folder_may_lie_is_waited_for_until_the_timeout_and_named, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    if (access("/run/oxidicom", F_OK) == 0)
        cr_skip_test("this machine has a run folder of its own");
    receiver_set_defaults(&receiver);
    unsetenv("OXIDICOM_RUN_DIR");
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", receiver.folder, 1);
    have_faults(&receiver, "tool stat " FOREVER " path=/.oxidicom/\n");
    static const char *const commands[][3] = {
        {"status"}, {"series"}, {"resend", "1.2"}, {"reconcile", "1.2", "--dry-run"}, {"top", "--once"}};
    char *folder = text_of("%s/.oxidicom/run/", receiver.root);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char *said = TOOL_UNTIL(EX_UNAVAILABLE, folder, commands[i][0], commands[i][1], commands[i][2]);
        expect_unavailable(said, EX_UNAVAILABLE, folder);
        free(said);
    }
    unsetenv("LD_PRELOAD");
    free(folder);
    receiver_clear(&receiver);
}

Test(away, a_named_folder_that_hangs_is_waited_for_until_the_timeout_and_named, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "away-hangs", NULL);
    have_faults(&receiver, "tool connect " FOREVER " path=/run/\n");
    char *said = TOOL(&status, "status", "--timeout", "300ms"), *folder = text_of("%s/run", receiver.folder);
    expect_unavailable(said, status, folder);
    unsetenv("LD_PRELOAD");
    free(said);
    free(folder);
    receiver_clear(&receiver);
}

Test(away, storage_that_reconcile_reads_is_waited_for_until_the_timeout_and_named, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "away-reconcile", NULL);
    await_status("well", "true");
    char *services = text_of("%s/SERVICES", receiver.root), *pacs = text_of("%s/PACS", services),
         *one = text_of("%s/ONE", pacs);
    cr_assert(mkdir(services, 0755) == 0 && mkdir(pacs, 0755) == 0 && mkdir(one, 0755) == 0);
    have_faults(&receiver, "writer stat " FOREVER " path=ONE\n");
    char *said = TOOL(&status, "reconcile", "--since", "1d", "--timeout", "5s");
    expect_unavailable(said, status, "OXIDICOM_FILES_ROOT");
    cr_expect_not_null(strstr(said, "not finished"), "%s", said);
    unsetenv("LD_PRELOAD");
    free(said);
    free(one);
    free(pacs);
    free(services);
    receiver_clear(&receiver);
}

/* A stage that is there and never answers. */
static zsock_t *deaf_stage(const char *run, const char *id) {
    zsock_t *inbox = zsock_new(ZMQ_PULL);
    cr_assert(inbox && zsock_bind(inbox, "ipc://%s/%s.sock", run, id) == 0);
    return inbox;
}

/* Waiting for a time anew would take longer than the test may. */
Test(away, time_that_the_run_folder_took_is_not_given_to_the_stages_again, .timeout = PATIENCE_S) {
    ask_t ask;
    char *run = temporary_folder("run");
    zsock_t *listener = deaf_stage(run, "listener"), *notifier = deaf_stage(run, "notifier");
    cr_assert_eq(ask_open(&ask, run, 86400000, clock_ms()), 0);
    ask.deadline_ms = clock_ms(); /* as if the folder had taken all of it */
    question_t questions[] = {{.stage = "listener"}, {.stage = "notifier"}};
    ask_status(&ask, questions, 2);
    cr_expect(questions[0].there && !questions[0].answer && questions[1].there && !questions[1].answer);
    Ring__SeriesQuery query = RING__SERIES_QUERY__INIT;
    query.reply_to = ask_reply_to(&ask);
    cr_expect_null(ask_stage(&ask, "notifier", &RING_ENVELOPE(SERIES_QUERY, series_query, &query)));
    ask_renew(&ask);
    cr_expect_gt(ask.deadline_ms, clock_ms());
    zsock_destroy(&listener);
    zsock_destroy(&notifier);
    ask_close(&ask);
    remove_folder(run);
    free(run);
}

Test(away, stages_that_all_hang_take_status_one_timeout_not_one_each, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "away-stages", NULL);
    await_status("well", "true");
    pid_t listener = receiver_stage(&receiver, "listener", 0), notifier = receiver_stage(&receiver, "notifier", 0);
    kill(listener, SIGSTOP);
    kill(notifier, SIGSTOP);
    int64_t begin_ms = clock_ms();
    char *said = TOOL(&status, "status", "--timeout", "8s");
    int64_t took_ms = clock_ms() - begin_ms;
    cr_expect_eq(status, EX_UNAVAILABLE, "%d: %s", status, said);
    cr_expect(took_ms >= 8000 && took_ms < 16000, "%lld ms", (long long)took_ms);
    kill(listener, SIGCONT);
    kill(notifier, SIGCONT);
    free(said);
    receiver_clear(&receiver);
}
