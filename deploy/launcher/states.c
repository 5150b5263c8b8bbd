#include "deploy/launcher/states.h"

#include <signal.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"

/* In a drain, each kind of stage is told to end at once so long after OXIDICOM_DRAIN_TIMEOUT: the listener has
 * aborted its open objects by then, and each further kind gets some time after the one before it. */
#define END_AT_ONCE_LISTENER_MS 1250
#define END_AT_ONCE_WRITERS_MS  1750
#define END_AT_ONCE_NOTIFIER_MS 2750
/* Told so, a stage is killed after this; killed, it is left behind after this: the kernel may keep it in storage.
 */
#define END_KILL_MS  1250
#define END_LEAVE_MS 500

typedef void action_fn(supervisor_t *supervisor, child_t *child);

static void wait_to_restart(supervisor_t *supervisor, child_t *child) {
    (void)supervisor;
    if (clock_ms() - child->started_ms >= RESTART_YOUNG_MS)
        child->young_deaths = 0;
    int64_t pause_ms = backoff_ms(RESTART_FIRST_MS, RESTART_LONGEST_MS, ++child->young_deaths);
    log_info(NULL, "%s is started again in %lld ms", child->name, (long long)pause_ms);
    child->state = CHILD_WAITING;
    child->due_ms = clock_ms() + pause_ms;
}

/* How long a stage may be silent; longer if it waits for storage. */
static int64_t silence_ms(const supervisor_t *supervisor, const child_t *child) {
    return supervisor->settings->watchdog_ms * (child->kind == KIND_LISTENER ? 1 : WATCHDOG_STORAGE_FACTOR);
}

/* How long a stage may take until it is ready: each of them may wait for storage, and for an old journal's
 * migration. */
static int64_t start_ms(const supervisor_t *supervisor) {
    return supervisor->settings->watchdog_ms * WATCHDOG_START_FACTOR;
}

void states_start(supervisor_t *supervisor, child_t *child) {
    child->state = CHILD_STARTING;
    child->due_ms = clock_ms() + start_ms(supervisor);
    if (child_spawn(child, supervisor->folder) != 0)
        wait_to_restart(supervisor, child);
    else
        log_info(NULL, "%s is started, process %d", child->name, (int)child->pid);
}

void states_on_beat(const supervisor_t *supervisor, child_t *child) {
    child->due_ms = clock_ms() + silence_ms(supervisor, child);
}

static void become_ready(supervisor_t *supervisor, child_t *child) {
    child->state = CHILD_READY;
    states_on_beat(supervisor, child);
    log_debug(NULL, "%s is ready", child->name);
}

/* How long after OXIDICOM_DRAIN_TIMEOUT. */
static const int64_t AT_ONCE_MS[KINDS] = {[KIND_LISTENER] = END_AT_ONCE_LISTENER_MS,
                                          [KIND_WRITER] = END_AT_ONCE_WRITERS_MS,
                                          [KIND_NOTIFIER] = END_AT_ONCE_NOTIFIER_MS};

static void tell_to_end(supervisor_t *supervisor, child_t *child) {
    /* One writer may be removed from a ring that goes on. */
    int64_t drained_at_ms =
        supervisor->draining ? supervisor->drained_at_ms : clock_ms() + supervisor->settings->drain_timeout_ms;
    child->state = CHILD_ENDING;
    child->due_ms = drained_at_ms + AT_ONCE_MS[child->kind];
    kill(child->pid, SIGTERM);
}

/* A second TERM: this one's time is over, or the operator has told all to end again. */
static void hurry(supervisor_t *supervisor, child_t *child) {
    (void)supervisor;
    int64_t now = clock_ms();
    child->state = CHILD_HURRIED;
    child->due_ms = now + (now >= child->due_ms ? 0 : AT_ONCE_MS[child->kind]) + END_KILL_MS;
    kill(child->pid, SIGTERM);
}

static void kill_overdue(supervisor_t *supervisor, child_t *child) {
    log_error(NULL, "%s did not end in time: killed", child->name);
    if (supervisor->status == LAUNCHER_DRAINED)
        supervisor->status = LAUNCHER_KILLED_SOME;
    child->state = CHILD_KILLED;
    child->due_ms = clock_ms() + END_LEAVE_MS;
    kill(child->pid, SIGKILL);
}

/* A signal reaches a process that waits for storage only if the kernel lets it; others die as soon as they run. */
static void leave_behind(supervisor_t *supervisor, child_t *child) {
    char state = child_kernel_state(child);
    if (state != 'D' && state != 'Z') {
        child->due_ms = clock_ms() + END_LEAVE_MS;
        return;
    }
    log_error(
        NULL,
        "%s, process %d, was killed and does not end: the kernel keeps it in state %c, as it does while storage "
        "is away; it is left behind",
        child->name, (int)child->pid, state);
    supervisor->status = LAUNCHER_LEFT_SOME;
    child->state = CHILD_GONE;
}

static void kill_hung(supervisor_t *supervisor, child_t *child) {
    int64_t silent_ms = clock_ms() - (child->due_ms - silence_ms(supervisor, child));
    child->due_ms = INT64_MAX;
    log_error(NULL, "%s hangs, it was not heard for %lld s: killed", child->name, (long long)silent_ms / 1000);
    kill(child->pid, SIGKILL);
}

static void kill_unready(supervisor_t *supervisor, child_t *child) {
    child->due_ms = INT64_MAX;
    log_error(NULL, "%s hangs, it is not ready after %lld s: killed", child->name,
              (long long)start_ms(supervisor) / 1000);
    kill(child->pid, SIGKILL);
}

static void be_gone(supervisor_t *supervisor, child_t *child) {
    (void)supervisor;
    child->state = CHILD_GONE;
}

static action_fn *const ACTIONS[CHILD_STATES][EVENTS] = {
    /*                   ready         died             due           end */
    [CHILD_STARTING] = {become_ready, wait_to_restart, kill_unready, tell_to_end},
    [CHILD_READY] = {NULL, wait_to_restart, kill_hung, tell_to_end},
    [CHILD_WAITING] = {NULL, NULL, states_start, be_gone},
    [CHILD_ENDING] = {NULL, be_gone, hurry, hurry},
    [CHILD_HURRIED] = {NULL, be_gone, kill_overdue, NULL},
    [CHILD_KILLED] = {NULL, be_gone, leave_behind, NULL},
    [CHILD_GONE] = {NULL, NULL, NULL, NULL},
};

void states_happen(supervisor_t *supervisor, child_t *child, event_t event) {
    action_fn *action = ACTIONS[child->state][event];
    if (action)
        action(supervisor, child);
}
