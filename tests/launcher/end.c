/* How the launcher drains and ends, and the meaning of its exit status. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "tests/launcher/launcher.h"
#include "tests/support/patience.h"

static void drains_in_order(int signal_number) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_WRITERS", "2");
    kill(receiver.launcher, signal_number);
    cr_assert_eq(ended(&receiver, PATIENCE_MS), 0);
    static const char *const first_writer[] = {
        "launcher: drains",      "listener: told to end",        "listener has ended",
        "writer-0: told to end", "writer-0 has ended",           "notifier: told to end",
        "notifier has ended",    "launcher: ends with status 0", NULL};
    static const char *const second_writer[] = {"listener has ended", "writer-1: told to end", "writer-1 has ended",
                                                "notifier: told to end", NULL};
    expect_in_order(&receiver, first_writer);
    expect_in_order(&receiver, second_writer);
    receiver_clear(&receiver);
}

Test(end, term_ends_the_listener_then_the_writers_then_the_notifier_with_status_0, .timeout = PATIENCE_S) {
    drains_in_order(SIGTERM);
}

Test(end, int_ends_them_in_the_same_order, .timeout = PATIENCE_S) {
    drains_in_order(SIGINT);
}

/* --- with an association open ---------------------------------------------------------------------------- */

Test(end, while_the_listener_drains_a_writer_that_dies_is_started_again_and_none_is_added, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver);
    scu_t scu = {0};
    bytes_t set = begin_object(&scu, &receiver, "1.2.3.1");
    expect_under_way(&receiver, 1);
    kill(receiver.launcher, SIGTERM);
    expect_logged(&receiver, "launcher: drains");
    kill(receiver.launcher, SIGTTIN);
    pid_t writer = receiver_stage(&receiver, "writer", 0);
    kill(writer, SIGKILL);
    (void)await_stage(&receiver, "writer", writer);
    cr_assert(scu_p_data(&scu, 1, 2, set.at + set.size / 2, set.size - set.size / 2));
    cr_assert_eq(scu_status(&scu), 0);
    scu_close(&scu); /* it would be idle from now on */
    bytes_free(&set);
    cr_assert_eq(ended(&receiver, PATIENCE_MS), 0);
    cr_assert_eq(receiver_files(&receiver), 1);
    cr_assert_eq(receiver_times_logged(&receiver, "writer-0 is started, process"), 2);
    cr_assert_eq(receiver_times_logged(&receiver, "writer-1 is started, process"), 0);
    receiver_clear(&receiver);
}

Test(end, an_association_that_is_idle_is_aborted_at_once_and_one_with_an_object_under_way_finishes_it,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_DRAIN_TIMEOUT", "24h");
    scu_t idle = {.timeout_ms = PATIENCE_MS}, busy = {0};
    cr_assert(scu_associate_mr(&idle, receiver.port, "IDLE", EXPLICIT_LE));
    bytes_t set = begin_object(&busy, &receiver, "1.2.3.1");
    expect_under_way(&receiver, 1);
    kill(receiver.launcher, SIGTERM);
    cr_assert(scu_read(&idle), "it is waited for");
    cr_assert_eq(idle.type, 7, "A-ABORT");
    cr_assert_eq(idle.body.at[2], 2, "of the service provider");
    cr_assert(scu_at_end(&idle), "a half close, not a reset");
    scu_close(&idle);
    cr_assert(scu_p_data(&busy, 1, 2, set.at + set.size / 2, set.size - set.size / 2));
    cr_assert_eq(scu_status(&busy), 0);
    scu_close(&busy); /* it would be idle from now on */
    cr_assert_eq(ended(&receiver, PATIENCE_MS), 0);
    cr_assert_eq(receiver_files(&receiver), 1);
    bytes_free(&set);
    receiver_clear(&receiver);
}

/* From then on each stage has little time: a machine that is too busy for that deserves another try. */
static bool ends_at_a_second_term(void) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_DRAIN_TIMEOUT", "24h");
    scu_t scu = {0};
    bytes_t set = begin_object(&scu, &receiver, "1.2.3.1");
    expect_under_way(&receiver, 1);
    kill(receiver.launcher, SIGTERM);
    expect_logged(&receiver, "listener: told to end");
    cr_assert_eq(receiver_times_logged(&receiver, "writer-0: told to end"), 0);
    kill(receiver.launcher, SIGTERM);
    cr_assert(scu_read(&scu));
    cr_assert_eq(scu.type, 7, "A-ABORT");
    scu_close(&scu);
    bytes_free(&set);
    int status = ended(&receiver, PATIENCE_MS);
    bool in_time = !receiver_was_killed(&receiver, NULL);
    if (in_time) {
        cr_assert_eq(status, 0);
        expect_in_order(&receiver, (const char *const[]){"launcher: drains", "launcher: told to end again",
                                                         "writer-0: told to end", "ends with status 0", NULL});
    }
    receiver_clear(&receiver);
    return in_time;
}

