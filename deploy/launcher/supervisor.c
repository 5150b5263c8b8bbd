#include "deploy/launcher/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/supervision.h"
#include "deploy/launcher/states.h"

/* Writers that are being removed may be there besides. */
#define CHILDREN_MAX (2 * WRITERS_MAX + KINDS)

/* --- the set of children ------------------------------------------------------------------------------- */

static void add(supervisor_t *supervisor, stage_kind_t kind, int number) {
    child_t *child = child_new(kind, number);
    TAILQ_INSERT_TAIL(&supervisor->children, child, next);
    states_start(supervisor, child);
}

static child_t *find_writer(supervisor_t *supervisor, int number) {
    child_t *child;
    TAILQ_FOREACH(child, &supervisor->children, next)
    if (child->kind == KIND_WRITER && child->number == number)
        return child;
    return NULL;
}

static void add_writer(supervisor_t *supervisor) {
    int number = 0;
    while (find_writer(supervisor, number))
        number++;
    if (number >= WRITERS_MAX)
        log_warn(NULL, "no writer is added: the limit is %d", WRITERS_MAX);
    else
        add(supervisor, KIND_WRITER, number);
}

/* A dead stage has left its socket, and `oxidicom status` would count it as missing. */
static void remove_socket(const child_t *child) {
    const char *run_dir = getenv("OXIDICOM_RUN_DIR");
    char *path = run_dir ? format_text("%s/%s.sock", run_dir, child->name) : NULL;
    if (path && unlink(path) != 0 && errno != ENOENT)
        log_warn(NULL, "can't remove %s: %s", path, strerror(errno));
    free(path);
}

static void remove_gone(supervisor_t *supervisor) {
    child_t *child, *following;
    for (child = TAILQ_FIRST(&supervisor->children); child; child = following) {
        following = TAILQ_NEXT(child, next);
        if (child->state != CHILD_GONE)
            continue;
        if (child->kind == KIND_WRITER)
            remove_socket(child);
        TAILQ_REMOVE(&supervisor->children, child, next);
        child_destroy(&child);
    }
}

/* The one with the highest number, never the last. */
static void remove_writer(supervisor_t *supervisor) {
    child_t *child, *last = NULL;
    int count = 0;
    TAILQ_FOREACH(child, &supervisor->children, next) {
        if (child->kind != KIND_WRITER || child->state >= CHILD_ENDING)
            continue;
        count++;
        if (!last || child->number > last->number)
            last = child;
    }
    if (count < 2) {
        log_warn(NULL, "no writer is removed: one must stay");
        return;
    }
    log_info(NULL, "%s is removed", last->name);
    states_happen(supervisor, last, EVENT_END);
    remove_gone(supervisor);
}

/* --- draining ------------------------------------------------------------------------------------------ */

static bool has_kind(supervisor_t *supervisor, int kind) {
    child_t *child;
    TAILQ_FOREACH(child, &supervisor->children, next)
    if ((int)child->kind == kind)
        return true;
    return false;
}

static void end_kind(supervisor_t *supervisor, int kind) {
    child_t *child;
    TAILQ_FOREACH(child, &supervisor->children, next)
    if ((int)child->kind == kind)
        states_happen(supervisor, child, EVENT_END);
    remove_gone(supervisor);
}

/* Goes on to the next kind when all of one have ended. */
static void drain_on(supervisor_t *supervisor) {
    while (supervisor->draining && supervisor->draining_kind < KINDS &&
           !has_kind(supervisor, supervisor->draining_kind))
        end_kind(supervisor, ++supervisor->draining_kind);
}

static void drain(supervisor_t *supervisor) {
    if (!supervisor->draining) {
        log_info(NULL, "drains: listener, then writers, then notifier");
        supervisor->draining = true;
        supervisor->drained_at_ms = clock_ms() + supervisor->settings->drain_timeout_ms;
        supervision_stopping(supervisor->settings->drain_timeout_ms + END_MARGIN_MS);
        supervisor->draining_kind = KIND_LISTENER;
        end_kind(supervisor, KIND_LISTENER);
        drain_on(supervisor);
        return;
    }
    log_info(NULL, "told to end again: all stages end at once");
    supervisor->drained_at_ms = clock_ms();
    for (int kind = 0; kind < KINDS; kind++)
        end_kind(supervisor, kind);
}

/* --- events -------------------------------------------------------------------------------------------- */

static void on_death(supervisor_t *supervisor, child_t *child, int how) {
    child_hear_no_more(child);
    child->pid = -1;
    if (WIFSIGNALED(how))
        log_warn(NULL, "%s died of signal %d (%s)", child->name, WTERMSIG(how), strsignal(WTERMSIG(how)));
    else if (child->state < CHILD_ENDING || WEXITSTATUS(how) != 0)
        log_warn(NULL, "%s ended with status %d", child->name, WEXITSTATUS(how));
    else
        log_info(NULL, "%s has ended", child->name);
    if (WIFEXITED(how) && WEXITSTATUS(how) == EXIT_SETTINGS && child->state < CHILD_ENDING) {
        /* No restart changes the environment. */
        supervisor->status = EXIT_SETTINGS;
        child->state = CHILD_GONE;
        if (!supervisor->draining)
            drain(supervisor);
        return;
    }
    states_happen(supervisor, child, EVENT_DIED);
}

