/* The stages as systemd would run them, as far as system calls and storage go: each under the filter and with the
 * writable folders that its unit file describes. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/deploy/filter.h"
#include "tests/deploy/tree.h"
#include "tests/support/patience.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.8.77"

enum { STAGES = 3 };

/* What each of them tries in its own sandbox, and must be refused: the file is in storage. */
static const struct {
    const char *stage, *unit, *probe;
} STAGE[STAGES] = {
    {"notifier", "deploy/systemd/oxidicom-notifier.service", "read %1$s/root/stored"},
    {"writer", "deploy/systemd/oxidicom-writer@.service", "read %1$s/log"},
    {"listener", "deploy/systemd/oxidicom-listener.service", "read %1$s/root/stored"},
};

static receiver_t receiver;
static filter_t *filters[STAGES];
static pid_t pids[STAGES];
static char *probes[STAGES];

static void init(void) {
    receiver_prepare(&receiver);
    receiver_set_defaults(&receiver);
    for (size_t i = 0; i < STAGES; i++) {
        filters[i] = filter_of_unit(STAGE[i].unit, receiver.root);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        probes[i] = text_of(STAGE[i].probe, receiver.folder);
#pragma GCC diagnostic pop
    }
    tree_shell(&receiver, "touch \"$FOLDER/root/stored\"");
}

static void fini(void) {
    for (size_t i = STAGES; i-- > 0;)
        process_stop(pids[i], SIGTERM, PATIENCE_MS);
    for (size_t i = 0; i < STAGES; i++) {
        filter_destroy(&filters[i]);
        free(probes[i]);
    }
    receiver_clear(&receiver);
}
TestSuite(filtered, .init = init, .fini = fini, .timeout = PATIENCE_S);

static bool landlock_there(void) {
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* its version */) >= 2;
}

static char *logged(void) {
    size_t size;
    char *log = file_content(receiver.log, &size);
    return log ? log : text_of("%s", "nothing");
}

/* With all of its sandbox, or it ends. */
static void start_all(void) {
    char *preload = text_of("%s/../probe.so", binaries());
    for (size_t i = 0; i < STAGES; i++) {
        char *program = text_of("%s/oxidicom-%s", binaries(), STAGE[i].stage);
        pids[i] = process_start_entering(receiver.log,
                                         (const char *const[]){"LD_PRELOAD", preload, "OXIDICOM_TEST_PROBE",
                                                               probes[i], "OXIDICOM_SANDBOX",
                                                               landlock_there() ? "true" : "auto", NULL},
                                         (const char *const[]){program, NULL}, filter_enter, filters[i]);
        free(program);
    }
    free(preload);
}

/* The number behind the name in a process's status. */
static long status_number(pid_t pid, const char *name) {
    char *path = text_of("/proc/%d/status", (int)pid);
    size_t size;
    char *content = file_content(path, &size), *at = content ? strstr(content, name) : NULL;
    long number = at ? atol(at + strlen(name)) : -1;
    free(content);
    free(path);
    return number;
}

static void send_by_storescu(void) {
    char *port = text_of("%d", receiver.port), *file = text_of("%s/one.dcm", receiver.folder);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, SERIES ".1", 1, 2000);
    part10_write(file, EXPLICIT_LE, MR_STORAGE, SERIES ".1", &set);
    int status = process_run(receiver.log, NULL,
                             (const char *const[]){"storescu", "-aet", "FILTERED", "127.0.0.1", port, file, NULL},
                             PATIENCE_MS);
    cr_assert_eq(status, 0, "storescu ends with %d: %s", status, logged());
    bytes_free(&set);
    free(port);
    free(file);
}

static bool is_registered(void *argument) {
    (void)argument;
    return tree_try_shell(&receiver, "compgen -G \"$FOLDER/queue/*.msg\"") == 0;
}

static void expect_sandbox(size_t i) {
    char *end = text_of("probe: end %d", (int)pids[i]);
    char *refusal = text_of("probe: %s: %d\n", probes[i], EACCES);
    cr_assert_eq(kill(pids[i], SIGUSR2), 0, "%s", STAGE[i].stage);
    cr_assert(receiver_logged(&receiver, end, PATIENCE_MS));
    if (landlock_there())
        cr_expect(receiver_logged(&receiver, refusal, 0), "%s: no \"%s\" in: %s", STAGE[i].stage, refusal,
                  logged());
    cr_expect_eq(status_number(pids[i], "Seccomp_filters:"),
                 status_number(getpid(), "Seccomp_filters:") + (long)filter_programs(filters[i]) + 1,
                 "%s has no filter of its own", STAGE[i].stage);
    free(refusal);
    free(end);
}

Test(filtered, each_stage_stores_and_registers_within_its_own_sandbox_under_the_filter_of_its_unit) {
    start_all();
    cr_assert(await_port(receiver.port, PATIENCE_MS), "%s", logged());
    send_by_storescu();
    cr_assert_eq(receiver_files(&receiver), 1);
    cr_assert(await(is_registered, NULL, PATIENCE_MS), "%s", logged());
    /* The notifier has removed the link of the series, and could lock it. */
    tree_shell(&receiver, "cd \"$FOLDER/root/.oxidicom\"; [ -z \"$(ls series)\" ]; test -e replicas/locks");
    for (size_t i = 0; i < STAGES; i++)
        expect_sandbox(i);
    for (size_t i = STAGES; i-- > 0;) {
        int status = process_stop(pids[i], SIGTERM, PATIENCE_MS);
        pids[i] = 0;
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %x: %s", STAGE[i].stage, status, logged());
    }
}
