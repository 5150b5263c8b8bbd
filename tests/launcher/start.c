/* How stages start, become ready, and are restarted after a death. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "deploy/launcher/supervisor.h"
#include "tests/launcher/launcher.h"

static const char *const STAGES[] = {"listener", "writer", "notifier"};

/* --- readiness ------------------------------------------------------------------------------------------- */

/* Starts the launcher with descriptor 3 on `path`, for its readiness. */
static void launch_with_ready_fd(receiver_t *receiver, const char *launcher, const char *path) {
    const char *const argv[] = {"bash", "-c", "exec \"$0\" 3>\"$1\"", launcher, path, NULL};
    receiver_launch_as(receiver, (const char *const[]){"OXIDICOM_READY_FD", "3", "RUST_LOG", "debug", NULL}, argv);
}

Test(start, all_stages_run_and_readiness_is_one_newline_and_the_end_of_the_descriptor) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *path = text_of("%s/ready", receiver.folder), *launcher = text_of("%s/oxidicom", binaries());
    cr_assert_eq(mkfifo(path, 0600), 0);
    struct pollfd ready = {.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN};
    launch_with_ready_fd(&receiver, launcher, path);
    cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1);
    for (size_t i = 0; i < 3; i++)
        cr_assert_neq(receiver_stage(&receiver, STAGES[i], 0), 0, "%s", STAGES[i]);
    char said[8];
    cr_assert_eq(read(ready.fd, said, sizeof said), 1);
    cr_assert_eq(said[0], '\n');
    /* Nor do the stages hold it, so that a supervisor that waits for its end is not kept. */
    ready.events = 0;
    cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1, "somebody holds the descriptor");
    cr_assert_eq(read(ready.fd, said, sizeof said), 0);
    expect_logged(&receiver, "launcher: all stages are ready");
    close(ready.fd);
    receiver_clear(&receiver);
    free(path);
    free(launcher);
}

Test(start, readiness_waits_for_the_last_stage) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    write_stage(&receiver, "notifier", HOLD OBEDIENT);
    char *path = text_of("%s/ready", receiver.folder), *launcher = text_of("%s/bin/oxidicom", receiver.folder);
    launch_with_ready_fd(&receiver, launcher, path);
    expect_logged(&receiver, "launcher: listener is ready");
    expect_logged(&receiver, "launcher: writer-0 is ready");
    cr_assert_eq(receiver_times_logged(&receiver, "all stages are ready"), 0);
    struct stat s;
    cr_assert(stat(path, &s) == 0 && s.st_size == 0, "it said so with a stage missing");
    let_go(&receiver);
    expect_logged(&receiver, "launcher: all stages are ready");
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(stat(path, &s) == 0 && s.st_size == 1);
    receiver_clear(&receiver);
    free(path);
    free(launcher);
}

/* --- restarts -------------------------------------------------------------------------------------------- */

Test(start, a_killed_stage_is_started_again_and_the_others_keep_their_processes, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver);
    pid_t pids[3];
    for (size_t i = 0; i < 3; i++)
        pids[i] = receiver_stage(&receiver, STAGES[i], 0);
    for (size_t i = 0; i < 3; i++) {
        kill(pids[i], SIGKILL);
        pids[i] = await_stage(&receiver, STAGES[i], pids[i]);
        for (size_t k = 0; k < 3; k++)
            cr_assert_eq(receiver_stage(&receiver, STAGES[k], 0), pids[k], "%s after the death of %s", STAGES[k],
                         STAGES[i]);
    }
    expect_logged_times(&receiver, "listener: listener " /* version */, 2);
    expect_logged_times(&receiver, "writer-0: writer-0 ", 2);
    expect_logged_times(&receiver, "notifier: notifier ", 2);
    cr_assert_eq(receiver_times_logged(&receiver, "died of signal 9 (Killed)"), 3);
    cr_assert_eq(receiver_times_logged(&receiver, "all stages are ready"), 1, "said once");
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

/* The reader of the log, which a supervisor may restart, ends with the line of readiness. */
Test(start, a_log_that_nobody_reads_any_more_ends_nothing, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *launcher = text_of("%s/oxidicom", binaries());
    const char *const argv[] = {"bash", "-c", "exec \"$0\" 2> >(exec sed -u '/all stages are ready/q')", launcher,
                                NULL};
    receiver_launch_as(&receiver, NULL, argv);
    expect_logged(&receiver, "all stages are ready");
    for (size_t i = 0; i < 3; i++) {
        pid_t old = receiver_stage(&receiver, STAGES[i], 0);
        kill(old, SIGKILL);
        cr_assert_neq(await_stage(&receiver, STAGES[i], old), 0);
    }
    cr_assert_eq(receiver_stop(&receiver), 0);
    free(launcher);
    receiver_clear(&receiver);
}

