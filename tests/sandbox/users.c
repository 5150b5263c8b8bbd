/* A ring of stages with users of their own, with nothing in common but the group of the run folder. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/support/dataset.h"
#include "tests/support/receiver.h"
#include "tests/support/scu.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.8.2"

/* Numbers that no account of a Debian system has. */
enum { GROUP = 64100, FIRST_USER = 64101 };

static receiver_t receiver;
static pid_t stages[3];

static void init(void) {
    receiver_prepare(&receiver);
    setenv("OXIDICOM_FILES_ROOT", receiver.root, 1);
}

static void fini(void) {
    for (size_t i = 0; i < 3; i++)
        process_stop(stages[i], SIGTERM, PATIENCE_MS);
    receiver_clear(&receiver);
}
TestSuite(users, .init = init, .fini = fini, .timeout = PATIENCE_S);

static void own(const char *path, int user, int group, mode_t mode) {
    if (access(path, F_OK) != 0)
        cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(chown(path, (uid_t)user, (gid_t)group), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static void start(int number, const char *stage) {
    char *program = text_of("%s/oxidicom-%s", binaries(), stage);
    char *user = text_of("--reuid=%d", FIRST_USER + number), *group = text_of("--regid=%d", GROUP);
    char *run = text_of("%s/run", receiver.folder), *state = text_of("%s/state", receiver.folder);
    char *broker = text_of("filesystem://%s/queue", receiver.folder), *port = text_of("%d", receiver.port);
    const char *const environment[] = {"OXIDICOM_RUN_DIR",
                                       run,
                                       "OXIDICOM_STATE_DIR",
                                       state,
                                       "OXIDICOM_AMQP_ADDRESS",
                                       broker,
                                       "OXIDICOM_LISTENER_PORT",
                                       port,
                                       "OXIDICOM_STORE_TIMEOUT",
                                       "30s",
                                       NULL};
    const char *const argv[] = {"setpriv", user, group, "--clear-groups", program, NULL};
    stages[number] = process_start(receiver.log, environment, argv);
    free(program);
    free(user);
    free(group);
    free(run);
    free(state);
    free(broker);
    free(port);
}

static int shell(const char *line) {
    return process_run(receiver.log, NULL, (const char *const[]){"bash", "-euo", "pipefail", "-c", line, NULL},
                       PATIENCE_MS);
}

/* By the lines that deploy/SECURITY.md has for it, and what it takes for granted. */
static void make_folders(void) {
    char *state = text_of("%s/state", receiver.folder), *queue = text_of("%s/queue", receiver.folder),
         *lines = text_of("set -x; . <(grep '^install -d' deploy/SECURITY.md | sed -e 's|-g oxidicom|-g %d|' "
                          "-e 's|-o WRITERS|-o %d|' -e 's| /run/oxidicom| %s/run|' -e 's| /data/| %s/|')",
                          GROUP, FIRST_USER + 1, receiver.folder, receiver.root);
    cr_assert_eq(chmod(receiver.folder, 0755), 0);
    own(receiver.root, FIRST_USER + 1, GROUP, 0755);
    own(state, FIRST_USER + 2, GROUP, 0700);
    own(queue, FIRST_USER + 2, GROUP, 0700);
    cr_assert_eq(shell(lines), 0);
    free(lines);
    free(state);
    free(queue);
}

static bool store_one(void) {
    scu_t scu = {0};
    char *uid = text_of("%s.1", SERIES);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, uid, 1, 1000);
    cr_assert(await_port(receiver.port, PATIENCE_MS));
    cr_assert(scu_associate_mr(&scu, receiver.port, "USERS", EXPLICIT_LE));
    bool stored = scu_store(&scu, 1, MR_STORAGE, uid, &set) == 0;
    scu_release(&scu);
    bytes_free(&set);
    free(uid);
    return stored;
}

static bool is_registered(void *argument) {
    (void)argument;
    char *line = text_of("compgen -G '%s/queue/*.msg'", receiver.folder);
    bool is = shell(line) == 0;
    free(line);
    return is;
}

static int status_as(int user, int group) {
    char *line = text_of("OXIDICOM_RUN_DIR=%s/run setpriv --reuid=%d --regid=%d --clear-groups "
                         "%s/oxidicom status --stages --timeout 2m",
                         receiver.folder, user, group, binaries());
    int status = shell(line);
    free(line);
    return status;
}

Test(users, of_their_own_for_each_stage_share_a_ring_by_the_group_of_its_folder) {
    if (geteuid() != 0)
        cr_skip("other users can be had only by root");
    char *listener = text_of("%s/oxidicom-listener", binaries());
    if (process_run(receiver.log, NULL,
                    (const char *const[]){"setpriv", "--reuid=64101", "--regid=64100", "--clear-groups", "test",
                                          "-x", listener, NULL},
                    PATIENCE_MS) != 0)
        cr_skip("other users may not run %s", listener);
    make_folders();
    start(0, "listener");
    start(1, "writer");
    start(2, "notifier");
    cr_expect(store_one());
    cr_expect_eq(receiver_files(&receiver), 1);
    char *stranger = text_of("%s/run/notifier.sock", receiver.folder);
    struct stat s;
    cr_assert_eq(stat(stranger, &s), 0);
    cr_expect_eq(s.st_mode & 07777, 0660);
    cr_expect_eq(s.st_gid, GROUP);
    cr_expect_eq(status_as(FIRST_USER, GROUP), 0);
    cr_expect_eq(status_as(FIRST_USER + 3, GROUP + 10), EX_UNAVAILABLE);
    cr_assert(await(is_registered, NULL, PATIENCE_MS));
    char *line =
        text_of("cd %s/.oxidicom; [ -z \"$(ls series)\" ]; test -e replicas/locks; ! grep -E 'no locks|can.t "
                "remove' %s",
                receiver.root, receiver.log);
    cr_expect_eq(shell(line), 0, "the notifier removes no link, or has no locks");
    free(line);
    free(stranger);
    free(listener);
}
