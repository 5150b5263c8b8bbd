/* The sandbox by itself, in a child process of each test, since it can't be left again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/folders.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "tests/support/process.h"

static char *folder;

static char *path(const char *name) {
    return text_of("%s/%s", folder, name);
}

static void put(const char *name) {
    char *file = path(name);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    free(file);
}

static void make(const char *name) {
    char *made = path(name);
    cr_assert_eq(mkdir(made, 0700), 0);
    free(made);
}

static void init(void) {
    log_start("test", "off", NULL);
    folder = temporary_folder("sandbox");
    make("inside");
    make("outside");
    put("inside/file");
    put("outside/file");
}

static void fini(void) {
    remove_folder(folder);
    free(folder);
}
TestSuite(sandbox, .init = init, .fini = fini, .timeout = PATIENCE_S);

/* --- a child that is restricted ------------------------------------------------------------------------- */

/* The child's results: values of errno, 0 for an allowed call. */
static int *found;

static int reason_of(int result) {
    int reason = result < 0 ? errno : 0;
    if (result > 2)
        close(result);
    return reason;
}

static int opened(const char *name, int flags) {
    char *file = path(name);
    int reason = reason_of(open(file, flags, 0600));
    free(file);
    return reason;
}

/* Runs `tries` in a child of its own; skips the test where the kernel has no Landlock. */
static void in_child(void (*tries)(sandbox_t *sandbox)) {
    found = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(found, MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        sandbox_t sandbox = {0};
        tries(&sandbox);
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        cr_skip("this kernel has no Landlock of ABI 2 or later");
    cr_assert_eq(WEXITSTATUS(status), 0);
}

static void allow(sandbox_t *sandbox, const char *name, sandbox_access_t access) {
    char *allowed = path(name);
    sandbox_allow(sandbox, allowed, access);
    free(allowed);
}

static void restrict_files(sandbox_t *sandbox) {
    int status = sandbox_restrict_files(sandbox);
    if (status != 0)
        _exit(status == ENOSYS || status == EOPNOTSUPP || status == EPERM ? 77 : 1);
}

static void restrict_calls(sandbox_t *sandbox) {
    if (sandbox_restrict_calls(sandbox) != 0)
        _exit(2);
}

/* --- files ---------------------------------------------------------------------------------------------- */

static int moved(const char *from, const char *to) {
    char *a = path(from), *b = path(to);
    int reason = reason_of(rename(a, b));
    free(a);
    free(b);
    return reason;
}

static void try_writing(sandbox_t *sandbox) {
    allow(sandbox, "inside", SANDBOX_WRITE);
    restrict_files(sandbox);
    found[0] = opened("inside/file", O_RDWR | O_TRUNC);
    found[1] = opened("inside/new", O_WRONLY | O_CREAT);
    found[2] = opened("outside/file", O_RDONLY);
    found[3] = opened("outside/file", O_WRONLY);
    found[4] = opened("outside", O_RDONLY | O_DIRECTORY);
    found[5] = opened("outside/new", O_WRONLY | O_CREAT);
    found[6] = moved("inside/file", "outside/moved");
    char *directory = path("inside/directory");
    found[7] = reason_of(mkdir(directory, 0700));
    found[8] = moved("inside/file", "inside/directory/file");
    char *victim = path("outside/file");
    found[9] = reason_of(unlink(victim));
}

Test(sandbox, lets_files_be_written_and_moved_below_what_is_allowed_and_nothing_be_done_elsewhere) {
    in_child(try_writing);
    const int wanted[] = {0, 0, EACCES, EACCES, EACCES, EACCES, EACCES, 0, 0, EACCES};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect(found[i] == wanted[i] || (i == 6 && found[i] == EXDEV), "try %zu: %s", i, strerror(found[i]));
}

static int linked(const char *name) {
    char *link = path(name);
    int reason = reason_of(symlink("target", link));
    free(link);
    return reason;
}

static void try_linking(sandbox_t *sandbox) {
    char *directory = path("inside/directory");
    if (mkdir(directory, 0700) != 0)
        _exit(3);
    allow(sandbox, "inside", SANDBOX_WRITE);
    allow(sandbox, "inside/directory", SANDBOX_LINK);
    restrict_files(sandbox);
    found[0] = linked("inside/directory/link");
    found[1] = linked("inside/link");
    found[2] = moved("inside/directory/link", "inside/link");
    found[3] = moved("inside/directory/link", "inside/directory/other");
    found[4] = opened("inside/directory/new", O_WRONLY | O_CREAT);
    found[5] = moved("inside/directory/new", "inside/new");
    free(directory);
}

Test(sandbox, lets_symbolic_links_be_made_where_they_are_allowed_alone) {
    in_child(try_linking);
    const int wanted[] = {0, EACCES, EACCES, 0, 0, 0};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect_eq(found[i], wanted[i], "try %zu: %s", i, strerror(found[i]));
}

static void try_reading(sandbox_t *sandbox) {
    allow(sandbox, "inside", SANDBOX_READ);
    allow(sandbox, "outside", SANDBOX_LIST);
    restrict_files(sandbox);
    found[0] = opened("inside/file", O_RDONLY);
    found[1] = opened("inside/file", O_WRONLY);
    found[2] = opened("outside", O_RDONLY | O_DIRECTORY);
    found[3] = opened("outside/file", O_RDONLY);
}

Test(sandbox, keeps_what_may_be_read_from_being_written_and_what_may_be_listed_from_being_read) {
    in_child(try_reading);
    cr_expect_eq(found[0], 0);
    cr_expect_eq(found[1], EACCES);
    cr_expect_eq(found[2], 0);
    cr_expect_eq(found[3], EACCES);
}

static void try_link(sandbox_t *sandbox) {
    char *link = path("inside/link"), *target = path("outside/file"), *fresh = path("outside/fresh");
    if (symlink(target, link) != 0)
        _exit(3);
    sandbox_allow_file(sandbox, link);
    restrict_files(sandbox);
    found[0] = opened("inside/link", O_RDONLY);
    found[1] = opened("outside/fresh", O_RDONLY);
    free(link);
    free(target);
    free(fresh);
}

Test(sandbox, lets_a_file_be_read_that_replaces_one_behind_a_link) {
    put("outside/fresh");
    in_child(try_link);
    cr_expect_eq(found[0], 0);
    cr_expect_eq(found[1], 0, "a certificate that comes later would not be read");
}

static void *open_outside(void *argument) {
    *(int *)argument = opened("outside/file", O_RDONLY);
    return NULL;
}

static void try_thread(sandbox_t *sandbox) {
    pthread_t thread;
    restrict_files(sandbox);
    if (pthread_create(&thread, NULL, open_outside, &found[0]) != 0 || pthread_join(thread, NULL) != 0)
        _exit(3);
}

Test(sandbox, holds_for_threads_that_are_started_later) {
    in_child(try_thread);
    cr_expect_eq(found[0], EACCES);
}

/* --- system calls ------------------------------------------------------------------------------------------ */

static void try_calls(sandbox_t *sandbox) {
    char *const argv[] = {(char *)"/bin/true", NULL};
    restrict_calls(sandbox);
    found[0] = reason_of(socket(AF_INET, SOCK_STREAM, 0));
    found[1] = reason_of(socket(AF_INET6, SOCK_DGRAM, 0));
    found[2] = reason_of(socket(AF_NETLINK, SOCK_RAW, 0));
    found[3] = reason_of(socket(AF_VSOCK, SOCK_STREAM, 0));
    found[4] = reason_of(execv(argv[0], argv));
    found[5] = reason_of(unshare(CLONE_NEWUSER));
    found[6] = reason_of(chroot("/"));
    char *file = path("inside/file");
    found[7] = reason_of(chmod(file, 0777));
    found[8] = reason_of(truncate(file, 0));
    found[9] = reason_of((int)syscall(SCMP_SYS(io_uring_setup), 1, NULL));
    found[10] = reason_of((int)syscall(SCMP_SYS(clone), CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

Test(sandbox, refuses_what_no_stage_calls) {
    in_child(try_calls);
    for (int i = 0; i <= 10; i++)
        cr_expect_eq(found[i], EPERM, "call %d: %s", i, strerror(found[i]));
}

static void try_what_stages_do(sandbox_t *sandbox) {
    pthread_t thread;
    restrict_calls(sandbox);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    found[0] = fd < 0;
    found[1] = listen(fd, 1) == 0 ? 0 : errno;
    found[2] = pthread_create(&thread, NULL, open_outside, &found[3]) || pthread_join(thread, NULL);
    sandbox_t more = {.internet = true};
    found[4] = sandbox_restrict_calls(&more);
}

Test(sandbox, leaves_threads_files_and_the_sockets_of_the_ring_alone_but_new_inboxes) {
    in_child(try_what_stages_do);
    cr_expect_eq(found[0], 0);
    cr_expect_eq(found[1], EPERM);
    cr_expect_eq(found[2], 0);
    cr_expect_eq(found[3], 0);
    cr_expect_eq(found[4], 0);
}

static void try_internet(sandbox_t *sandbox) {
    sandbox->internet = true;
    restrict_calls(sandbox);
    found[0] = reason_of(socket(AF_INET, SOCK_STREAM, 0));
    found[1] = reason_of(socket(AF_INET6, SOCK_STREAM, 0));
    found[2] = reason_of(socket(AF_NETLINK, SOCK_RAW, 0));
    found[3] = reason_of(socket(AF_PACKET, SOCK_RAW, 0));
}

Test(sandbox, lets_a_stage_with_servers_reach_them) {
    in_child(try_internet);
    cr_expect_eq(found[0], 0);
    cr_expect_eq(found[1], 0);
    cr_expect_eq(found[2], 0);
    cr_expect_eq(found[3], EPERM);
}

static pthread_barrier_t barrier;

static void *wait_and_open_socket(void *argument) {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    *(int *)argument = reason_of(socket(AF_INET, SOCK_STREAM, 0));
    return NULL;
}

static void try_earlier_thread(sandbox_t *sandbox) {
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, wait_and_open_socket, &found[0]) != 0)
        _exit(3);
    pthread_barrier_wait(&barrier); /* it runs */
    restrict_calls(sandbox);
    pthread_barrier_wait(&barrier);
    if (pthread_join(thread, NULL) != 0)
        _exit(3);
}

Test(sandbox, refuses_calls_to_threads_that_were_there_before) {
    in_child(try_earlier_thread);
    cr_expect_eq(found[0], EPERM);
}

static void try_making_a_folder(sandbox_t *sandbox) {
    restrict_calls(sandbox);
    char *made = path("inside/made");
    umask(0177);
    found[0] = folders_make(made, 0755) ? 0 : errno;
    found[1] = opened("inside/made/file", O_WRONLY | O_CREAT);
    free(made);
}

/* By a thread that has waited for storage until then. */
Test(sandbox, lets_folders_be_made_for_other_users) {
    in_child(try_making_a_folder);
    struct stat s;
    char *made = path("inside/made");
    cr_expect_eq(found[0], 0, "%s", strerror(found[0]));
    cr_expect_eq(found[1], 0, "%s", strerror(found[1]));
    cr_assert_eq(stat(made, &s), 0);
    cr_expect_eq(s.st_mode & 07777, 0755, "it is %o", s.st_mode);
    free(made);
}

Test(sandbox, is_wanted_unless_it_is_switched_off) {
    cr_expect(sandbox_wanted("true"));
    cr_expect(!sandbox_wanted("false"));
#ifdef SANITIZED
    cr_expect(!sandbox_wanted("auto"));
#else
    cr_expect(sandbox_wanted("auto"));
#endif
}

/* --- capabilities ---------------------------------------------------------------------------------------- */

static int has(cap_value_t value) {
    cap_t held = cap_get_proc();
    cap_flag_value_t effective = CAP_CLEAR;
    cap_get_flag(held, value, CAP_EFFECTIVE, &effective);
    cap_free(held);
    return effective == CAP_SET;
}

static void try_capabilities(sandbox_t *sandbox) {
    if (sandbox_drop_capabilities(sandbox) != 0)
        _exit(3);
    for (cap_value_t value = 0; value <= CAP_LAST_CAP; value++)
        found[value] = has(value);
}

static void try_with_low_port(sandbox_t *sandbox) {
    sandbox_allow_port(sandbox, 104);
    try_capabilities(sandbox);
}

static void expect_only(cap_value_t one, cap_value_t other) {
    for (cap_value_t value = 0; value <= CAP_LAST_CAP; value++)
        cr_expect_eq(found[value], value == one || value == other, "capability %d: %d", (int)value, found[value]);
}

Test(sandbox, leaves_root_no_capability_but_the_way_to_files_of_others) {
    if (!has(CAP_SYS_ADMIN) || !has(CAP_NET_BIND_SERVICE))
        cr_skip("only root has what could be given up");
    in_child(try_capabilities);
    expect_only(CAP_DAC_OVERRIDE, CAP_DAC_OVERRIDE);
    in_child(try_with_low_port);
    expect_only(CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE);
}

/* --- signals --------------------------------------------------------------------------------------------- */

static void try_signals(sandbox_t *sandbox) {
    restrict_files(sandbox);
    found[0] = sandbox->landlock;
    found[1] = reason_of(kill(getppid(), 0));
    found[2] = reason_of(kill(getpid(), 0));
}

Test(sandbox, keeps_from_signals_to_processes_outside) {
    in_child(try_signals);
    cr_expect_eq(found[1], found[0] >= 6 ? EPERM : 0);
    cr_expect_eq(found[2], 0);
}

/* --- abstract sockets ------------------------------------------------------------------------------------ */

static struct sockaddr_un abstract_name;
static socklen_t abstract_size;

static int connected(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int reason = reason_of(connect(fd, (struct sockaddr *)&abstract_name, abstract_size));
    close(fd);
    return reason;
}

static void try_abstract(sandbox_t *sandbox) {
    restrict_files(sandbox);
    found[0] = sandbox->landlock;
    found[1] = connected();
}

Test(sandbox, keeps_from_unix_sockets_without_a_file_unless_the_supervisor_has_one) {
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    abstract_name.sun_family = AF_UNIX;
    abstract_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                                (size_t)snprintf(abstract_name.sun_path + 1, 64, "%s", folder));
    cr_assert_eq(bind(listening, (struct sockaddr *)&abstract_name, abstract_size), 0);
    cr_assert_eq(listen(listening, 5), 0);
    in_child(try_abstract);
    cr_expect_eq(found[1], found[0] >= 6 ? EPERM : 0);
    setenv("NOTIFY_SOCKET", "@supervisor", 1);
    in_child(try_abstract);
    cr_expect_eq(found[1], 0);
    close(listening);
}