Test(start, a_stage_that_dies_young_waits_twice_as_long_each_time_up_to_the_longest_pause, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    write_stage(&receiver, "writer", "echo $EPOCHREALTIME >>\"$HERE/starts\"; exit 1");
    LAUNCH_SCRIPTS(&receiver);
    char *longest = text_of("writer-0 is started again in %d ms", RESTART_LONGEST_MS);
    expect_logged(&receiver, longest);
    char *path = text_of("%s/starts", receiver.folder);
    FILE *starts = fopen(path, "r");
    cr_assert_not_null(starts);
    double last, next;
    cr_assert_eq(fscanf(starts, "%lf", &last), 1);
    for (int64_t pause = RESTART_FIRST_MS; pause < RESTART_LONGEST_MS; pause *= 2) {
        cr_assert_eq(fscanf(starts, "%lf", &next), 1);
        cr_assert_geq((next - last) * 1000, (double)pause - 5, "%f ms instead of %lld", (next - last) * 1000,
                      (long long)pause);
        char *said = text_of("writer-0 is started again in %lld ms", (long long)pause);
        cr_assert_eq(receiver_times_logged(&receiver, said), 1, "%s", said);
        free(said);
        last = next;
    }
    fclose(starts);
    cr_assert_eq(receiver_times_logged(&receiver, "listener is started, process"), 1);
    cr_assert_eq(receiver_times_logged(&receiver, "notifier is started, process"), 1);
    cr_assert_eq(receiver_stop(&receiver), 0, "a stage that waits for its restart has nothing to drain");
    receiver_clear(&receiver);
    free(longest);
    free(path);
}

static bool has_come(void *argument) {
    return clock_ms() >= *(int64_t *)argument;
}

Test(start, a_stage_that_has_lived_for_long_begins_with_the_first_pause_anew) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    LAUNCH_SCRIPTS(&receiver);
    expect_logged(&receiver, "all stages are ready");
    kill(last_process(&receiver, "listener"), SIGKILL);
    expect_logged_times(&receiver, "listener is started, process", 2);
    kill(last_process(&receiver, "listener"), SIGKILL);
    expect_logged_times(&receiver, "listener is started, process", 3);
    cr_assert_eq(receiver_times_logged(&receiver, "listener is started again in 200 ms"), 1);
    int64_t grown_up = clock_ms() + RESTART_YOUNG_MS;
    cr_assert(await(has_come, &grown_up, PATIENCE_MS));
    kill(last_process(&receiver, "listener"), SIGKILL);
    expect_logged_times(&receiver, "listener is started again in 100 ms", 2);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(start, a_missing_executable_is_named_and_appears_when_it_is_installed) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    char *path = text_of("%s/bin/oxidicom-notifier", receiver.folder);
    cr_assert_eq(unlink(path), 0);
    LAUNCH_SCRIPTS(&receiver);
    char *said = text_of("can't run %s: No such file or directory", path);
    expect_logged(&receiver, said);
    write_stage(&receiver, "notifier", OBEDIENT);
    expect_logged(&receiver, "all stages are ready");
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    free(path);
    free(said);
}

/* --- ties ------------------------------------------------------------------------------------------------ */

/* Returns whether no other was killed: a busy machine may keep one silent for too long. */
static bool kills_those_that_hang(void) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_WATCHDOG", "3s");
    for (size_t i = 0; i < 3; i++)
        kill(receiver_stage(&receiver, STAGES[i], 0), SIGSTOP);
    expect_logged(&receiver, "listener hangs, it was not heard for");
    expect_logged_times(&receiver, "listener is started, process", 2);
    static const char *const storage[] = {"writer-0 hangs", "notifier hangs"};
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(receiver_times_logged(&receiver, storage[i]), 0, "what waits for storage has more time");
    for (size_t i = 0; i < 2; i++)
        cr_assert(receiver_logged(&receiver, storage[i], PATIENCE_MS), "%s", storage[i]);
    cr_assert(receiver_logged_times(&receiver, "the notifier is there", 2, PATIENCE_MS));
    expect_logged_times(&receiver, "is started, process", 6);
    cr_assert_eq(receiver_stop(&receiver), 0);
    int hung = receiver_times_logged(&receiver, " hangs, it ");
    cr_assert_eq(receiver_times_logged(&receiver, "is started, process"), 3 + hung);
    receiver_clear(&receiver);
    return hung == 3;
}

Test(start, a_stage_that_hangs_is_killed_and_started_again, .timeout = PATIENCE_S) {
    cr_assert(try_again(kills_those_that_hang), "one was killed that was heard");
}

Test(start, no_stage_outlives_a_launcher_that_is_killed, .timeout = PATIENCE_S) {
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* to be told of their ends */
    receiver_t receiver;
    START(&receiver);
    pid_t pids[3];
    for (size_t i = 0; i < 3; i++)
        pids[i] = receiver_stage(&receiver, STAGES[i], 0);
    process_stop(receiver.launcher, SIGKILL, PATIENCE_MS);
    receiver.launcher = 0;
    for (size_t i = 0; i < 3; i++) {
        int status;
        cr_assert(process_wait(pids[i], PATIENCE_MS, &status), "%s", STAGES[i]);
        cr_assert_eq(status, 0, "%s was told to end", STAGES[i]);
    }
    receiver_clear(&receiver);
}

