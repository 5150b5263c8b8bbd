#include <criterion/criterion.h>

#include "common/duration.h"

static void check_duration(const char *text, int64_t expected) {
    int64_t ms = -1;
    cr_assert(duration_parse(text, &ms), "%s was not read", text);
    cr_assert_eq(ms, expected, "%s", text);
}

Test(duration, reads_every_unit_of_humantime) {
    check_duration("5ms", 5);
    check_duration("500 ms", 500);
    check_duration("1s", 1000);
    check_duration("2min", 120000);
    check_duration("2m", 120000);
    check_duration("3h", 3 * 3600000);
    check_duration("1day", 86400000);
    check_duration("1w", 7 * 86400000);
    check_duration("1M", 2630016000);
    check_duration("1y", 31557600000);
}

Test(duration, adds_up_parts) {
    check_duration("1h 30m", 5400000);
    check_duration("1h30m", 5400000);
    check_duration("  2days 1ms ", 172800001);
}

Test(duration, rounds_fractions_of_a_millisecond_up) {
    check_duration("1us", 1);
    check_duration("1500us", 2);
    check_duration("1ns", 1);
    check_duration("0s", 0);
}

Test(duration, reads_zero_without_a_unit) {
    check_duration("0", 0);
}

Test(duration, refuses_what_is_not_a_duration) {
    static const char *const bad[] = {
        "", " ", "5", "ms", "5 parsecs", "-1s", "1.5s", "1s foo", "99999999999999999999y"};
    int64_t ms;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(duration_parse(bad[i], &ms), "%s", bad[i]);
}

Test(size, reads_powers_of_1000_and_of_1024) {
    int64_t bytes;
    cr_assert(size_parse("64MiB", &bytes) && bytes == 64 * 1048576);
    cr_assert(size_parse("64 MB", &bytes) && bytes == 64000000);
    cr_assert(size_parse("1GiB", &bytes) && bytes == 1073741824);
    cr_assert(size_parse("2TiB", &bytes) && bytes == 2199023255552);
    cr_assert(size_parse("2TB", &bytes) && bytes == 2000000000000);
    cr_assert(size_parse("4096", &bytes) && bytes == 4096);
}

Test(size, refuses_what_is_not_a_size) {
    int64_t bytes;
    cr_assert_not(size_parse("", &bytes));
    cr_assert_not(size_parse("MiB", &bytes));
    cr_assert_not(size_parse("64MiX", &bytes));
    cr_assert_not(size_parse("64MiB 1", &bytes));
    cr_assert_not(size_parse("-1", &bytes));
}
