/* `oxidicom status` in every state that there is. */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/tool/tool.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.7."

static void start_some(receiver_t *receiver, const char *stages) {
    char *launcher = text_of("%s/oxidicom", binaries());
    receiver_prepare(receiver);
    receiver_launch_as(receiver, NULL, (const char *const[]){launcher, "--stages", stages, NULL});
    cr_assert(receiver_logged(receiver, "all stages are ready", PATIENCE_MS));
    free(launcher);
}

static int sockets_of_tools(const receiver_t *receiver) {
    char *run = text_of("%s/run", receiver->folder);
    DIR *folder = opendir(run);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strncmp(entry->d_name, "tool-", 5) == 0;
    closedir(folder);
    free(run);
    return count;
}

static void expect_stage(const json_t *status, const char *id, const char *state, pid_t process) {
    const json_t *stage = stage_in(status, id);
    cr_assert_not_null(stage, "%s", id);
    cr_expect_str_eq(value_at(stage, "state"), state, "%s: %s", id, value_at(stage, "state"));
    cr_expect_eq(atoi(value_at(stage, "process")), process, "%s", id);
}

/* --- all is well ----------------------------------------------------------------------------------------- */

Test(status, of_a_ring_that_runs_names_every_stage_with_its_process_and_leaves_no_socket_behind,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "status-well", (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    await_status("well", "true");
    json_t *json = TOOL_JSON(&status, "status");
    cr_assert_eq(status, 0);
    expect_stage(json, "listener", "runs", receiver_stage(&receiver, "listener", 0));
    expect_stage(json, "writer-0", "runs", receiver_stage(&receiver, "writer", 0));
    expect_stage(json, "writer-1", "runs", receiver_stage(&receiver, "writer", 1));
    expect_stage(json, "notifier", "runs", receiver_stage(&receiver, "notifier", 0));
    cr_expect_eq(json_array_size(json_object_get(json, "stages")), 4);
    char *journal = text_of("%s/state/journal.sqlite3", receiver.folder);
    cr_expect_str_eq(value_at(json, "journal.path"), journal);
    cr_expect_gt(atoi(value_at(json, "journal.bytes")), 0);
    cr_expect_str_eq(value_at(json, "broker.connected"), "true");
    cr_expect_str_eq(value_at(json, "nats.connected"), "true");
    cr_expect_eq(sockets_of_tools(&receiver), 0);
    char *said = TOOL(&status, "status");
    cr_expect_eq(status, 0);
    cr_expect_not_null(strstr(said, "broker         connected since 20"), "%s", said);
    free(said);
    free(journal);
    json_decref(json);
    receiver_clear(&receiver);
}

Test(status, counts_what_is_under_way_and_what_is_held_of_the_buffer, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "status-busy", NULL);
    await_status("well", "true");
    pid_t writer = receiver_stage(&receiver, "writer", 0);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "BUSY", SERIES "1", 1, 2);
    kill(writer, SIGSTOP);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES "1", SERIES "1.3", 3, 50000);
    cr_assert(scu_send_store(&scu, 1, MR_STORAGE, SERIES "1.3", &set, 0));
    await_status("listener.objects_unacknowledged", "1");
    json_t *json = TOOL_JSON(&status, "status");
    cr_expect_str_eq(value_at(json, "listener.associations_open"), "1");
    cr_expect_str_eq(value_at(json, "journal.receptions.receiving"), "1");
    cr_expect_geq(atoi(value_at(json, "listener.bytes_held")), 50000);
    cr_expect_str_eq(value_at(stage_in(json, "writer-0"), "outstanding_objects"), "1");
    kill(writer, SIGCONT);
    cr_assert_eq(scu_status(&scu), 0);
    await_status("listener.objects_unacknowledged", "0");
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    json_decref(json);
    receiver_clear(&receiver);
}

/* --- something fails ------------------------------------------------------------------------------------- */

