#include "listener/ul/patience.h"

#include <criterion/criterion.h>

#include "common/clock.h"

/* Moved by the pause, neither left behind nor begun anew: else an often paused peer could be as slow as it likes,
 * and a long paused one would be taken for slow. */
Test(patience, move_by_as_long_as_the_listener_did_not_read) {
    int64_t now = clock_ms();
    patience_t p = {.quiet_since_ms = now - 7000,
                    .window_since_ms = now - 5500,
                    .window_bytes = 1234,
                    .paused_since_ms = now - 5000};
    patience_on_resume(&p);
    int64_t late_ms = clock_ms() - now; /* between the two looks at the clock, here and there */
    cr_assert_geq(p.quiet_since_ms, now - 2000);
    cr_assert_leq(p.quiet_since_ms, now - 2000 + late_ms);
    cr_assert_geq(p.window_since_ms, now - 500);
    cr_assert_leq(p.window_since_ms, now - 500 + late_ms);
    cr_assert_eq(p.window_bytes, 1234);
    cr_assert_eq(p.paused_since_ms, 0);
}

Test(patience, have_no_window_between_messages) {
    patience_t p = {0};
    patience_on_input(&p, 100, true);
    patience_on_input(&p, 20, true);
    cr_assert_neq(p.window_since_ms, 0);
    cr_assert_eq(p.window_bytes, 120);
    patience_on_input(&p, 3, false);
    cr_assert_eq(p.window_since_ms, 0);
    patience_on_input(&p, 4, true);
    cr_assert_eq(p.window_bytes, 4, "those of the next message alone");
}
