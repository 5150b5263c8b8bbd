/* Keeps the stages running: the loop that hears of events (states.h). */
#ifndef LAUNCHER_SUPERVISOR_H
#define LAUNCHER_SUPERVISOR_H

#include <limits.h>

#include "common/settings.h"
#include "deploy/launcher/child.h"

/* A stage that died is started again after this; doubled each time it dies young. */
#define RESTART_FIRST_MS   100
#define RESTART_LONGEST_MS 10000
/* A stage that lived this long did not die young. */
#define RESTART_YOUNG_MS 5000
/* A stage that waits for storage may be silent so many times OXIDICOM_WATCHDOG. */
#define WATCHDOG_STORAGE_FACTOR 5
/* A stage that is not ready yet, so many times. */
#define WATCHDOG_START_FACTOR 10

/* How the launcher ends. */
enum {
    LAUNCHER_DRAINED = 0,
    LAUNCHER_KILLED_SOME = 1, /* a stage did not end in time */
    LAUNCHER_LEFT_SOME = 2,   /* and one not even when it was killed */
    /* EXIT_SETTINGS: a stage refused its settings */
};

typedef struct supervisor {
    const settings_t *settings;
    char folder[PATH_MAX]; /* of the executables */
    TAILQ_HEAD(child_list, child) children;
    int signals; /* signalfd */
    bool draining;
    int draining_kind;     /* those before it have ended */
    int64_t drained_at_ms; /* OXIDICOM_DRAIN_TIMEOUT is over */
    bool said_ready;
    int status;
} supervisor_t;

/* Starts the kinds that are wanted, with settings->writers writers, and looks after them until all have ended.
 * The signals of the launcher are blocked before. Returns the exit status. */
int supervisor_run(const settings_t *settings, const char *folder, const bool wanted[KINDS]);

/* Blocks what supervisor_run waits for. Returns 0 or -1. */
int supervisor_block_signals(void);

#endif
