/* The running stages: a preloaded library tries the forbidden things in each. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/series_links.h"
#include "notifier/replicas/series_locks.h"
#include "tests/support/dataset.h"
#include "tests/support/receiver.h"
#include "tests/support/scu.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.8.1"

static receiver_t receiver;
static char *stored; /* a file in storage */

static bool landlock_there(void) {
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* its version */) >= 2;
}

static void init(void) {
    receiver_prepare(&receiver);
    char *services = text_of("%s/SERVICES", receiver.root);
    stored = text_of("%s/stored.dcm", services);
    cr_assert_eq(mkdir(services, 0755), 0);
    int fd = open(stored, O_WRONLY | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, "image", 5) == 5);
    close(fd);
    free(services);
}

static void fini(void) {
    receiver_clear(&receiver);
    free(stored);
}
TestSuite(stages, .init = init, .fini = fini, .timeout = PATIENCE_S);

/* --- probes --------------------------------------------------------------------------------------------- */

typedef struct probe {
    const char *what;
    const char *argument; /* begins with {stored}, {folder} (the receiver's) or neither */
    int wanted;           /* 0 or an errno value */
    bool by_landlock;
} probe_t;

static char *argument_of(const probe_t *probe) {
    const char *place = strstr(probe->argument, "{");
    if (!place)
        return text_of("%s", probe->argument);
    const char *base = strncmp(place, "{stored}", 8) == 0 ? stored : receiver.folder;
    return text_of("%s%s", base, strchr(place, '}') + 1);
}

static char *probes_as_text(const probe_t *probes, size_t count) {
    char *text = text_of("%s", "");
    for (size_t i = 0; i < count; i++) {
        char *argument = argument_of(&probes[i]);
        char *longer = text_of("%s%s%s %s", text, i ? ";" : "", probes[i].what, argument);
        free(text);
        free(argument);
        text = longer;
    }
    return text;
}

static bool is_answered(const probe_t *probe) {
    char *argument = argument_of(probe);
    char *line = text_of("probe: %s %s: %d\n", probe->what, argument, probe->wanted);
    bool logged = receiver_logged(&receiver, line, 0);
    free(line);
    free(argument);
    return logged;
}

static void check(const probe_t *probe) {
    if (probe->by_landlock && !landlock_there())
        return;
    cr_expect(is_answered(probe), "%s %s is not answered with %d (%s)", probe->what, probe->argument, probe->wanted,
              strerror(probe->wanted));
}

/* `collector`: an endpoint of OpenTelemetry's, or "". */
static void start_with(const char *probes, const char *collector) {
    char *preload = text_of("%s/../probe.so", binaries());
    receiver_start(&receiver,
                   (const char *const[]){"LD_PRELOAD", preload, "OXIDICOM_TEST_PROBE", probes, "OXIDICOM_SANDBOX",
                                         "auto", "OTEL_EXPORTER_OTLP_ENDPOINT", collector, NULL});
    free(preload);
}

/* A thread of the process by its name; without one the loop's. */
static pid_t thread_of(pid_t pid, const char *name) {
    char *line = text_of("grep -lx '%s' /proc/%d/task/*/comm", name ? name : "", (int)pid);
    FILE *found = name ? popen(line, "r") : NULL;
    int thread = pid;
    cr_assert(!name || (found && fscanf(found, "/proc/%*d/task/%d/", &thread) == 1), "no thread %s", name);
    if (found)
        pclose(found);
    free(line);
    return thread;
}

typedef struct probed {
    pid_t pid, thread;
    const probe_t *probes;
    size_t count;
    int times;
} probed_t;

/* Has it try all. Whether Landlock has refused its part: a thread restricts itself when it begins, and until then
 * each try is allowed. */
static bool is_restricted(void *argument) {
    probed_t *probed = argument;
    char *end = text_of("probe: end %d", (int)probed->pid);
    cr_assert_eq(syscall(SYS_tgkill, probed->pid, probed->thread, SIGUSR2), 0);
    cr_assert(receiver_logged_times(&receiver, end, ++probed->times, PATIENCE_MS));
    free(end);
    for (size_t i = 0; i < probed->count; i++)
        if (landlock_there() && probed->probes[i].by_landlock && !is_answered(&probed->probes[i]))
            return false;
    return true;
}