Test(end, a_second_term_ends_all_stages_at_once, .timeout = PATIENCE_S) {
    cr_expect(try_again(ends_at_a_second_term), "stages had to be killed");
}

/* --- stages that do not end well ------------------------------------------------------------------------- */

/* Each stage has little time to end, so one that does not hang may be killed, too, where the machine is busy: that
 * deserves another try. */
static bool ends_without_the_notifier(void) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_DRAIN_TIMEOUT", "0ms");
    kill(receiver_stage(&receiver, "notifier", 0), SIGSTOP);
    int64_t begin = clock_ms();
    kill(receiver.launcher, SIGTERM);
    cr_assert_eq(ended(&receiver, 2 * PATIENCE_MS), 1);
    cr_assert_geq(clock_ms() - begin, 2000, "it had no time to close its connections");
    if (receiver_was_killed(&receiver, "listener") || receiver_was_killed(&receiver, "writer-0")) {
        receiver_clear(&receiver);
        return false;
    }
    expect_in_order(&receiver, (const char *const[]){"listener has ended", "writer-0 has ended",
                                                     "notifier did not end in time: killed",
                                                     "notifier died of signal 9", "ends with status 1", NULL});
    receiver_clear(&receiver);
    return true;
}

Test(end, a_stage_that_hangs_is_killed_after_its_time_and_the_status_is_1, .timeout = PATIENCE_S) {
    cr_expect(try_again(ends_without_the_notifier), "others were killed, too");
}

/* A traced process stays until its tracer looks at its end: to the launcher it is as if the kernel kept it, as it
 * does in storage that is away. */
static bool leaves_a_writer_behind(void) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_DRAIN_TIMEOUT", "0ms");
    pid_t writer = receiver_stage(&receiver, "writer", 0);
    if (ptrace(PTRACE_SEIZE, writer, NULL, NULL) != 0)
        cr_skip_test("nothing can be traced here");
    kill(receiver.launcher, SIGTERM);
    cr_assert_eq(ended(&receiver, 2 * PATIENCE_MS), 2);
    if (receiver_was_killed(&receiver, "listener") || receiver_was_killed(&receiver, "notifier")) {
        waitpid(writer, NULL, 0);
        receiver_clear(&receiver);
        return false;
    }
    char *left = text_of("writer-0, process %d, was killed and does not end", (int)writer);
    expect_in_order(&receiver, (const char *const[]){
                                   "writer-0: told to end", "writer-0 did not end in time: killed", left,
                                   "notifier: told to end", "notifier has ended", "ends with status 2", NULL});
    free(left);
    waitpid(writer, NULL, 0);
    receiver_clear(&receiver);
    return true;
}

Test(end, a_stage_that_not_even_a_kill_ends_is_named_and_left_behind_and_the_status_is_2, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip_test("LeakSanitizer traces, too, and takes the tracing of others for a fault");
#endif
    cr_expect(try_again(leaves_a_writer_behind), "others were killed, too");
}

Test(end, a_stage_that_refuses_its_settings_ends_everything_with_78) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    write_stage(&receiver, "listener", HEARING);
    write_stage(&receiver, "writer", "ready; " HOLD "exit 78");
    write_stage(&receiver, "notifier", HEARING);
    LAUNCH_SCRIPTS(&receiver);
    expect_logged(&receiver, "all stages are ready");
    let_go(&receiver);
    cr_assert_eq(ended(&receiver, PATIENCE_MS), 78);
    expect_in_order(&receiver,
                    (const char *const[]){"writer-0 ended with status 78", "launcher: drains", "listener has ended",
                                          "notifier has ended", "ends with status 78", NULL});
    cr_assert_eq(receiver_times_logged(&receiver, "heard TERM"), 2);
    cr_assert_eq(receiver_times_logged(&receiver, "is started, process"), 3, "no restart changes the environment");
    receiver_clear(&receiver);
}
