/* Where the sockets are, with and without OXIDICOM_RUN_DIR. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/settings.h"
#include "tests/launcher/launcher.h"

#define NOBODY 65534

static bool exists(const char *folder, const char *name, mode_t *mode) {
    struct stat s = {0};
    char *path = text_of("%s/%s", folder, name);
    bool there = stat(path, &s) == 0;
    free(path);
    if (mode)
        *mode = s.st_mode & 07777;
    return there;
}

/* --- named ----------------------------------------------------------------------------------------------- */

/* A folder with so many bytes in the path of the listener's socket; free it. */
static char *run_dir_for(const receiver_t *receiver, size_t socket_path_bytes) {
    static const char rest[] = "/listener.sock";
    char *path = text_of("%s/%0*d", receiver->folder,
                         (int)(socket_path_bytes - strlen(receiver->folder) - 1 - strlen(rest)), 0);
    cr_assert_eq(strlen(path) + strlen(rest), socket_path_bytes);
    return path;
}

Test(run_folder, may_be_as_long_as_a_socket_allows) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *path = run_dir_for(&receiver, SOCKET_PATH_MAX_BYTES);
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_RUN_DIR", path, NULL});
    cr_assert(exists(path, "listener.sock", NULL));
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(exists(path, ".", NULL), "one that was named is not removed");
    receiver_clear(&receiver);
    free(path);
}

Test(run_folder, is_refused_with_78_and_a_reason_where_it_is_one_byte_longer) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *path = run_dir_for(&receiver, SOCKET_PATH_MAX_BYTES + 1);
    /* By whichever stage comes first: it ends the others. The names of all are equally long. */
    char *reason = text_of("OXIDICOM_RUN_DIR is \"%s\": the socket path %s/", path, path);
    const char *const environment[] = {"OXIDICOM_RUN_DIR", path, NULL};
    cr_assert_eq(run_with(&receiver, environment, (const char *const[]){NULL}), EXIT_SETTINGS);
    expect_logged(&receiver, reason);
    expect_logged(&receiver, ".sock has 108 bytes; allowed are 107\n");
    cr_assert_eq(receiver_times_logged(&receiver, "is started again"), 0);
    receiver_clear(&receiver);
    free(path);
    free(reason);
}

/* A later stage would find no other in it. */
Test(run_folder, that_is_moved_or_cleared_ends_its_stages_for_others, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *path = text_of("%s/run", receiver.folder), *away = text_of("%s/away", receiver.folder),
         *socket = text_of("%s/listener.sock", path);
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_RUN_DIR", path, NULL});
    cr_assert_eq(rename(path, away), 0);
    expect_logged_times(&receiver, "was moved or removed: ends for another ", 3);
    expect_logged_times(&receiver, " is ready, process ", 6);
    cr_assert_eq(unlink(socket), 0);
    expect_logged_times(&receiver, " is ready, process ", 7);
    cr_expect_eq(receiver_times_logged(&receiver, "was moved or removed: ends for another "), 4);
    scu_t scu;
    bytes_t set = begin_object(&scu, &receiver, "1.2.3");
    finish_object(&scu, &set);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    free(path);
    free(away);
    free(socket);
}

/* --- by default ------------------------------------------------------------------------------------------ */

static void give_to_nobody(const char *path) {
    cr_assert_eq(chown(path, NOBODY, NOBODY), 0);
}

/* Everything that a user without rights needs: the executables, and a folder to write into. */
static void prepare_unprivileged(receiver_t *receiver) {
    if (geteuid() != 0)
        cr_skip_test("only root can run it as another user");
    receiver_prepare(receiver);
    char *temporary = text_of("%s/tmp", receiver->folder);
    cr_assert_eq(
        process_run(NULL, NULL, (const char *const[]){"cp", "-R", binaries(), receiver->folder, NULL}, PATIENCE_MS),
        0);
    cr_assert_eq(mkdir(temporary, 0755), 0);
    give_to_nobody(receiver->folder);
    give_to_nobody(receiver->root);
    give_to_nobody(temporary);
    free(temporary);
}

/* `command` is the shell's, which gets the launcher's as its arguments. */
static void launch_as_nobody(receiver_t *receiver, const char *temporary, const char *runtime,
                             const char *command) {
    char *launcher = text_of("%s/bin/oxidicom", receiver->folder);
    /* A sanitizer's usual report and suppressions lie where nobody can't go; then it reports to the log. */
    const char *const environment[] = {"OXIDICOM_RUN_DIR",
                                       UNSET,
                                       "TMPDIR",
                                       temporary,
                                       "XDG_RUNTIME_DIR",
                                       runtime,
                                       "ASAN_OPTIONS",
                                       UNSET,
                                       "LSAN_OPTIONS",
                                       UNSET,
                                       "UBSAN_OPTIONS",
                                       UNSET,
                                       NULL};
    receiver_launch_as(receiver, environment,
                       (const char *const[]){"sh", "-c", command, "sh", "setpriv", "--reuid=65534", "--regid=65534",
                                             "--clear-groups", "--pdeathsig=KILL", launcher, NULL});
    free(launcher);
}