/* The probes' results in the running stage. */
static void probe_stage(const char *stage, const char *thread, const char *collector, const probe_t *probes,
                        size_t count) {
#ifdef SANITIZED
    cr_skip("nothing can be preloaded before AddressSanitizer");
#endif
    char *text = probes_as_text(probes, count);
    start_with(text, collector);
    pid_t pid = receiver_stage(&receiver, stage, 0);
    cr_assert_gt(pid, 0);
    probed_t probed = {pid, thread_of(pid, thread), probes, count, 0};
    (void)await(is_restricted, &probed, thread ? PATIENCE_MS : 0);
    for (size_t i = 0; i < count; i++)
        check(&probes[i]);
    cr_assert_eq(receiver_stop(&receiver), 0, "the stages do not end well");
    free(text);
    if (!landlock_there())
        cr_skip("this kernel has no Landlock: only system calls were tried");
}

#define PROBE_STAGE(stage, probes) PROBE_THREAD(stage, NULL, probes)
#define PROBE_THREAD(stage, thread, probes)                                                                        \
    probe_stage(stage, thread, "", probes, sizeof(probes) / sizeof *(probes))
#define PROBE_TRACED(stage, probes)                                                                                \
    probe_stage(stage, NULL, "http://127.0.0.1:9", probes, sizeof(probes) / sizeof *(probes))

Test(stages, the_listener_can_neither_read_list_nor_write_storage_nor_connect_nor_execute) {
    static const probe_t probes[] = {
        {"read", "{stored}", EACCES, true},      {"write", "{stored}", EACCES, true},
        {"list", "{folder}/root", EACCES, true}, {"create", "{folder}/root/new", EACCES, true},
        {"remove", "{stored}", EACCES, true},    {"read", "{folder}/state/journal.sqlite3", EACCES, true},
        {"truncate", "{stored}", EPERM, false},  {"socket", "2", EPERM, false},
        {"socket", "10", EPERM, false},          {"socket", "1", 0, false},
        {"execute", "/bin/true", EPERM, false},
    };
    PROBE_STAGE("listener", probes);
}

Test(stages, a_writer_has_no_network_and_writes_only_below_the_files_root) {
    static const probe_t probes[] = {
        {"socket", "2", EPERM, false},
        {"socket", "10", EPERM, false},
        {"socket", "16", EPERM, false},
        {"socket", "17", EPERM, false},
        {"socket", "1", 0, false},
        {"create", "{folder}/root/new", 0, false},
        {"remove", "{folder}/root/new", 0, false},
        {"create", "{folder}/new", EACCES, true},
        {"read", "{folder}/state/journal.sqlite3", EACCES, true},
        {"write", "{folder}/log", EACCES, true},
        {"mode", "{stored}", EPERM, false},
        {"execute", "/bin/true", EPERM, false},
    };
    PROBE_STAGE("writer", probes);
}

/* Nobody listens on port 9: what counts is who may try to connect. */
Test(stages, a_writer_has_no_network_where_associations_are_traced_either) {
    static const probe_t probes[] = {{"socket", "2", EPERM, false},
                                     {"socket", "10", EPERM, false},
                                     {"socket", "16", EPERM, false},
                                     {"socket", "1", 0, false}};
    PROBE_TRACED("writer", probes);
}

Test(stages, the_listener_reaches_a_collector_where_associations_are_traced_and_storage_even_so_not) {
    static const probe_t probes[] = {{"socket", "2", 0, false},          {"socket", "10", 0, false},
                                     {"socket", "16", 0, false},         {"socket", "17", EPERM, false},
                                     {"read", "{stored}", EACCES, true}, {"execute", "/bin/true", EPERM, false}};
    PROBE_TRACED("listener", probes);
}

Test(stages, the_notifier_counts_files_but_neither_reads_nor_changes_storage) {
    static const probe_t probes[] = {
        {"list", "{folder}/root/SERVICES", 0, false},
        {"read", "{stored}", EACCES, true},
        {"write", "{stored}", EACCES, true},
        {"create", "{folder}/root/SERVICES/new", EACCES, true},
        {"remove", "{stored}", EACCES, true},
        {"truncate", "{stored}", EPERM, false},
        {"mode", "{stored}", EPERM, false},
        {"create", "{folder}/state/new", 0, false},
        {"create", "{folder}/queue/new", 0, false},
        {"create", "{folder}/root/.oxidicom/state/new", EACCES, true},
        {"socket", "2", 0, false},
        {"socket", "17", EPERM, false},
        {"read", "/etc/resolv.conf", 0, false},
        {"execute", "/bin/true", EPERM, false},
    };
    PROBE_STAGE("notifier", probes);
}

