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
#include "common/environment.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/settings.h"
#include "common/supervision.h"

const char *const KIND_NAMES[KINDS] = {"listener", "writer", "notifier"};
static const unsigned SETTINGS_FOR[KINDS] = {FOR_LISTENER, FOR_WRITER, FOR_NOTIFIER};

child_t *child_new(stage_kind_t kind, int number) {
    child_t *child = must(calloc(1, sizeof *child));
    child->kind = kind;
    child->number = number;
    child->pid = -1;
    child->ready = child->beats = -1;
    child->due_ms = INT64_MAX;
    if (kind == KIND_WRITER)
        snprintf(child->name, sizeof child->name, "writer-%d", number);
    else
        snprintf(child->name, sizeof child->name, "%s", KIND_NAMES[kind]);
    return child;
}

void child_close_end(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void child_hear_no_more(child_t *child) {
    child_close_end(&child->ready);
    child_close_end(&child->beats);
}

void child_destroy(child_t **self_p) {
    child_hear_no_more(*self_p);
    free(*self_p);
    *self_p = NULL;
}

static void set_number(const char *name, int value) {
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    if (setenv(name, text, 1) != 0)
        _exit(EX_OSERR);
}

/* In the new process, with its ends of the pipes. Does not return. */
static void become_stage(const child_t *child, const char *folder, int ready, int beats, pid_t launcher) {
    /* A stage does not outlive the launcher; it might have died before the kernel was told. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != launcher)
        _exit(EX_OSERR);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    supervision_keep_to_oneself();
    environment_leave_for(SETTINGS_FOR[child->kind]);
    fcntl(ready, F_SETFD, 0); /* these alone survive the exec */
    fcntl(beats, F_SETFD, 0);
    set_number("OXIDICOM_READY_FD", ready);
    set_number("OXIDICOM_BEAT_FD", beats);
    if (child->kind == KIND_WRITER)
        set_number("OXIDICOM_WRITER_ID", child->number);
    char path[4096];
    if (snprintf(path, sizeof path, "%s/oxidicom-%s", folder, KIND_NAMES[child->kind]) < (int)sizeof path)
        execl(path, path, (char *)NULL);
    log_error(NULL, "can't run %s: %s", path, strerror(errno));
    _exit(EX_UNAVAILABLE);
}

/* Pipes from the child; we keep their first ends. A stage does not wait for us to read its beats. */
static bool open_pipes(child_t *child, int *ready, int *beats) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    child->ready = ends[0];
    *ready = ends[1];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        close(*ready);
        return false;
    }
    child->beats = ends[0];
    *beats = ends[1];
    return true;
}

int child_spawn(child_t *child, const char *folder) {
    int ready, beats;
    if (!open_pipes(child, &ready, &beats)) {
        log_error(NULL, "can't make a pipe for %s: %s", child->name, strerror(errno));
        child_hear_no_more(child);
        return -1;
    }
    pid_t launcher = getpid();
    child->pid = fork();
    if (child->pid == 0)
        become_stage(child, folder, ready, beats, launcher);
    close(ready);
    close(beats);
    if (child->pid < 0) {
        child_hear_no_more(child);
        log_error(NULL, "can't fork for %s: %s", child->name, strerror(errno));
        return -1;
    }
    child->started_ms = clock_ms();
    return 0;
}

char child_kernel_state(const child_t *child) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child->pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    /* "PID (NAME) STATE …", with any NAME. */
    const char *end = size > 0 ? strrchr(text, ')') : NULL;
    if (!end || end[1] != ' ')
        return 0;
    return end[2];
}
