/* Each supervision tree really runs: stages that are killed come back, writers are scaled, TERM drains in order. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/deploy/tree.h"
#include "tests/support/certificates.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.8"

static char *instance_uid(int number) {
    return text_of(SERIES ".%d", number);
}

static void store(const receiver_t *receiver, int number) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    char *uid = instance_uid(number);
    cr_assert(await_port(receiver->port, PATIENCE_MS));
    cr_assert(scu_associate_mr(&scu, receiver->port, "TREE", EXPLICIT_LE));
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, uid, number, 2000);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, uid, &set), 0);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    free(uid);
}

static void start(const tree_t *tree, receiver_t *receiver, int writers) {
    receiver_prepare(receiver);
    tree->start(receiver, writers);
    (void)tree_await_stage(receiver, "listener", 0);
    (void)tree_await_stage(receiver, "writer-0", 0);
    (void)tree_await_stage(receiver, "notifier", 0);
}

static int await_end(receiver_t *receiver) {
    int status;
    cr_assert(process_wait(receiver->launcher, PATIENCE_MS, &status), "the supervisor does not end");
    receiver->launcher = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int stop(receiver_t *receiver) {
    kill(receiver->launcher, SIGTERM);
    return await_end(receiver);
}

/* --- a stage dies -------------------------------------------------------------------------------------------- */

static void comes_back(const tree_t *tree) {
    static const char *const ids[] = {"writer-0", "notifier", "listener"};
    receiver_t receiver;
    start(tree, &receiver, 1);
    store(&receiver, 1);
    for (int i = 0; i < 3; i++) {
        pid_t old = tree_stage(&receiver, ids[i]);
        cr_assert_neq(old, 0, "%s", ids[i]);
        cr_assert_eq(kill(old, SIGKILL), 0);
        (void)tree_await_stage(&receiver, ids[i], old);
        store(&receiver, 2 + i);
    }
    cr_assert_eq(receiver_files(&receiver), 4);
    cr_assert_eq(stop(&receiver), tree->status);
    receiver_clear(&receiver);
}

Test(trees, a_stage_that_is_killed_comes_back_under_the_launcher, .timeout = PATIENCE_S) {
    comes_back(&LAUNCHER_TREE);
}

Test(trees, a_stage_that_is_killed_comes_back_under_s6, .timeout = PATIENCE_S) {
    comes_back(&S6_TREE);
}

Test(trees, a_stage_that_is_killed_comes_back_under_supervisord, .timeout = PATIENCE_S) {
    comes_back(&SUPERVISORD_TREE);
}

/* --- more and fewer writers ------------------------------------------------------------------------------------
 */

static void scales(const tree_t *tree) {
    receiver_t receiver;
    start(tree, &receiver, 1);
    pid_t first = tree_stage(&receiver, "writer-0");
    tree->scale(&receiver, 3);
    for (int i = 0; i < 3; i++) {
        char *id = text_of("writer-%d", i);
        (void)tree_await_stage(&receiver, id, 0);
        free(id);
    }
    store(&receiver, 1);
    tree->scale(&receiver, 1);
    tree_await_gone(&receiver, "writer-1");
    tree_await_gone(&receiver, "writer-2");
    store(&receiver, 2);
    cr_assert_eq(tree_stage(&receiver, "writer-0"), first, "one that stays is started again");
    cr_assert_eq(tree_stage(&receiver, "writer-1"), 0, "it came back");
    cr_assert_eq(receiver_files(&receiver), 2);
    cr_assert_eq(stop(&receiver), tree->status);
    receiver_clear(&receiver);
}

Test(trees, writers_are_added_and_removed_under_the_launcher, .timeout = PATIENCE_S) {
    scales(&LAUNCHER_TREE);
}

Test(trees, writers_are_added_and_removed_under_s6, .timeout = PATIENCE_S) {
    scales(&S6_TREE);
}

Test(trees, writers_are_added_and_removed_under_supervisord, .timeout = PATIENCE_S) {
    scales(&SUPERVISORD_TREE);
}

/* --- HUP
 * ---------------------------------------------------------------------------------------------------------- */

static void hands_on_hup(const tree_t *tree) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    certificates_ca(receiver.folder, "ca");
    certificates_issue(receiver.folder, "ca", "site", KEY_EC);
    char *port = text_of("%d", free_port()), *certificate = text_of("%s/site.crt", receiver.folder),
         *key = text_of("%s/site.key", receiver.folder);
    setenv("OXIDICOM_TLS_PORT", port, 1);
    setenv("OXIDICOM_TLS_CERTIFICATE", certificate, 1);
    setenv("OXIDICOM_TLS_KEY", key, 1);
    tree->start(&receiver, 1);
    (void)tree_await_stage(&receiver, "listener", 0);
    kill(receiver.launcher, SIGHUP);
    tree_expect_said(&receiver, "TLS certificates are read again");
    cr_assert_eq(stop(&receiver), tree->status);
    free(port);
    free(certificate);
    free(key);
    receiver_clear(&receiver);
}

Test(trees, hup_has_the_certificates_read_again_under_the_launcher, .timeout = PATIENCE_S) {
    hands_on_hup(&LAUNCHER_TREE);
}

Test(trees, hup_has_the_certificates_read_again_under_s6, .timeout = PATIENCE_S) {
    hands_on_hup(&S6_TREE);
}