Test(status, is_1_and_says_so_while_storage_takes_no_file, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    receiver_prepare(&receiver);
    mount_small(receiver.root, "size=512k");
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),
                                                    "OXIDICOM_MIN_FREE", "0MiB", NULL});
    await_status("well", "true");
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "FULL", EXPLICIT_LE));
    cr_assert_eq(store_instance(&scu, SERIES "1", 1, 1000000), 0xA700);
    await_status("notifier.writers_failing", "1");
    char *said = TOOL(&status, "status");
    cr_expect_eq(status, 1);
    cr_expect_not_null(strstr(said, "storage        fails: it did not take the last file of 1 writer"), "%s", said);
    cr_assert_eq(store_instance(&scu, SERIES "1", 2, 1000), 0);
    await_status("well", "true");
    cr_expect(scu_release(&scu));
    free(said);
    receiver_clear(&receiver);
}

/* No file of the notifier may grow, as on a full disk. */
Test(status, is_1_and_says_so_while_the_journal_takes_nothing, .timeout = PATIENCE_S) {
    static const struct rlimit none = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY},
                               any = {RLIM_INFINITY, RLIM_INFINITY};
    receiver_t receiver;
    int status;
    signal(SIGXFSZ, SIG_IGN); /* the notifier inherits it */
    receiver_prepare(&receiver);
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),
                                                    "OXIDICOM_STORE_TIMEOUT", "1s", NULL});
    await_status("well", "true");
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    cr_assert_eq(prlimit(notifier, RLIMIT_FSIZE, &none, NULL), 0);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "FULL", EXPLICIT_LE));
    cr_assert_eq(store_instance(&scu, SERIES "1", 1, 1000), 0xA700);
    await_status("journal.refuses", "true");
    char *said = TOOL(&status, "status");
    cr_expect_eq(status, 1);
    cr_expect_not_null(strstr(said, ": takes no events"), "%s", said);
    cr_assert_eq(prlimit(notifier, RLIMIT_FSIZE, &any, NULL), 0);
    await_status("well", "true");
    cr_expect(scu_release(&scu));
    free(said);
    receiver_clear(&receiver);
}

/* --- something is missing -------------------------------------------------------------------------------- */

Test(status, is_69_with_a_reason_where_nothing_runs) {
    char *folder = temporary_folder("nobody");
    int status;
    setenv("OXIDICOM_RUN_DIR", folder, 1);
    static const char *const commands[][3] = {
        {"status"}, {"series"}, {"resend", "1.2"}, {"reconcile", "1.2", "--dry-run"}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char *said = TOOL(&status, commands[i][0], commands[i][1], commands[i][2]);
        cr_expect_eq(status, EX_UNAVAILABLE, "%s: %d", commands[i][0], status);
        cr_expect(strstr(said, "nothing runs in OXIDICOM_RUN_DIR") && strstr(said, folder), "%s", said);
        free(said);
    }
    remove_folder(folder);
    free(folder);
}

/* A killed process holds its sockets until it has ended. */
static void kill_and_see_it_end(pid_t pid) {
    struct pollfd process = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    cr_assert(process.fd >= 0 && kill(pid, SIGKILL) == 0);
    cr_assert_eq(poll(&process, 1, PATIENCE_MS), 1);
    close(process.fd);
}

Test(status, is_69_where_only_the_sockets_of_killed_stages_are_left, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    start_some(&receiver, "listener,notifier");
    pid_t stages[] = {receiver_stage(&receiver, "listener", 0), receiver_stage(&receiver, "notifier", 0)};
    /* While it runs, it starts new ones; its death would tell them to end in order. */
    kill(receiver.launcher, SIGSTOP);
    for (size_t i = 0; i < 2; i++)
        kill_and_see_it_end(stages[i]);
    kill(receiver.launcher, SIGKILL);
    process_wait(receiver.launcher, PATIENCE_MS, &status);
    receiver.launcher = 0;
    char *socket = text_of("%s/run/listener.sock", receiver.folder);
    cr_assert_eq(access(socket, F_OK), 0);
    char *said = TOOL(&status, "status");
    cr_expect_eq(status, EX_UNAVAILABLE, "%d: %s", status, said);
    cr_expect_not_null(strstr(said, "nothing runs in"), "it waited for the dead: %s", said);
    free(said);
    free(socket);
    receiver_clear(&receiver);
}