static void expect_hup_handed_on(const char *const *command) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    for (size_t i = 0; i < 3; i++)
        write_stage(&receiver, STAGES[i], HEARING);
    char *launcher = text_of("%s/bin/oxidicom", receiver.folder);
    const char *argv[] = {command[0], command[1], launcher, NULL};
    receiver_launch_as(&receiver, NULL, argv[0] ? argv : argv + 2);
    expect_logged(&receiver, "all stages are ready");
    kill(receiver.launcher, SIGHUP);
    expect_logged_times(&receiver, "heard HUP", 3);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_eq(receiver_times_logged(&receiver, "is started, process"), 3);
    free(launcher);
    receiver_clear(&receiver);
}

Test(start, hup_is_handed_on_and_ends_nothing) {
    expect_hup_handed_on((const char *const[]){NULL, NULL});
}

Test(start, goes_as_ever_under_a_parent_that_ignores_signals) {
    expect_hup_handed_on((const char *const[]){"env", "--ignore-signal"});
}

Test(start, a_stage_that_hangs_before_it_is_ready_is_killed_and_started_again, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    write_stage(&receiver, "notifier",
                "[ -e \"$HERE/once\" ] || { touch \"$HERE/once\"; exec sleep 1000; }; " OBEDIENT);
    LAUNCH_SCRIPTS(&receiver, "OXIDICOM_WATCHDOG", "1s");
    expect_logged(&receiver, "launcher: all stages are ready");
    expect_in_order(&receiver,
                    (const char *const[]){"notifier hangs, it is not ready after 10 s: killed",
                                          "notifier died of signal 9", "launcher: all stages are ready", NULL});
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

/* What the stage's script has written. */
static char *written_by(const receiver_t *receiver, const char *stage) {
    char *path = text_of("%s/%s.env", receiver->folder, stage);
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_not_null(content);
    free(path);
    return content;
}

Test(start, each_stage_is_told_only_the_settings_that_it_uses) {
    receiver_t receiver;
    prepare_scripts(&receiver);
    for (size_t i = 0; i < 3; i++) {
        char *script = text_of("env >\"$HERE/%s.env\"; " OBEDIENT, STAGES[i]);
        write_stage(&receiver, STAGES[i], script);
        free(script);
    }
    LAUNCH_SCRIPTS(&receiver, "OXIDICOM_AMQP_ADDRESS", "amqp://user:hush@localhost", "OXIDICOM_TLS_KEY", "/key",
                   "OTHER", "1");
    expect_logged(&receiver, "all stages are ready");
    char *listener = written_by(&receiver, "listener"), *writer = written_by(&receiver, "writer"),
         *notifier = written_by(&receiver, "notifier");
    cr_expect(!strstr(listener, "hush") && strstr(listener, "OXIDICOM_TLS_KEY=/key"), "%s", listener);
    cr_expect(!strstr(writer, "hush") && !strstr(writer, "OXIDICOM_TLS_KEY"), "%s", writer);
    cr_expect(strstr(notifier, "hush") && !strstr(notifier, "OXIDICOM_TLS_KEY"), "%s", notifier);
    cr_expect(strstr(writer, "OTHER=1") && strstr(writer, "OXIDICOM_FILES_ROOT="), "%s", writer);
    free(listener);
    free(writer);
    free(notifier);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(start, no_stage_leaves_a_core_dump, .timeout = PATIENCE_S) {
    receiver_t receiver;
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_CORE, &limit), 0);
    START(&receiver);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(prlimit(receiver_stage(&receiver, STAGES[i], 0), RLIMIT_CORE, NULL, &limit), 0);
        cr_expect(limit.rlim_cur == 0 && limit.rlim_max == 0, "%s", STAGES[i]);
    }
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

/* What others of its user can read of it. */
static char *environment_of(pid_t pid) {
    char *path = text_of("/proc/%d/environ", (int)pid);
    char *content = calloc(1, 1 << 20);
    FILE *file = fopen(path, "r");
    cr_assert(content && file);
    size_t size = fread(content, 1, (1 << 20) - 1, file);
    fclose(file);
    for (size_t i = 0; i < size; i++)
        if (!content[i])
            content[i] = '\n';
    free(path);
    return content;
}

Test(start, a_stage_keeps_no_secret_and_nothing_strange_in_its_environment, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_NATS_ADDRESS", "nats://user:hush@127.0.0.1:1", "SOMEBODYS_TOKEN", "hush", "TZ",
          "UTC");
    for (size_t i = 0; i < 3; i++) {
        char *environment = environment_of(receiver_stage(&receiver, STAGES[i], 0));
        cr_expect(!strstr(environment, "hush"), "%s: %s", STAGES[i], environment);
        cr_expect(strstr(environment, "TZ=UTC") && strstr(environment, "OXIDICOM_RUN_DIR="), "%s", environment);
        free(environment);
    }
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}
