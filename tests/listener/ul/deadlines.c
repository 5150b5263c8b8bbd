#include "listener/ul/deadlines.h"

#include <criterion/criterion.h>

#include "common/clock.h"
#include "listener/ul/association.h"

/* Moved by the pause, neither left behind nor begun anew: else a peer that is paused often could be as slow as it
 * likes, and one that was paused long would be taken for slow. */
Test(deadlines, move_by_as_long_as_the_listener_did_not_read) {
    int64_t now = clock_ms();
    association_t a = {.patience = {.quiet_since_ms = now - 7000,
                                    .window_since_ms = now - 5500,
                                    .window_bytes = 1234,
                                    .paused_since_ms = now - 5000}};
    deadlines_on_resume(&a);
    int64_t late_ms = clock_ms() - now; /* between the two looks at the clock, here and there */
    cr_assert_geq(a.patience.quiet_since_ms, now - 2000);
    cr_assert_leq(a.patience.quiet_since_ms, now - 2000 + late_ms);
    cr_assert_geq(a.patience.window_since_ms, now - 500);
    cr_assert_leq(a.patience.window_since_ms, now - 500 + late_ms);
    cr_assert_eq(a.patience.window_bytes, 1234);
    cr_assert_eq(a.patience.paused_since_ms, 0);
}

Test(deadlines, have_no_window_between_messages) {
    association_t a = {.stream = {.type = PDU_P_DATA}};
    deadlines_on_input(&a, 100);
    deadlines_on_input(&a, 20);
    cr_assert_neq(a.patience.window_since_ms, 0);
    cr_assert_eq(a.patience.window_bytes, 120);
    a.stream.type = 0;
    deadlines_on_input(&a, 3);
    cr_assert_eq(a.patience.window_since_ms, 0);
    a.stream.type = PDU_P_DATA;
    deadlines_on_input(&a, 4);
    cr_assert_eq(a.patience.window_bytes, 4, "those of the next message alone");
}
