#include "notifier/drain.h"

#include <sysexits.h>

#include "common/clock.h"
#include "common/log.h"

static int take_turn(zloop_t *loop, int timer, void *argument);

/* Once, and anew after each turn: zloop makes up for the turns of a repeated timer that it was late for, without a
 * pause between them. */
static int arm(drain_t *drain) {
    return zloop_timer(drain->stage->loop, DRAIN_TURN_MS, 1, take_turn, drain);
}

static int take_turn(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    drain_t *drain = argument;
    stage_t *stage = drain->stage;
    drain->quiet_turns++;
    drain->on_turn(stage);
    if (!stage->ended && arm(drain) < 0)
        stage_end(stage, EX_OSERR);
    return stage->ended ? -1 : 0;
}

static int on_timeout(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    log_warn(NULL, "OXIDICOM_DRAIN_TIMEOUT is over: the rest of the registrations waits in the journal");
    stage_end(argument, 0);
    return -1;
}

void drain_begin(drain_t *drain, stage_t *stage, drain_turn_fn *on_turn) {
    *drain = (drain_t){.stage = stage, .on_turn = on_turn, .begun_ms = clock_ms()};
    if (arm(drain) < 0 ||
        zloop_timer(stage->loop, (size_t)stage->settings.drain_timeout_ms, 1, on_timeout, stage) < 0)
        stage_end(stage, EX_OSERR);
}

void drain_heard(drain_t *drain) {
    drain->quiet_turns = 0;
}

bool drain_is_quiet(const drain_t *drain) {
    return drain->begun_ms &&
           (drain->quiet_turns >= DRAIN_QUIET_TURNS || clock_ms() - drain->begun_ms >= DRAIN_QUIET_LONGEST_MS);
}