static void launch_unprivileged(receiver_t *receiver, const char *temporary, const char *runtime) {
    launch_as_nobody(receiver, temporary, runtime, "exec \"$@\"");
}

/* Neither a temporary folder nor memory can be written. In a chroot the root is no mount, so that unshare can't
 * make all mounts private; the important one is enough. */
static void launch_without_memory(receiver_t *receiver) {
    launch_as_nobody(receiver, "/nonexistent", UNSET,
                     "exec unshare --mount --propagation unchanged sh -c 'mount --make-private /dev/shm && "
                     "mount -t tmpfs -o ro tmpfs /dev/shm && exec \"$@\"' sh \"$@\"");
}

/* The folder oxidicom-XXXXXX in there; free it. NULL: none. */
static char *private_folder(const char *temporary) {
    char *found = NULL;
    DIR *folder = opendir(temporary);
    cr_assert_not_null(folder, "%s", temporary);
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (strncmp(entry->d_name, "oxidicom-", strlen("oxidicom-")) == 0) {
            cr_assert_null(found, "two private folders");
            found = text_of("%s/%s", temporary, entry->d_name);
        }
    closedir(folder);
    return found;
}

Test(run_folder, of_a_user_without_rights_is_a_private_one_and_is_removed_at_the_end, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    char *temporary = text_of("%s/tmp", receiver.folder);
    launch_unprivileged(&receiver, temporary, UNSET);
    expect_logged(&receiver, "all stages are ready");
    char *folder = private_folder(temporary);
    cr_assert_not_null(folder);
    mode_t mode;
    cr_assert(exists(folder, ".", &mode) && mode == 0700, "mode %o", mode);
    static const char *const sockets[] = {"listener.sock", "writer-0.sock", "notifier.sock"};
    for (size_t i = 0; i < 3; i++)
        cr_assert(exists(folder, sockets[i], NULL), "%s", sockets[i]);
    kill(receiver.launcher, SIGTTIN);
    expect_logged(&receiver, "listener: writer-1 is there");
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_null(private_folder(temporary), "it is still there");
    cr_assert_eq(receiver_times_logged(&receiver, "Sanitizer:"), 0);
    receiver_clear(&receiver);
    free(temporary);
    free(folder);
}

Test(run_folder, of_a_user_with_a_runtime_folder_is_in_there, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    char *temporary = text_of("%s/tmp", receiver.folder), *folder = text_of("%s/oxidicom", receiver.root);
    launch_unprivileged(&receiver, temporary, receiver.root);
    expect_logged(&receiver, "all stages are ready");
    cr_assert(exists(folder, "listener.sock", NULL));
    cr_assert_null(private_folder(temporary));
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(exists(folder, ".", NULL), "others may use it, too");
    cr_assert_eq(receiver_times_logged(&receiver, "Sanitizer:"), 0);
    receiver_clear(&receiver);
    free(temporary);
    free(folder);
}

Test(run_folder, is_in_memory_where_the_temporary_folder_cannot_be_written, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    launch_unprivileged(&receiver, "/nonexistent", UNSET);
    expect_logged(&receiver, "all stages are ready");
    cr_assert(exists("/dev/shm/oxidicom-65534", "listener.sock", NULL));
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_not(exists("/dev/shm/oxidicom-65534", ".", NULL), "it is still there");
    receiver_clear(&receiver);
}

Test(run_folder, that_cannot_be_made_ends_the_launcher_with_a_reason) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    cr_assert_eq(chown(receiver.root, 0, 0), 0);
    launch_without_memory(&receiver);
    cr_assert_eq(ended(&receiver, PATIENCE_MS), EX_OSERR);
    expect_logged(&receiver, "can't make a run folder /nonexistent/oxidicom-65534: No such file or directory");
    expect_logged(&receiver, "can't make a run folder /dev/shm/oxidicom-65534: Read-only file system");
    expect_logged(&receiver, "/root/.oxidicom/run/");
    cr_assert_eq(receiver_times_logged(&receiver, "is started"), 0);
    receiver_clear(&receiver);
}

/* --- the private one and others ---------------------------------------------------------------------------- */

