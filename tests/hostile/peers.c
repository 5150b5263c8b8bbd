/* Peers that do what no peer should. The long runs are `make fuzz-peer`. */
#include <criterion/criterion.h>

#include "tests/support/hostile.h"

Test(peers, mutated_sessions_leave_the_receiver_as_it_was, .timeout = 900) {
    cr_assert(hostile_run(&(hostile_t){session_mutated, 20130308, 2000}, stderr));
}

Test(peers, associations_that_end_in_every_bad_way_leave_nothing_behind, .timeout = 900) {
    cr_assert(hostile_run(&(hostile_t){session_badly_ended, 0, 3000}, stderr));
}
