/* A series is over when nothing has come of it for OXIDICOM_SERIES_QUIET. */
#include <criterion/criterion.h>

#include "notifier/journal/reception.h"
#include "tests/notifier/rig.h"

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
    rig.settings.series_quiet_ms = 60000;
    rig_restart(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(quiet, .init = set_up, .fini = tear_down);

/* As if that much time had gone by. */
static void time_goes_by(int64_t ms) {
    char sql[96];
    snprintf(sql, sizeof sql, "UPDATE reception SET quiet_at = quiet_at - %lld", (long long)ms);
    rig_query(&rig, sql);
}

Test(quiet, a_series_waits_for_it_after_its_last_association) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\n");
    rig_expect_told(&rig, "opened 1");
    rig_expect_told(&rig, "ended 1");
    time_goes_by(59000);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    time_goes_by(1000);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "done\n");
    rig_beat(&rig);
    cr_expect_str_eq(rig_said(&rig), "");
}

Test(quiet, many_associations_of_one_object_each_are_one_reception) {
    for (uint64_t i = 1; i <= 100; i++) {
        rig_event(&rig, EVENT(.association = i, .object = i));
        rig_end(&rig, 1, i);
        cr_assert_eq(rig_commit(&rig), 0);
        time_goes_by(59000);
        rig_beat(&rig);
        rig_forget_told(&rig);
    }
    rig_expect_states(&rig, "receiving");
    time_goes_by(60000);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception"), "100");
    rig_confirm(&rig);
    const char *said = rig_said(&rig);
    cr_expect(strstr(said, "count 100\ndone\n"), "%s", said);
    cr_expect_eq(strstr(said, "done"), strrchr(said, 'd'));
}

Test(quiet, does_not_end_while_an_association_sends) {
    rig_event(&rig, EVENT(.association = 1, .object = 1));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_event(&rig, EVENT(.association = 2, .object = 2));
    cr_assert_eq(rig_commit(&rig), 0);
    time_goes_by(3600000);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    time_goes_by(60000);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
}

Test(quiet, begins_anew_with_a_late_event) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    time_goes_by(50000);
    rig_event(&rig, EVENT(.object = 2));
    cr_assert_eq(rig_commit(&rig), 0);
    time_goes_by(50000);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    time_goes_by(10000);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception"), "2");
}

Test(quiet, survives_a_restart_and_a_change_of_the_setting) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_restart(&rig);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    rig.settings.series_quiet_ms = 0;
    rig_restart(&rig);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
}

Test(quiet, is_not_prolonged_by_a_clock_that_was_set_back) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    time_goes_by(-3600000);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
}
