/* A clock that runs only while CUBE's worker takes tasks, and which tasks may still be in its queue. A queue that
 * stands still gets no further tasks for an answer, however long it stands. */
#ifndef NOTIFIER_BROKER_WORKER_CLOCK_H
#define NOTIFIER_BROKER_WORKER_CLOCK_H

#include <stdint.h>

#include "notifier/broker/queue_state.h"

/* Begins as zeros, but for the clock. */
typedef struct worker_clock {
    int64_t ran_ms;         /* how long the worker has taken tasks */
    int64_t beat_ms;        /* of the last beat */
    int64_t tickets;        /* the ticket of the last task that the broker has confirmed; they count up by one */
    queue_look_t last;      /* that was taken into account */
    int64_t last_tickets;   /* at that look */
    int64_t still_since_ms; /* clock_ms; 0: the queue moves, or nothing is known of it */
} worker_clock_t;

/* Takes the last look at the queue into account. Returns the last ticket that has left the queue for sure; -1: none
 * that had not before. Call it several times a second, with clock_ms. */
int64_t worker_clock_beat(worker_clock_t *clock, const queue_look_t *look, int64_t now_ms);

#endif
