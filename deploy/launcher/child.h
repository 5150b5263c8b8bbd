/* One process that the launcher looks after: a stage, or one of the writers. */
#ifndef LAUNCHER_CHILD_H
#define LAUNCHER_CHILD_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

/* In the order of draining: a sender ends before its receiver. */
typedef enum stage_kind { KIND_LISTENER, KIND_WRITER, KIND_NOTIFIER, KINDS } stage_kind_t;
extern const char *const KIND_NAMES[KINDS];

typedef enum child_state {
    CHILD_STARTING, /* runs, has not said that it is ready; is killed at `due_ms` */
    CHILD_READY,    /* is killed at `due_ms`, which each beat puts off */
    CHILD_WAITING,  /* died; is started again at `due_ms` */
    CHILD_ENDING,   /* was told to end; is told to end at once at `due_ms` */
    CHILD_HURRIED,  /* was told so; is killed at `due_ms` */
    CHILD_KILLED,   /* was killed; is left behind at `due_ms` */
    CHILD_GONE,     /* ended as it was told to; is removed */
    CHILD_STATES
} child_state_t;

typedef struct child {
    TAILQ_ENTRY(child) next;
    stage_kind_t kind;
    int number;    /* of a writer: its OXIDICOM_WRITER_ID; else 0 */
    char name[32]; /* for the log */
    child_state_t state;
    pid_t pid; /* -1: not running */
    int ready; /* our end of its OXIDICOM_READY_FD; -1: none */
    int beats; /* our end of its OXIDICOM_BEAT_FD; -1: none */
    int64_t started_ms;
    int64_t due_ms;       /* when something happens to it by time alone; INT64_MAX: never */
    int64_t young_deaths; /* in a row */
} child_t;

child_t *child_new(stage_kind_t kind, int number);
void child_destroy(child_t **self_p);

/* Runs the executable `oxidicom-<kind>` in `folder`. Returns 0, or -1 after logging why. */
int child_spawn(child_t *child, const char *folder);

/* What the kernel says that it does: 'D' waits and can't be disturbed, 'Z' is dead (proc(5)); 0: it is gone. */
char child_kernel_state(const child_t *child);

/* Closes our end of a pipe from it, which is -1 then. */
void child_close_end(int *fd);
/* Closes both. */
void child_hear_no_more(child_t *child);

#endif