Test(stages, the_notifiers_thread_for_storage_changes_journals_of_others_and_links_alone) {
    static const probe_t probes[] = {
        {"list", "{folder}/root/SERVICES", 0, false},
        {"read", "{stored}", EACCES, true},
        {"write", "{stored}", EACCES, true},
        {"create", "{folder}/root/.oxidicom/state/new", 0, false},
        {"create", "{folder}/root/.oxidicom/series/new", 0, false},
        {"write", "{folder}/root/.oxidicom/replicas/locks", EACCES, true},
        {"write", "{folder}/state/journal.sqlite3", EACCES, true},
    };
    PROBE_THREAD("notifier", "storage", probes);
}

Test(stages, the_notifiers_thread_for_locks_reaches_those_alone) {
    static const probe_t probes[] = {
        {"list", "{folder}/root/SERVICES", EACCES, true},
        {"read", "{stored}", EACCES, true},
        {"create", "{folder}/root/.oxidicom/replicas/new", 0, false},
        {"list", "{folder}/root/.oxidicom/series", EACCES, true},
        {"write", "{folder}/state/journal.sqlite3", EACCES, true},
    };
    PROBE_THREAD("notifier", "locks", probes);
}

/* --- as a whole ----------------------------------------------------------------------------------------- */

/* Threads of the process without the line in their status. */
static int threads_without(pid_t pid, const char *line) {
    char *tasks = text_of("/proc/%d/task", (int)pid);
    DIR *listing = opendir(tasks);
    int count = 0;
    cr_assert_not_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));) {
        char *status = text_of("%s/%s/status", tasks, entry->d_name);
        size_t size;
        char *content = entry->d_name[0] == '.' ? NULL : file_content(status, &size);
        count += content && !strstr(content, line);
        free(content);
        free(status);
    }
    closedir(listing);
    free(tasks);
    return count;
}

Test(stages, have_the_filter_in_every_thread_and_say_so_once) {
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_SANDBOX", landlock_there() ? "true" : "auto",
                                                    "OXIDICOM_NATS_ADDRESS", "127.0.0.1:1", NULL});
    static const char *const stages[] = {"listener", "writer", "notifier"};
    for (size_t i = 0; i < 3; i++) {
        pid_t pid = receiver_stage(&receiver, stages[i], 0);
        cr_expect_eq(threads_without(pid, "Seccomp:\t2"), 0, "%s", stages[i]);
        cr_expect_eq(threads_without(pid, "NoNewPrivs:\t1"), 0, "%s", stages[i]);
    }
    size_t size;
    int lines = 0;
    char *log = file_content(receiver.log, &size);
    for (const char *at = log; (at = strstr(at, "sandbox")); at++)
        lines++;
    cr_expect_eq(lines, 3, "one line of each stage:\n%s", log);
    free(log);
}

static bool store_one(int number) {
    scu_t scu = {0};
    char *uid = text_of("%s.%d", SERIES, number);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, uid, number, 1000);
    cr_assert(scu_associate_mr(&scu, receiver.port, "SANDBOX", EXPLICIT_LE));
    bool stored_it = scu_store(&scu, 1, MR_STORAGE, uid, &set) == 0;
    scu_release(&scu);
    bytes_free(&set);
    free(uid);
    return stored_it;
}

/* The object that finds the new root may be answered A700. */
static bool stores(void *number) {
    return store_one(*(int *)number);
}

static bool keeps_no_link(void) {
    char *folder = text_of("%s/" SERIES_LINKS, receiver.root);
    bool empty = rmdir(folder) == 0;
    free(folder);
    return empty;
}

Test(stages, follow_a_files_root_that_is_replaced) {
    if (!landlock_there())
        cr_skip("this kernel has no Landlock");
    int number = 2;
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_SANDBOX", "true", NULL});
    cr_assert(store_one(1));
    cr_expect(receiver_logged(&receiver, " is registered: 1 file,", PATIENCE_MS));
    char *old = text_of("%s.old", receiver.root);
    cr_assert_eq(rename(receiver.root, old), 0);
    cr_assert_eq(mkdir(receiver.root, 0755), 0);
    cr_assert(await(stores, &number, PATIENCE_MS), "nothing is stored in the new one");
    cr_expect(receiver_logged(&receiver, "OXIDICOM_FILES_ROOT, or a folder in its .oxidicom/, was replaced", 0));
    /* The notifier meets it when it removes the link of the series. */
    cr_expect(receiver_logged(&receiver, "ends for another notifier", PATIENCE_MS));
    cr_expect(receiver_logged_times(&receiver, " is registered: 1 file,", 2, PATIENCE_MS));
    cr_expect(keeps_no_link(), "the link of a series that is not received any more");
    free(old);
}

