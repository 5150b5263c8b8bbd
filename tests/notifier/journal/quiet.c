/* A series waits for another association once the last that sent it has ended. */
#include "notifier/journal/quiet.h"

#include <criterion/criterion.h>

#include "notifier/journal/reception.h"
#include "tests/notifier/rig.h"

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
    rig.settings.series_quiet_ms = 60000;
    rig.settings.abort_quiet_ms = 600000;
    rig_restart(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(quiet, .init = set_up, .fini = tear_down);

/* A test may take so long until what waits for that much longer is due. */
#define MARGIN_MS 30000

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
    time_goes_by(60000 - MARGIN_MS);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    time_goes_by(MARGIN_MS);
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
        time_goes_by(60000 - MARGIN_MS);
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

static void send_and_end(uint64_t association, Ring__Ending ending) {
    rig_event(&rig, EVENT(.association = association, .object = association));
    rig_end_as(&rig, 1, association, ending);
    cr_assert_eq(rig_commit(&rig), 0);
}

static void expect_waits_for(int64_t ms, const char *why) {
    time_goes_by(ms - MARGIN_MS);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    cr_expect_str_eq(rig_query(&rig, "SELECT why FROM reception"), why);
    time_goes_by(MARGIN_MS);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
    cr_expect_str_eq(rig_query(&rig, "SELECT why FROM reception"), "NULL");
}

Test(quiet, lasts_longer_after_an_abort) {
    send_and_end(1, RING__ENDING__ENDING_ABORTED);
    expect_waits_for(600000, "the last association was aborted");
}

Test(quiet, lasts_longer_after_a_timeout) {
    send_and_end(1, RING__ENDING__ENDING_TIMED_OUT);
    expect_waits_for(600000, "the last association timed out");
}

Test(quiet, lasts_longer_after_a_lost_connection) {
    send_and_end(1, RING__ENDING__ENDING_CONNECTION_LOST);
    expect_waits_for(600000, "the last association lost its connection");
}

Test(quiet, lasts_longer_where_an_older_listener_does_not_say_how) {
    send_and_end(1, RING__ENDING__ENDING_UNKNOWN);
    expect_waits_for(600000, "the end of the last association is not known");
}

Test(quiet, lasts_longer_after_the_death_of_the_listener) {
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    reception_close_other_listeners(&rig.journal, rig.owed, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    expect_waits_for(600000, "the last association died with its listener");
}

Test(quiet, after_an_abort_is_over_with_the_release_of_another_association) {
    send_and_end(1, RING__ENDING__ENDING_ABORTED);
    time_goes_by(100000);
    send_and_end(2, RING__ENDING__ENDING_RELEASED);
    expect_waits_for(60000, "the last association was released");
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) || ' ' || max(files) FROM reception"), "1 2");
    rig_confirm(&rig);
    const char *said = rig_said(&rig);
    cr_expect_str_eq(said, "count 1\ncount 2\ndone\n");
}

/* The aborted peer sends the rest again. */
Test(quiet, after_an_abort_is_not_cut_short_by_one_that_was_open_then) {
    rig_event(&rig, EVENT(.association = 1, .object = 1));
    rig_event(&rig, EVENT(.association = 2, .object = 2));
    rig_end_as(&rig, 1, 1, RING__ENDING__ENDING_ABORTED);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    expect_waits_for(600000, "an earlier association was aborted");
}

Test(quiet, of_0s_registers_at_once) {
    rig.settings.abort_quiet_ms = 0;
    rig_restart(&rig);
    send_and_end(1, RING__ENDING__ENDING_ABORTED);
    rig_expect_states(&rig, "due");
    rig.settings.abort_quiet_ms = 600000;
    rig.settings.series_quiet_ms = 0;
    rig_restart(&rig);
    rig_confirm(&rig);
    send_and_end(2, RING__ENDING__ENDING_RELEASED);
    rig_expect_states(&rig, "registered due");
    cr_expect_eq(quiet_next_ms(&rig.journal), 0);
}

Test(quiet, is_known_to_the_timer_which_awaits_the_first) {
    cr_expect_eq(quiet_next_ms(&rig.journal), 0, "nobody waits");
    send_and_end(1, RING__ENDING__ENDING_ABORTED);
    rig_event(&rig, EVENT(.association = 2, .object = 2, .series = "1.2"));
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    int64_t ms = quiet_next_ms(&rig.journal);
    cr_expect(ms > 0 && ms <= 60000, "%lld", (long long)ms);
    time_goes_by(60000);
    cr_expect_eq(quiet_next_ms(&rig.journal), 1);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving due");
    ms = quiet_next_ms(&rig.journal);
    cr_expect(ms > 60000 && ms <= 540000, "%lld", (long long)ms);
}

/* Its writer was slower than the listener's patience: the peer was told A700, and sends again. */
Test(quiet, begins_anew_with_a_late_event) {
    send_and_end(1, RING__ENDING__ENDING_RELEASED);
    time_goes_by(60000 - MARGIN_MS);
    rig_event(&rig, EVENT(.object = 2));
    cr_assert_eq(rig_commit(&rig), 0);
    expect_waits_for(600000, "the end of the last association is not known");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception"), "2");
}

Test(quiet, survives_a_restart_and_a_change_of_the_setting) {
    send_and_end(1, RING__ENDING__ENDING_RELEASED);
    time_goes_by(60000 - MARGIN_MS);
    rig_restart(&rig);
    rig_beat(&rig);
    rig_expect_states(&rig, "receiving");
    int64_t ms = quiet_next_ms(&rig.journal);
    cr_expect(ms > 0 && ms <= MARGIN_MS, "the wait goes on: %lld", (long long)ms);
    cr_assert_eq(journal_commit(&rig.journal), 0);
    time_goes_by(-30000);
    rig.settings.series_quiet_ms = rig.settings.abort_quiet_ms = 0;
    rig_restart(&rig);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
}

Test(quiet, that_ended_while_nothing_ran_begins_anew) {
    send_and_end(1, RING__ENDING__ENDING_ABORTED);
    time_goes_by(3600000);
    rig_restart(&rig);
    rig_beat(&rig);
    expect_waits_for(600000, "the last association was aborted");
}

Test(quiet, is_not_prolonged_by_a_clock_that_was_set_back) {
    send_and_end(1, RING__ENDING__ENDING_RELEASED);
    time_goes_by(-3600000);
    cr_expect_eq(quiet_next_ms(&rig.journal), 1);
    rig_beat(&rig);
    rig_expect_states(&rig, "due");
}
