#include "notifier/drain.h"

#include <criterion/criterion.h>

#include "common/clock.h"

static stage_t stage;
static drain_t drain;
static int turns;

static void set_up(void) {
    stage = (stage_t){.loop = zloop_new(), .settings.drain_timeout_ms = 60000};
    turns = 0;
}

static void tear_down(void) {
    zloop_destroy(&stage.loop);
}

TestSuite(drain, .init = set_up, .fini = tear_down);

static bool took_longest(void) {
    return clock_ms() - drain.begun_ms >= DRAIN_QUIET_LONGEST_MS;
}

/* The whole process stands still for as long as a quiet ring takes. */
static void on_turn_after_standstill(stage_t *self) {
    if (++turns == 1)
        zclock_sleep(DRAIN_QUIET_TURNS * DRAIN_TURN_MS + 100);
    if (drain_is_quiet(&drain))
        stage_end(self, 0);
}

Test(drain, counts_turns_of_the_loop_however_long_one_takes) {
    drain_begin(&drain, &stage, on_turn_after_standstill);
    cr_expect_not(drain_is_quiet(&drain));
    zloop_start(stage.loop);
    cr_expect(stage.ended);
    cr_expect(turns == DRAIN_QUIET_TURNS || took_longest(), "%d turns", turns);
}

static void on_turn_with_a_late_message(stage_t *self) {
    if (++turns == DRAIN_QUIET_TURNS - 1)
        drain_heard(&drain);
    if (drain_is_quiet(&drain))
        stage_end(self, 0);
}

Test(drain, counts_anew_after_a_message) {
    drain_begin(&drain, &stage, on_turn_with_a_late_message);
    zloop_start(stage.loop);
    cr_expect(turns == 2 * DRAIN_QUIET_TURNS - 1 || took_longest(), "%d turns", turns);
}

static void on_turn_with_a_message(stage_t *self) {
    turns++;
    drain_heard(&drain);
    if (drain_is_quiet(&drain))
        stage_end(self, 0);
}

Test(drain, of_a_ring_that_is_never_quiet_ends_all_the_same) {
    drain_begin(&drain, &stage, on_turn_with_a_message);
    zloop_start(stage.loop);
    cr_expect(took_longest());
    cr_expect_gt(turns, 1);
}