Test(status, is_1_and_says_so_where_there_is_no_writer, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    start_some(&receiver, "listener,notifier");
    json_t *json = TOOL_JSON(&status, "status");
    cr_expect_eq(status, 1);
    expect_stage(json, "writer", "none is there", 0);
    cr_expect_str_eq(value_at(json, "well"), "false");
    json_decref(json);
    free(TOOL(&status, "status", "--stages"));
    cr_expect_eq(status, 1);
    receiver_clear(&receiver);
}

Test(status, is_1_and_says_so_where_listener_or_notifier_are_missing, .timeout = PATIENCE_S) {
    static const struct {
        const char *run, *missing, *there;
    } cases[] = {{"writer,notifier", "listener", "notifier"}, {"listener,writer", "notifier", "listener"}};
    for (size_t i = 0; i < 2; i++) {
        receiver_t receiver;
        int status;
        start_some(&receiver, cases[i].run);
        json_t *json = TOOL_JSON(&status, "status");
        cr_expect_eq(status, 1);
        expect_stage(json, cases[i].missing, "does not run", 0);
        expect_stage(json, cases[i].there, "runs", receiver_stage(&receiver, cases[i].there, 0));
        cr_expect_not_null(stage_in(json, "writer-0"));
        json_decref(json);
        receiver_clear(&receiver);
    }
}

/* As a supervisor that has the writers for itself. */
static pid_t start_writer_7(const receiver_t *receiver) {
    char *program = text_of("%s/oxidicom-writer", binaries());
    int known = receiver_times_logged(receiver, "writer-7 is there");
    pid_t pid = process_start(receiver->log, (const char *const[]){"OXIDICOM_WRITER_ID", "7", NULL},
                              (const char *const[]){program, NULL});
    cr_assert(receiver_logged_times(receiver, "writer-7 is there", known + 1, PATIENCE_MS));
    free(program);
    return pid;
}

Test(status, lists_a_writer_that_was_killed_and_none_that_was_told_to_end, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "status-left", NULL);
    process_stop(start_writer_7(&receiver), SIGTERM, PATIENCE_MS);
    cr_assert(receiver_logged(&receiver, "writer-7 has left", PATIENCE_MS));
    json_t *json = TOOL_JSON(&status, "status");
    cr_expect_null(stage_in(json, "writer-7"), "it says %s", value_at(stage_in(json, "writer-7"), "state"));
    json_decref(json);
    process_stop(start_writer_7(&receiver), SIGKILL, PATIENCE_MS);
    cr_assert(receiver_logged(&receiver, "writer-7 is gone", PATIENCE_MS));
    json = TOOL_JSON(&status, "status");
    expect_stage(json, "writer-7", "does not run", 0);
    json_decref(json);
    receiver_clear(&receiver);
}

Test(status, waits_no_longer_than_its_timeout_for_a_stage_that_hangs, .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_some(&receiver, "listener,writer,notifier");
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    kill(notifier, SIGSTOP);
    /* 1: the listener has answered. */
    char *listed = TOOL_UNTIL(1, "does not answer", "status", "--json");
    json_t *json = json_loads(listed, 0, NULL);
    expect_stage(json, "notifier", "does not answer", 0);
    char *said = TOOL_UNTIL(EX_UNAVAILABLE, "the notifier in", "series");
    cr_expect_not_null(strstr(said, "does not answer"), "%s", said);
    kill(notifier, SIGCONT);
    await_status("stages", ""); /* it answers again, and forgets whom it did not answer */
    cr_expect_eq(sockets_of_tools(&receiver), 0);
    free(listed);
    free(said);
    json_decref(json);
    receiver_clear(&receiver);
}