static bool locks_are_back(void *number) {
    char *locks = text_of("%s/" REPLICAS_FOLDER "/locks", receiver.root);
    bool there = store_one(++*(int *)number) && access(locks, F_OK) == 0;
    free(locks);
    return there;
}

Test(stages, have_locks_again_whose_folder_was_removed) {
    if (!landlock_there())
        cr_skip("this kernel has no Landlock");
    int number = 1;
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_SANDBOX", "true", NULL});
    cr_assert(store_one(number));
    char *folder = text_of("%s/" REPLICAS_FOLDER, receiver.root);
    remove_folder(folder);
    /* The notifier meets it when it takes a lock. */
    cr_expect(await(locks_are_back, &number, PATIENCE_MS));
    cr_expect(receiver_logged(&receiver, "ends for another notifier", 0));
    free(folder);
}

Test(stages, run_without_it_when_told_so) {
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_SANDBOX", "false", NULL});
    cr_expect(receiver_logged(&receiver, "no sandbox: OXIDICOM_SANDBOX is false", 0));
    cr_expect_gt(threads_without(receiver_stage(&receiver, "writer", 0), "Seccomp:\t2"), 0);
    cr_expect(store_one(1));
}

/* --- a kernel without a call, or a supervisor that refuses it, played by a filter -------------------------- */

static void take_away(int call, int reason) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    cr_assert_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)reason), call, 0), 0);
    cr_assert_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
}

/* Unless it is built with AddressSanitizer, which switches `auto` off. */
static void expect_said(const char *text) {
#ifndef SANITIZED
    size_t size;
    cr_expect(receiver_logged(&receiver, text, 0), "\"%s\" is not said: %s", text,
              file_content(receiver.log, &size));
#else
    (void)text;
#endif
}

Test(stages, do_what_they_can_on_a_kernel_that_has_no_landlock) {
    take_away(SCMP_SYS(landlock_create_ruleset), ENOSYS);
    receiver_start(&receiver, NULL);
    expect_said("the sandbox is incomplete: Landlock for files: this kernel has none, or too old a one, or a "
                "seccomp filter "
                "of the supervisor or container hides it; seccomp for system calls: in force");
    cr_expect(store_one(1));
}

Test(stages, blame_a_filter_of_the_supervisor_and_not_the_kernel_for_what_only_a_filter_refuses) {
    take_away(SCMP_SYS(landlock_create_ruleset), EPERM);
    take_away(SCMP_SYS(seccomp), EPERM);
    receiver_start(&receiver, NULL);
    expect_said("the sandbox is incomplete: Landlock for files: a seccomp filter of the supervisor or container "
                "refuses it; "
                "seccomp for system calls: a seccomp filter of the supervisor or container refuses it");
    cr_expect(store_one(1));
}

/* Opening works, and the series is counted, with calls older than openat2(2). */
static void store_without_openat2(int reason, const char *why) {
    take_away(SCMP_SYS(openat2), reason);
    receiver_start(&receiver, NULL);
    cr_expect(store_one(1));
    char *said =
        text_of("openat2(2), of Linux 5.6, can't be used: %s; paths are opened one folder after the other", why);
    cr_expect(receiver_logged(&receiver, said, 0), "%s", said);
    free(said);
}

Test(stages, store_without_openat2_and_say_who_may_hide_it) {
    store_without_openat2(ENOSYS,
                          "this kernel has none, or too old a one, or a seccomp filter of the supervisor or "
                          "container hides it");
}

Test(stages, store_without_openat2_and_say_that_a_filter_refuses_it) {
    store_without_openat2(EPERM, "a seccomp filter of the supervisor or container refuses it");
}

Test(stages, do_not_start_without_landlock_when_it_is_demanded) {
    take_away(SCMP_SYS(landlock_create_ruleset), ENOSYS);
    char *writer = text_of("%s/oxidicom-writer", binaries()), *run = text_of("%s/run", receiver.folder);
    int status = process_run(receiver.log,
                             (const char *const[]){"OXIDICOM_SANDBOX", "true", "OXIDICOM_FILES_ROOT", receiver.root,
                                                   "OXIDICOM_RUN_DIR", run, NULL},
                             (const char *const[]){writer, NULL}, PATIENCE_MS);
    cr_expect_eq(status, 69);
    cr_expect(receiver_logged(&receiver, "OXIDICOM_SANDBOX is true, but files can't be restricted", 0));
    free(writer);
    free(run);
}
