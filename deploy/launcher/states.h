/* What each event does to a stage in each of its states. */
#ifndef LAUNCHER_STATES_H
#define LAUNCHER_STATES_H

#include "deploy/launcher/supervisor.h"

typedef enum event {
    EVENT_READY, /* it has said so */
    EVENT_DIED,
    EVENT_DUE, /* its due_ms has come */
    EVENT_END, /* it shall end */
    EVENTS
} event_t;

/* Runs it; where that fails, it waits for its next start. */
void states_start(supervisor_t *supervisor, child_t *child);

/* Does it, unless this state knows no such event. */
void states_happen(supervisor_t *supervisor, child_t *child, event_t event);

/* A ready stage lives: puts off that it is taken for hung. */
void states_on_beat(const supervisor_t *supervisor, child_t *child);

#endif