Test(status, tells_since_when_and_why_broker_and_nats_are_absent_and_no_password, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    char *broker = text_of("amqp://me:topsecret@127.0.0.1:%d", free_port()),
         *nats = text_of("nats://me:topsecret@127.0.0.1:%d", free_port());
    ring_start(&receiver, "status-absent",
               (const char *const[]){"OXIDICOM_AMQP_ADDRESS", broker, "OXIDICOM_NATS_ADDRESS", nats, NULL});
    await_status("nats.why", "No server available for connection");
    await_status("broker.connected", "false");
    json_t *json = TOOL_JSON(&status, "status");
    cr_expect_eq(status, 1);
    free(TOOL(&status, "status", "--stages"));
    cr_expect_eq(status, 0, "a probe would restart it for a broker that is away");
    cr_expect_str_eq(value_at(json, "broker.connected"), "false");
    cr_expect_str_eq(value_at(json, "nats.connected"), "false");
    cr_expect_eq(strncmp(value_at(json, "broker.since"), "20", 2), 0);
    char *said = TOOL(&status, "status");
    cr_expect_not_null(strstr(said, "broker         absent since 20"), "%s", said);
    cr_expect_not_null(strstr(said, "NATS           absent since 20"), "%s", said);
    cr_expect_null(strstr(said, "topsecret"), "%s", said);
    free(said);
    json_decref(json);
    receiver_clear(&receiver);
    free(broker);
    free(nats);
}

Test(status, hears_of_a_broker_that_goes_away, .timeout = PATIENCE_S) {
    rabbitmq_t rabbitmq = {0};
    receiver_t receiver;
    rabbitmq_start(&rabbitmq);
    char *broker = text_of("amqp://127.0.0.1:%d", rabbitmq.port);
    ring_start(&receiver, "status-goes", (const char *const[]){"OXIDICOM_AMQP_ADDRESS", broker, NULL});
    await_status("broker.connected", "true");
    rabbitmq_pause(&rabbitmq);
    await_status("broker.connected", "false");
    receiver_clear(&receiver);
    rabbitmq_stop(&rabbitmq);
    free(broker);
}

/* --- arguments ------------------------------------------------------------------------------------------- */

Test(arguments, that_are_wrong_are_64_and_named) {
    static const struct {
        const char *arguments[4], *said;
    } cases[] = {
        {{"status", "--all"}, "has no --all"},
        {{"status", "now"}, "too many arguments"},
        {{"series", "--since", "yesterday"}, "--since is \"yesterday\""},
        {{"series", "--since", "2026-02-31"}, "--since is \"2026-02-31\""},
        {{"series", "--timeout", "0"}, "--timeout is \"0\""},
        {{"series", "a", "b"}, "too many arguments"},
        {{"resend"}, "a UID is missing"},
        {{"reconcile"}, "name series, or --since"},
        {{"reconcile", "--dry-run"}, "name series, or --since"},
        {{"stauts"}, "unknown argument \"stauts\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status;
        char *said = tool_run(&status, cases[i].arguments);
        cr_expect_eq(status, EX_USAGE, "%s: %d", cases[i].said, status);
        cr_expect_not_null(strstr(said, cases[i].said), "%s: %s", cases[i].said, said);
        free(said);
    }
}

Test(arguments, help_names_every_command_and_each_command_has_one) {
    static const char *const commands[] = {"status", "series", "resend", "reconcile"};
    int status;
    char *help = TOOL(&status, "--help");
    for (size_t i = 0; i < 4; i++) {
        char *line = text_of("\n  %s ", commands[i]), *begin = text_of("oxidicom %s", commands[i]);
        cr_expect_not_null(strstr(help, line), "%s", line);
        char *said = TOOL(&status, commands[i], "--help");
        cr_expect_eq(status, 0);
        cr_expect_eq(strncmp(said, begin, strlen(begin)), 0, "%s", said);
        free(said);
        free(line);
        free(begin);
    }
    free(help);
}
