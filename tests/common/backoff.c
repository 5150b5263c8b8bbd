#include "common/backoff.h"

#include <criterion/criterion.h>

Test(backoff, doubles_from_the_first_pause_to_the_longest) {
    static const int64_t wanted[] = {100, 200, 400, 800, 1000, 1000};
    for (int i = 0; i < (int)(sizeof wanted / sizeof *wanted); i++)
        cr_expect_eq(backoff_ms(100, 1000, i + 1), wanted[i], "after %d failures: %lld", i + 1,
                     (long long)backoff_ms(100, 1000, i + 1));
}

Test(backoff, of_any_number_of_failures_is_the_longest_pause_and_never_more) {
    cr_expect_eq(backoff_ms(100, 1000, INT64_MAX), 1000);
    cr_expect_eq(backoff_ms(5000, 1000, 1), 1000);
}

Test(backoff, is_spread_over_the_second_half_of_the_pause) {
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t pause = backoff_jittered(10);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    cr_expect_eq(least, 5);
    cr_expect_eq(most, 10);
    cr_expect_eq(backoff_jittered(0), 0);
}