/* Also reaps orphans that the kernel hands to process 1 of a container. */
static void reap(supervisor_t *supervisor) {
    int how;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
        child_t *child;
        TAILQ_FOREACH(child, &supervisor->children, next)
        if (child->pid == pid) {
            on_death(supervisor, child, how);
            break;
        }
    }
    remove_gone(supervisor);
    drain_on(supervisor);
}

static void on_signals(supervisor_t *supervisor) {
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof info) == sizeof info) {
        bool running = !supervisor->draining;
        child_t *child;
        if (info.ssi_signo == SIGCHLD) {
            reap(supervisor);
        } else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            drain(supervisor);
        } else if (info.ssi_signo == SIGHUP) {
            TAILQ_FOREACH(child, &supervisor->children, next)
            if (child->pid > 0)
                kill(child->pid, SIGHUP);
        } else if (info.ssi_signo == SIGTTIN && running) {
            add_writer(supervisor);
        } else if (info.ssi_signo == SIGTTOU && running) {
            remove_writer(supervisor);
        }
    }
}

static void on_ready(child_t *child, supervisor_t *supervisor) {
    char newline;
    ssize_t got = read(child->ready, &newline, 1);
    child_close_end(&child->ready);
    if (got == 1)
        states_happen(supervisor, child, EVENT_READY);
}

static void on_beats(child_t *child, const supervisor_t *supervisor) {
    char beats[64];
    ssize_t got;
    while ((got = read(child->beats, beats, sizeof beats)) > 0)
        if (child->state == CHILD_READY && child->due_ms != INT64_MAX) /* else it is being killed */
            states_on_beat(supervisor, child);
    if (got == 0) /* it dies, which is heard otherwise */
        child_close_end(&child->beats);
}

/* Once, when all stages are ready. */
static void say_ready(supervisor_t *supervisor) {
    child_t *child;
    TAILQ_FOREACH(child, &supervisor->children, next)
    if (child->state != CHILD_READY)
        return;
    if (supervisor->said_ready || supervisor->draining)
        return;
    supervisor->said_ready = true;
    log_info(NULL, "all stages are ready");
    supervision_ready((int)supervisor->settings->ready_fd);
}

static void on_time(supervisor_t *supervisor) {
    int64_t now = clock_ms();
    child_t *child;
    TAILQ_FOREACH(child, &supervisor->children, next)
    if (now >= child->due_ms)
        states_happen(supervisor, child, EVENT_DUE);
    remove_gone(supervisor);
    drain_on(supervisor);
}

/* Milliseconds until something is due; -1: nothing is. */
static int next_due(const supervisor_t *supervisor) {
    int64_t now = clock_ms(), due = INT64_MAX;
    child_t *child;
    TAILQ_FOREACH(child, &supervisor->children, next)
    if (child->due_ms < due)
        due = child->due_ms;
    return due == INT64_MAX ? -1 : due <= now ? 0 : due - now > 3600000 ? 3600000 : (int)(due - now);
}

static void wait_for_events(supervisor_t *supervisor) {
    struct pollfd polled[1 + 2 * CHILDREN_MAX];
    child_t *children[CHILDREN_MAX], *child;
    nfds_t count = 0;
    TAILQ_FOREACH(child, &supervisor->children, next) {
        if (count == CHILDREN_MAX)
            break;
        polled[2 * count] = (struct pollfd){.fd = child->ready, .events = POLLIN}; /* -1 is left out */
        polled[2 * count + 1] = (struct pollfd){.fd = child->beats, .events = POLLIN};
        children[count++] = child;
    }
    polled[2 * count] = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
    if (poll(polled, 2 * count + 1, next_due(supervisor)) < 0)
        return;
    for (nfds_t i = 0; i < count; i++) {
        if (polled[2 * i].revents)
            on_ready(children[i], supervisor);
        if (polled[2 * i + 1].revents)
            on_beats(children[i], supervisor);
    }
    if (polled[2 * count].revents)
        on_signals(supervisor);
    on_time(supervisor);
    say_ready(supervisor);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void watched_signals(sigset_t *set) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGTTIN, SIGTTOU, SIGCHLD};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(set, signals[i]);
}

int supervisor_block_signals(void) {
    sigset_t set;
    watched_signals(&set);
    return supervision_take_signals(&set);
}

int supervisor_run(const settings_t *settings, const char *folder, const bool wanted[KINDS]) {
    supervisor_t supervisor = {.settings = settings, .status = LAUNCHER_DRAINED};
    snprintf(supervisor.folder, sizeof supervisor.folder, "%s", folder);
    TAILQ_INIT(&supervisor.children);
    sigset_t set;
    watched_signals(&set);
    supervisor.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (supervisor.signals < 0)
        return EX_OSERR;
    /* Keeps the launcher's own descriptor from the stages: a process that waits for its end must not wait for
     * theirs. */
    int fd = (int)settings->ready_fd;
    if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        log_warn(NULL, "OXIDICOM_READY_FD is %d, which is not open: %s", fd, strerror(errno));
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; wanted[kind] && i < (kind == KIND_WRITER ? settings->writers : 1); i++)
            add(&supervisor, (stage_kind_t)kind, i);
    while (!TAILQ_EMPTY(&supervisor.children))
        wait_for_events(&supervisor);
    close(supervisor.signals);
    return supervisor.status;
}
