/* A series is over when nothing has come of it for OXIDICOM_SERIES_QUIET. */
#include <criterion/criterion.h>

#include "notifier/journal/reception.h"
#include "tests/notifier/bench.h"

static bench_t bench;

static void set_up(void) {
    bench_set_up(&bench);
    bench.settings.series_quiet_ms = 60000;
    bench_restart(&bench);
}

static void tear_down(void) {
    bench_tear_down(&bench);
}

TestSuite(quiet, .init = set_up, .fini = tear_down);

/* As if that much time had gone by. */
static void time_goes_by(int64_t ms) {
    char sql[96];
    snprintf(sql, sizeof sql, "UPDATE reception SET quiet_at = quiet_at - %lld", (long long)ms);
    bench_query(&bench, sql);
}

Test(quiet, a_series_waits_for_it_after_its_last_association) {
    bench_event(&bench, EVENT(.object = 1));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "count 1\n");
    bench_expect_acknowledged(&bench, "objects 1:0000 ends 1");
    time_goes_by(59000);
    bench_beat(&bench);
    bench_expect_states(&bench, "receiving");
    time_goes_by(1000);
    bench_beat(&bench);
    bench_expect_states(&bench, "due");
    cr_expect_str_eq(bench_said(&bench), "done\n");
    bench_beat(&bench);
    cr_expect_str_eq(bench_said(&bench), "");
}

Test(quiet, many_associations_of_one_object_each_are_one_reception) {
    for (uint64_t i = 1; i <= 100; i++) {
        bench_event(&bench, EVENT(.association = i, .object = i));
        bench_end(&bench, 1, i);
        cr_assert_eq(bench_commit(&bench), 0);
        time_goes_by(59000);
        bench_beat(&bench);
        bench_acknowledged(&bench);
    }
    bench_expect_states(&bench, "receiving");
    time_goes_by(60000);
    bench_beat(&bench);
    bench_expect_states(&bench, "due");
    cr_expect_str_eq(bench_query(&bench, "SELECT files FROM reception"), "100");
    const char *said = bench_said(&bench);
    cr_expect(strstr(said, "count 100\ndone\n"), "%s", said);
    cr_expect_eq(strstr(said, "done"), strrchr(said, 'd'));
}

Test(quiet, does_not_end_while_an_association_sends) {
    bench_event(&bench, EVENT(.association = 1, .object = 1));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_event(&bench, EVENT(.association = 2, .object = 2));
    cr_assert_eq(bench_commit(&bench), 0);
    time_goes_by(3600000);
    bench_beat(&bench);
    bench_expect_states(&bench, "receiving");
    bench_end(&bench, 1, 2);
    cr_assert_eq(bench_commit(&bench), 0);
    time_goes_by(60000);
    bench_beat(&bench);
    bench_expect_states(&bench, "due");
}

Test(quiet, begins_anew_with_a_late_event) {
    bench_event(&bench, EVENT(.object = 1));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    time_goes_by(50000);
    bench_event(&bench, EVENT(.object = 2));
    cr_assert_eq(bench_commit(&bench), 0);
    time_goes_by(50000);
    bench_beat(&bench);
    bench_expect_states(&bench, "receiving");
    time_goes_by(10000);
    bench_beat(&bench);
    bench_expect_states(&bench, "due");
    cr_expect_str_eq(bench_query(&bench, "SELECT files FROM reception"), "2");
}

Test(quiet, survives_a_restart_and_a_change_of_the_setting) {
    bench_event(&bench, EVENT(.object = 1));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_restart(&bench);
    bench_beat(&bench);
    bench_expect_states(&bench, "receiving");
    bench.settings.series_quiet_ms = 0;
    bench_restart(&bench);
    bench_beat(&bench);
    bench_expect_states(&bench, "due");
}

Test(quiet, is_not_prolonged_by_a_clock_that_was_set_back) {
    bench_event(&bench, EVENT(.object = 1));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    time_goes_by(-3600000);
    bench_beat(&bench);
    bench_expect_states(&bench, "due");
}
