/* One writer more, one less, while the launcher runs. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "tests/launcher/launcher.h"

Test(writers, ttin_adds_one_and_the_others_keep_their_processes, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver);
    pid_t listener = receiver_stage(&receiver, "listener", 0), notifier = receiver_stage(&receiver, "notifier", 0),
          writer = receiver_stage(&receiver, "writer", 0);
    kill(receiver.launcher, SIGTTIN);
    expect_logged(&receiver, "listener: writer-1 is there");
    cr_assert_eq(receiver_stage(&receiver, "writer", 0), writer);
    cr_assert_neq(receiver_stage(&receiver, "writer", 1), 0);
    cr_assert_eq(receiver_stage(&receiver, "writer", 2), 0, "one, not two");
    cr_assert_eq(receiver_stage(&receiver, "listener", 0), listener);
    cr_assert_eq(receiver_stage(&receiver, "notifier", 0), notifier);
    cr_assert_eq(receiver_stop(&receiver), 0);
    expect_in_order(&receiver, (const char *const[]){"listener has ended", "writer-1: told to end",
                                                     "notifier: told to end", NULL});
    receiver_clear(&receiver);
}

Test(writers, ttou_lets_the_last_one_finish_its_object_and_then_end, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_WRITERS", "2");
    expect_logged(&receiver, "listener: writer-0 is there");
    expect_logged(&receiver, "listener: writer-1 is there");
    scu_t scu[2] = {{0}};
    bytes_t set[2] = {begin_object(&scu[0], &receiver, "1.2.3.1"), begin_object(&scu[1], &receiver, "1.2.3.2")};
    /* Each object goes to the writer that has less, so that now both are busy. */
    expect_under_way(&receiver, 2);
    pid_t removed = last_process(&receiver, "writer-1");
    kill(receiver.launcher, SIGTTOU);
    expect_logged(&receiver, "writer-1 leaves, 1 object is still with it");
    cr_assert_eq(kill(removed, 0), 0, "it did not wait for its object");
    for (int i = 0; i < 2; i++)
        finish_object(&scu[i], &set[i]);
    expect_logged(&receiver, "launcher: writer-1 has ended");
    cr_assert_eq(receiver_times_logged(&receiver, "attempt 2"), 0, "an object had to be sent again");
    cr_assert_eq(receiver_stage(&receiver, "writer", 0), last_process(&receiver, "writer-0"));
    cr_assert_eq(receiver_stage(&receiver, "writer", 1), 0);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_eq(receiver_times_logged(&receiver, "writer-1 is started, process"), 1);
    receiver_clear(&receiver);
}

Test(writers, ttou_never_removes_the_last_one) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    LAUNCH_SCRIPTS(&receiver, "OXIDICOM_WRITERS", "2");
    expect_logged(&receiver, "all stages are ready");
    kill(receiver.launcher, SIGTTOU);
    expect_logged(&receiver, "launcher: writer-1 is removed");
    kill(receiver.launcher, SIGTTOU);
    expect_logged(&receiver, "no writer is removed: one must stay");
    kill(receiver.launcher, SIGTTOU);
    expect_logged_times(&receiver, "no writer is removed: one must stay", 2);
    cr_assert_eq(kill(last_process(&receiver, "writer-0"), 0), 0);
    cr_assert_eq(receiver_times_logged(&receiver, "writer-0 is started, process"), 1);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

static bool is_gone(void *path) {
    return access(path, F_OK) != 0;
}

/* With the socket that it has left: `oxidicom status` forgets it. */
Test(writers, one_that_waits_for_its_restart_is_removed_at_once_and_its_number_is_free) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    write_stage(&receiver, "writer", "[ $OXIDICOM_WRITER_ID = 0 ] || { " HOLD "exit 1; }; " OBEDIENT);
    LAUNCH_SCRIPTS(&receiver, "OXIDICOM_WRITERS", "2");
    /* The third pause, long enough for the next steps. */
    for (int deaths = 1; deaths <= 4; deaths++) {
        let_go(&receiver);
        expect_logged_times(&receiver, "writer-1 ended with status 1", deaths);
    }
    char *run = text_of("%s/run", receiver.folder), *socket = text_of("%s/writer-1.sock", run);
    cr_assert_eq(mkdir(run, 0700), 0);
    FILE *left = fopen(socket, "w");
    cr_assert(left && fclose(left) == 0);
    kill(receiver.launcher, SIGTTOU);
    expect_logged(&receiver, "writer-1 is removed");
    cr_expect(await(is_gone, socket, PATIENCE_MS), "status would name it still");
    free(socket);
    free(run);
    /* Not before: nothing is missing any more. */
    expect_logged(&receiver, "all stages are ready");
    write_stage(&receiver, "writer", OBEDIENT);
    kill(receiver.launcher, SIGTTIN);
    expect_logged_times(&receiver, "writer-1 is started, process", 5);
    cr_assert_eq(receiver_times_logged(&receiver, "writer-2 is started, process"), 0);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(writers, are_at_most_256, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    char *most = text_of("%d", WRITERS_MAX), *last = text_of("writer-%d is started", WRITERS_MAX - 1),
         *one_more = text_of("writer-%d is started", WRITERS_MAX);
    LAUNCH_SCRIPTS(&receiver, "OXIDICOM_WRITERS", most);
    expect_logged(&receiver, "all stages are ready");
    expect_logged(&receiver, last);
    kill(receiver.launcher, SIGTTIN);
    expect_logged(&receiver, "no writer is added: the limit is 256");
    cr_assert_eq(receiver_times_logged(&receiver, one_more), 0);
    kill(receiver.launcher, SIGTTOU);
    expect_logged(&receiver, "writer-255 died of signal 15");
    kill(receiver.launcher, SIGTTIN);
    expect_logged_times(&receiver, last, 2);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    free(most);
    free(last);
    free(one_more);
}
