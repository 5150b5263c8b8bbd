/* When the clock of CUBE's worker runs, and which tasks have left the queue. */
#include "notifier/broker/worker_clock.h"

#include <criterion/criterion.h>

static worker_clock_t the_clock;
static uint64_t looks;
static int64_t now_ms;

static void set_up(void) {
    the_clock = (worker_clock_t){0};
    looks = 0;
    now_ms = 1000;
}

TestSuite(worker_clock, .init = set_up);

/* A look at the queue a second after the last; returns the tasks that have left it. */
static int64_t look(int64_t waiting, int64_t consumers) {
    now_ms += 1000;
    return worker_clock_beat(&the_clock, &(queue_look_t){++looks, now_ms, waiting, consumers}, now_ms);
}

static void expect_clock(int64_t ms) {
    cr_expect_eq(the_clock.ran_ms, ms, "the clock says %lld ms, not %lld", (long long)the_clock.ran_ms,
                 (long long)ms);
}

Test(worker_clock, runs_while_nothing_waits) {
    look(0, -1);
    look(0, -1);
    look(0, -1);
    expect_clock(2000);
    cr_expect_eq(the_clock.still_since_ms, 0);
}

Test(worker_clock, stands_while_what_waits_does_not_get_less) {
    the_clock.tickets = 3;
    look(3, -1);
    look(3, -1);
    int64_t since_ms = the_clock.still_since_ms;
    cr_expect_gt(since_ms, 0);
    look(5, -1); /* others put tasks there, too */
    expect_clock(0);
    cr_expect_eq(the_clock.still_since_ms, since_ms);
    look(4, -1);
    expect_clock(1000);
    cr_expect_eq(the_clock.still_since_ms, 0);
}

Test(worker_clock, knows_that_the_worker_takes_as_many_as_are_added) {
    look(3, -1);
    the_clock.tickets += 2;
    look(4, -1);
    expect_clock(1000);
    the_clock.tickets += 2;
    look(6, -1);
    expect_clock(1000);
}

Test(worker_clock, stands_where_nobody_consumes) {
    look(0, 0);
    look(0, 0);
    expect_clock(0);
    look(0, 1);
    expect_clock(1000);
}

Test(worker_clock, runs_where_nothing_is_known_of_the_queue) {
    the_clock.tickets = 7;
    cr_expect_eq(look(-1, -1), 7, "all may have left it");
    cr_expect_eq(look(-1, -1), 7);
    expect_clock(1000);
}

Test(worker_clock, does_not_run_without_a_look) {
    look(0, -1);
    for (int i = 0; i < 5; i++) {
        now_ms += 1000;
        cr_expect_eq(worker_clock_beat(&the_clock, &the_clock.last, now_ms), -1);
    }
    expect_clock(0);
}

Test(worker_clock, counts_a_long_time_without_a_look_as_a_short_one) {
    look(0, -1);
    now_ms += 3600000;
    look(0, -1);
    expect_clock(6000);
}

Test(worker_clock, knows_which_tasks_have_left_the_queue) {
    the_clock.tickets = 10;
    cr_expect_eq(look(4, -1), 6);
    cr_expect_eq(look(12, -1), -2);
    cr_expect_eq(look(0, -1), 10);
}