/* --- the end -----------------------------------------------------------------------------------------------------
 */

static void expect_before(const receiver_t *receiver, const char *earlier, const char *later) {
    char *first = tree_said_at(receiver, earlier), *second = tree_said_at(receiver, later);
    cr_assert(strcmp(first, second) <= 0, "%s at %s, %s at %s", earlier, first, later, second);
    free(first);
    free(second);
}

/* Tells the supervisor as its starter would, or its own tool. */
static void by_term(const receiver_t *receiver) {
    kill(receiver->launcher, SIGTERM);
}

static void by_supervisorctl(const receiver_t *receiver) {
    tree_shell(receiver,
               "cd \"$FOLDER/tree\"; { supervisorctl -c supervisord.conf stop oxidicom-listener oxidicom-writer-0 "
               "oxidicom-writer-1 oxidicom-notifier; supervisorctl -c supervisord.conf shutdown; } >said 2>&1 &");
}

/* An association is open and an object under way when the end comes. */
static void drains(const tree_t *tree, void (*end)(const receiver_t *receiver)) {
    receiver_t receiver;
    setenv("OXIDICOM_DRAIN_TIMEOUT", "120s", 1);
    start(tree, &receiver, 2);
    (void)tree_await_stage(&receiver, "writer-1", 0);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    char *uid = instance_uid(1);
    cr_assert(scu_associate_mr(&scu, receiver.port, "TREE", EXPLICIT_LE));
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, uid, 1, 400000);
    bytes_t command = scu_store_command(MR_STORAGE, uid, 1);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size));
    cr_assert(scu_p_data(&scu, 1, 0, set.at, set.size / 2));

    end(&receiver);
    tree_expect_said(&receiver, "listener: told to end");
    cr_assert_not(tree_has_said(&receiver, "writer-0: told to end"));
    cr_assert_not(tree_has_said(&receiver, "notifier: told to end"));
    cr_assert(scu_p_data(&scu, 1, 2, set.at + set.size / 2, set.size - set.size / 2));
    cr_assert_eq(scu_status(&scu), 0);
    scu_close(&scu); /* it would be idle from now on */

    cr_assert_eq(await_end(&receiver), tree->status);
    static const char *const ids[] = {"listener", "writer-0", "writer-1", "notifier"};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(tree_stage(&receiver, ids[i]), 0, "%s is still there", ids[i]);
    expect_before(&receiver, "listener: listener ends", "writer-0: told to end");
    expect_before(&receiver, "listener: listener ends", "writer-1: told to end");
    expect_before(&receiver, "writer-0: writer-0 ends", "notifier: told to end");
    expect_before(&receiver, "writer-1: writer-1 ends", "notifier: told to end");
    cr_assert_eq(receiver_files(&receiver), 1);
    tree_shell(&receiver, "set -- \"$FOLDER\"/queue/*.msg; [ $# -eq 1 ]"); /* the series is registered */
    bytes_free(&set);
    bytes_free(&command);
    free(uid);
    receiver_clear(&receiver);
}

Test(trees, term_drains_from_left_to_right_under_the_launcher, .timeout = PATIENCE_S) {
    drains(&LAUNCHER_TREE, by_term);
}

Test(trees, term_drains_from_left_to_right_under_s6, .timeout = PATIENCE_S) {
    drains(&S6_TREE, by_term);
}

Test(trees, term_drains_from_left_to_right_under_supervisord, .timeout = PATIENCE_S) {
    drains(&SUPERVISORD_TREE, by_term);
}

Test(trees, supervisorctl_stop_in_the_documented_order_drains_as_term_does, .timeout = PATIENCE_S) {
    drains(&SUPERVISORD_TREE, by_supervisorctl);
}

/* --- supervisord alone -------------------------------------------------------------------------------------------
 */

static bool has_exited(void *receiver) {
    return tree_try_shell(receiver, "cd \"$FOLDER/tree\"; { supervisorctl -c supervisord.conf status "
                                    "oxidicom-listener || true; } | grep EXITED") == 0;
}

Test(supervisord, does_not_repeat_a_start_that_a_bad_setting_has_ended, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    setenv("OXIDICOM_SCP_MAX_PDU_LENGTH", "short", 1);
    SUPERVISORD_TREE.start(&receiver, 1);
    cr_assert(await(has_exited, &receiver, PATIENCE_MS), "it is started again and again");
    tree_shell(&receiver,
               "cat \"$FOLDER/logs/oxidicom-listener.log\"; "
               "[ $(grep -c 'OXIDICOM_SCP_MAX_PDU_LENGTH is' \"$FOLDER/logs/oxidicom-listener.log\") -eq 1 ]");
    cr_assert_eq(stop(&receiver), SUPERVISORD_TREE.status);
    receiver_clear(&receiver);
}

Test(supervisord, makes_the_run_folder_where_no_systemd_has, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver, "[ ! -e \"$OXIDICOM_RUN_DIR\" ]");
    SUPERVISORD_TREE.start(&receiver, 1);
    (void)tree_await_stage(&receiver, "notifier", 0);
    (void)tree_await_stage(&receiver, "writer-0", 0);
    tree_shell(&receiver, "[ $(stat -c %a \"$OXIDICOM_RUN_DIR\") = 700 ]");
    cr_assert_eq(stop(&receiver), SUPERVISORD_TREE.status);
    receiver_clear(&receiver);
}