/* Has a private folder of nobody's in `temporary` already; free its path. */
static char *prepare_private(const char *temporary, mode_t mode, uid_t owner) {
    char *path = text_of("%s/oxidicom-%d", temporary, NOBODY);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(chown(path, owner, owner), 0);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

typedef struct asked {
    const receiver_t *receiver;
    const char *temporary;
    char *said; /* owned */
} asked_t;

/* As an operator would in the container: as the same user, without any setting. */
static bool status_is_well(void *argument) {
    asked_t *asked = argument;
    char *program = text_of("%s/bin/oxidicom", asked->receiver->folder),
         *log = text_of("%s/said", asked->receiver->folder);
    static const char *const names[] = {"OXIDICOM_RUN_DIR",   "OXIDICOM_FILES_ROOT", "OXIDICOM_AMQP_ADDRESS",
                                        "OXIDICOM_STATE_DIR", "XDG_RUNTIME_DIR",     "ASAN_OPTIONS",
                                        "UBSAN_OPTIONS",      "LSAN_OPTIONS"};
    const char *environment[32] = {"TMPDIR", asked->temporary};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        environment[2 + 2 * i] = names[i];
        environment[3 + 2 * i] = UNSET;
    }
    unlink(log);
    int status = process_run(log, environment,
                             (const char *const[]){"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                                   program, "status", NULL},
                             PATIENCE_MS);
    size_t size;
    free(asked->said);
    asked->said = file_content(log, &size);
    free(program);
    free(log);
    return status == 0;
}

static void expect_found(const receiver_t *receiver, const char *temporary) {
    asked_t asked = {receiver, temporary, NULL};
    cr_assert(await(status_is_well, &asked, PATIENCE_MS), "%s", asked.said);
    cr_expect_not_null(strstr(asked.said, temporary), "%s", asked.said);
    free(asked.said);
}

Test(run_folder, of_a_user_without_rights_is_found_by_status_without_any_setting, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    char *temporary = text_of("%s/tmp", receiver.folder);
    launch_unprivileged(&receiver, temporary, UNSET);
    expect_logged(&receiver, "all stages are ready");
    expect_found(&receiver, temporary);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_null(private_folder(temporary), "it is still there");
    receiver_clear(&receiver);
    free(temporary);
}

Test(run_folder, that_a_killed_launcher_left_is_taken_over, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    char *temporary = text_of("%s/tmp", receiver.folder), *left = prepare_private(temporary, 0700, NOBODY);
    launch_unprivileged(&receiver, temporary, UNSET);
    expect_logged(&receiver, "all stages are ready");
    cr_assert(exists(left, "listener.sock", NULL));
    expect_found(&receiver, temporary);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    free(temporary);
    free(left);
}

Test(run_folder, that_another_launcher_of_the_user_holds_is_left_to_it, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    char *temporary = text_of("%s/tmp", receiver.folder), *held = prepare_private(temporary, 0700, NOBODY),
         *lock = text_of("%s/launcher.lock", held);
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && fchown(fd, NOBODY, NOBODY) == 0 && flock(fd, LOCK_EX) == 0);
    launch_unprivileged(&receiver, temporary, UNSET);
    expect_logged(&receiver, "all stages are ready");
    expect_logged(&receiver, "is another's: the run folder is ");
    cr_assert_not(exists(held, "listener.sock", NULL));
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(exists(held, "launcher.lock", NULL), "the other one's");
    close(fd);
    receiver_clear(&receiver);
    free(temporary);
    free(held);
    free(lock);
}

Test(run_folder, that_somebody_else_has_put_there_or_may_look_into_is_not_used, .timeout = PATIENCE_S) {
    static const struct {
        mode_t mode;
        uid_t owner;
    } cases[] = {{0777, 0}, {0755, NOBODY}};
    for (size_t i = 0; i < 2; i++) {
        receiver_t receiver;
        prepare_unprivileged(&receiver);
        char *temporary = text_of("%s/tmp", receiver.folder),
             *trap = prepare_private(temporary, cases[i].mode, cases[i].owner);
        launch_unprivileged(&receiver, temporary, UNSET);
        expect_logged(&receiver, "all stages are ready");
        cr_expect_not(exists(trap, "listener.sock", NULL));
        cr_assert_eq(receiver_stop(&receiver), 0);
        receiver_clear(&receiver);
        free(temporary);
        free(trap);
    }
}

Test(run_folder, of_another_user_can_be_asked_by_root, .timeout = PATIENCE_S) {
    receiver_t receiver;
    prepare_unprivileged(&receiver);
    char *temporary = text_of("%s/tmp", receiver.folder), *folder = text_of("%s/oxidicom-%d", temporary, NOBODY),
         *program = text_of("%s/bin/oxidicom", receiver.folder);
    launch_unprivileged(&receiver, temporary, UNSET);
    expect_logged(&receiver, "all stages are ready");
    cr_expect_eq(process_run(NULL, (const char *const[]){"OXIDICOM_RUN_DIR", folder, NULL},
                             (const char *const[]){program, "series", "--timeout", "2m", NULL}, PATIENCE_MS),
                 0);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    free(temporary);
    free(folder);
    free(program);
}
