#include "deploy/launcher/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/supervision.h"
#include "deploy/launcher/watchdog.h"

const char *const KIND_NAMES[KINDS] = {"listener", "writer", "notifier"};

child_t *child_new(stage_kind_t kind, int number) {
    child_t *child = calloc(1, sizeof *child);
    if (!child)
        abort();
    child->kind = kind;
    child->number = number;
    child->pid = -1;
    child->ready = -1;
    child->pause_ms = RESTART_FIRST_MS;
    if (kind == KIND_WRITER)
        snprintf(child->name, sizeof child->name, "writer-%d", number);
    else
        snprintf(child->name, sizeof child->name, "%s", KIND_NAMES[kind]);
    return child;
}

void child_destroy(child_t **self_p) {
    if ((*self_p)->ready >= 0)
        close((*self_p)->ready);
    free(*self_p);
    *self_p = NULL;
}

static void set_number(const char *name, int value) {
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    if (setenv(name, text, 1) != 0)
        _exit(EX_OSERR);
}

/* In the new process. Does not return. */
static void become_stage(const child_t *child, const char *folder, int ready, pid_t launcher) {
    /* A stage does not outlive the launcher; it might have died before the kernel was told. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != launcher)
        _exit(EX_OSERR);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_number("OXIDICOM_READY_FD", ready);
    if (child->kind == KIND_WRITER)
        set_number("OXIDICOM_WRITER_ID", child->number);
    char path[4096];
    if (snprintf(path, sizeof path, "%s/oxidicom-%s", folder, KIND_NAMES[child->kind]) < (int)sizeof path)
        execl(path, path, (char *)NULL);
    log_error(NULL, "can't run %s: %s", path, strerror(errno));
    _exit(EX_UNAVAILABLE);
}

int child_spawn(child_t *child, const char *folder, int watchdog, int64_t silence_ms) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        log_error(NULL, "can't make a pipe for %s: %s", child->name, strerror(errno));
        return -1;
    }
    pid_t launcher = getpid();
    child->pid = fork();
    if (child->pid == 0) {
        supervision_keep_to_oneself();
        watchdog_introduce(watchdog, silence_ms);
        fcntl(ready[1], F_SETFD, 0); /* this end alone survives the exec */
        become_stage(child, folder, ready[1], launcher);
    }
    close(ready[1]);
    if (child->pid < 0) {
        close(ready[0]);
        log_error(NULL, "can't fork for %s: %s", child->name, strerror(errno));
        return -1;
    }
    child->ready = ready[0];
    child->started_ms = clock_ms();
    return 0;
}
