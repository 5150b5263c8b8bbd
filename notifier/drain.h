/* The end of a notifier that is told to. The listener and the writers have ended, but ZeroMQ may hold
 * messages of theirs that are not in the inbox yet, and nothing says how many.
 *
 * What counts is turns of the loop without a message, not time: on a machine that is short of processors, ZeroMQ's
 * thread may not have run at all for as long as a quiet ring takes. */
#ifndef NOTIFIER_DRAIN_H
#define NOTIFIER_DRAIN_H

#include <stdint.h>

#include "common/stage.h"

/* Told to end, the notifier waits until the ring has been silent for so many turns of the loop in a row, one each
 * …, but not longer than … */
#define DRAIN_QUIET_TURNS      10
#define DRAIN_TURN_MS          30
#define DRAIN_QUIET_LONGEST_MS 2000

typedef void drain_turn_fn(stage_t *stage);

typedef struct drain {
    stage_t *stage;
    drain_turn_fn *on_turn;
    int64_t begun_ms; /* 0: not told to end yet */
    int quiet_turns;  /* in a row */
} drain_t;

/* Calls `on_turn` every DRAIN_TURN_MS from now on, until the stage has ended, and ends it after
 * OXIDICOM_DRAIN_TIMEOUT at the latest. Where there are no timers it is ended at once, with EX_OSERR. */
void drain_begin(drain_t *drain, stage_t *stage, drain_turn_fn *on_turn);

/* The ring has sent something. */
void drain_heard(drain_t *drain);

/* Whether the notifier was told to end and the ring has nothing more to say. */
bool drain_is_quiet(const drain_t *drain);

#endif
