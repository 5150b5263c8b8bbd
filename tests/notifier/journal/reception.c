#include "notifier/journal/reception.h"

#include <criterion/criterion.h>

#include "common/metrics.h"
#include "common/settings.h"
#include "tests/notifier/rig.h"
#include "tests/support/process.h"

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(reception, .init = set_up, .fini = tear_down);

Test(reception, is_due_when_its_association_has_ended) {
    rig_event(&rig, EVENT(.object = 1));
    rig_event(&rig, EVENT(.object = 2));
    rig_expect_said(&rig, "count 1\ncount 2\n");
    rig_expect_told(&rig, "opened 1");
    rig_expect_states(&rig, "receiving");
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "");
    rig_expect_told(&rig, "ended 1");
    rig_expect_states(&rig, "due");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception"), "2");
}

Test(reception, lasts_until_the_last_of_several_associations_has_ended) {
    for (uint64_t association = 1; association <= 4; association++)
        rig_event(&rig, EVENT(.association = association, .object = association));
    rig_end(&rig, 1, 2);
    rig_end(&rig, 1, 1);
    rig_end(&rig, 1, 4);
    rig_expect_said(&rig, "count 1\ncount 2\ncount 3\ncount 4\n");
    rig_expect_states(&rig, "receiving");
    rig_end(&rig, 1, 3);
    rig_expect_said(&rig, "");
    rig_expect_states(&rig, "due");
}

Test(reception, counts_distinct_files) {
    rig_event(&rig, EVENT(.object = 1, .file = "a.dcm"));
    rig_event(&rig, EVENT(.object = 2, .file = "a.dcm"));
    rig_event(&rig, EVENT(.object = 3, .file = "b.dcm"));
    rig_expect_said(&rig, "count 1\ncount 2\n");
}

/* Each of these is a message of its own; the journal hears of the first alone. */
Test(reception, is_journaled_once_for_all_objects_of_an_association) {
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    int changes = sqlite3_total_changes(rig.journal.db);
    for (uint64_t i = 2; i <= 100; i++) {
        rig_event(&rig, EVENT(.object = i));
        cr_expect_not(rig.journal.open, "object %d is looked up in the journal", (int)i);
        cr_assert_eq(rig_commit(&rig), 0);
    }
    cr_expect_eq(sqlite3_total_changes(rig.journal.db), changes);
    rig_expect_told(&rig, "opened 1");
    rig_expect_told(&rig, "");
    rig_event(&rig, EVENT(.object = 101, .association = 2));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 2");
}

Test(reception, is_told_again_to_be_open_where_an_object_was_sent_again) {
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 1");
    rig_event(&rig, EVENT(.object = 1, .attempt = 2));
    rig_expect_said(&rig, "count 1\n");
    rig_expect_told(&rig, "opened 1");
}

Test(reception, is_told_to_be_open_only_when_that_is_committed) {
    rig_event(&rig, EVENT(.object = 1));
    rig_expect_told(&rig, "");
    rig_query(&rig, "SELECT 1");
    journal_run(&rig.journal, SQL_RECEPTION_SET_COUNTS, NULL, 0);
    rig.journal.broken = true; /* as a full disk would */
    cr_expect_neq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "");
    rig_event(&rig, EVENT(.object = 1, .attempt = 2));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 1");
}

Test(reception, an_event_seen_before_counts_once) {
    rig_event(&rig, EVENT(.object = 1));
    rig_event(&rig, EVENT(.object = 2, .status = 0xC000));
    rig_expect_said(&rig, "count 1\n");
    rig_expect_told(&rig, "opened 1");
    rig_event(&rig, EVENT(.object = 1, .status = 0xA700));
    rig_event(&rig, EVENT(.object = 2, .status = 0xC000));
    rig_event(&rig, EVENT(.object = 1));
    rig_expect_said(&rig, "");
    rig_expect_told(&rig, "");
    rig_restart(&rig);
    rig_event(&rig, EVENT(.object = 1, .attempt = 2));
    rig_expect_said(&rig, "");
    rig_expect_told(&rig, "opened 1");
    cr_expect_str_eq(rig_query(&rig, "SELECT files || ' ' || errors FROM reception"), "1 1");
}

Test(reception, the_same_object_number_of_another_listener_is_another_object) {
    rig_event(&rig, EVENT(.listener = 1, .object = 1));
    rig_event(&rig, EVENT(.listener = 2, .object = 1, .file = "b.dcm"));
    rig_expect_said(&rig, "count 1\ncount 2\n");
    rig_expect_told(&rig, "opened 1");
    rig_expect_told(&rig, "@2 opened 1");
    rig_expect_told(&rig, "");
}

Test(reception, of_which_every_instance_failed_is_done_and_not_registered) {
    rig_event(&rig, EVENT(.object = 1, .status = 0xC000, .reason = "one"));
    rig_event(&rig, EVENT(.object = 2, .status = 0xC000, .reason = "two"));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "error: one\nerror: two\ndone\n");
    rig_expect_states(&rig, "refused");
    cr_expect_str_eq(rig_query(&rig, "SELECT why FROM reception"), "nothing was stored");
}

Test(reception, with_some_failures_is_registered) {
    rig_event(&rig, EVENT(.object = 1, .status = 0xC000));
    rig_event(&rig, EVENT(.object = 2));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\n");
    rig_expect_states(&rig, "due");
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: StudyDate is missing\ndone\n");
}

Test(reception, an_unknown_series_has_errors_and_no_done) {
    rig_event(&rig, EVENT(.series = "", .status = 0xC000));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "UNKNOWN error: StudyDate is missing\n");
    rig_expect_told(&rig, "ended 1");
    rig_expect_states(&rig, "NULL");
}

Test(reception, names_how_many_files_are_in_another_folder) {
    rig_event(&rig, EVENT(.object = 1));
    rig_event(&rig, EVENT(.object = 2, .folder = "SERVICES/PACS/RAWSCU/p/s/other"));
    rig_event(&rig, EVENT(.object = 3, .folder = "SERVICES/PACS/RAWSCU/p/s/other", .file = "0001-1.2.3.dcm"));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\ncount 2\ncount 3\n");
    rig_expect_states(&rig, "due");
    rig_confirm(&rig);
    cr_expect_str_eq(
        rig_said(&rig),
        "error: 2 of 3 files of this series are in another folder than its first file and are not registered\n"
        "done\n");
    cr_expect_str_eq(rig_query(&rig, "SELECT folder FROM reception"), FOLDER);
}

static int64_t elsewhere;

static void add_elsewhere(void *self, const metric_sample_t *sample) {
    (void)self;
    if (sample->metric == METRIC_FILES_ELSEWHERE)
        elsewhere += sample->value;
}

Test(reception, counts_files_in_other_folders_its_own_and_those_of_earlier_ones) {
    metrics_start(FOR_NOTIFIER);
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    rig_confirm(&rig);
    cr_expect_eq(journal_number(&rig.journal, SQL_RECEPTION_ELSEWHERE, VALUES(NUMBER(1)), 0), 0);
    static const char other[] = "SERVICES/PACS/RAWSCU/p/s/other";
    rig_event(&rig, EVENT(.object = 4, .association = 2, .folder = other));
    rig_event(&rig, EVENT(.object = 5, .association = 2));
    rig_event(&rig, EVENT(.object = 6, .association = 2));
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_eq(journal_number(&rig.journal, SQL_RECEPTION_ELSEWHERE, VALUES(NUMBER(2)), 0), 3);
    cr_expect_eq(journal_number(&rig.journal, SQL_RECEPTION_ELSEWHERE, VALUES(NUMBER(1)), 0), 0);
    metrics_visit(add_elsewhere, NULL);
    cr_expect_eq(elsewhere, 3);
}

Test(reception, counts_files_of_the_same_pacs_from_other_titles_in_other_folders) {
    static const char other[] = "SERVICES/PACS/RAWSCU/p/s/other", of_another_pacs[] = "SERVICES/PACS/RAW/p/s/1";
    rig_event(&rig, EVENT(.object = 1, .calling_ae = "RAWSCU2", .folder = other));
    rig_event(&rig, EVENT(.object = 2, .association = 2, .calling_ae = "RAW", .folder = of_another_pacs));
    rig_event(&rig, EVENT(.object = 3, .association = 3));
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_eq(journal_number(&rig.journal, SQL_RECEPTION_ELSEWHERE, VALUES(NUMBER(3)), 0), 1);
}

Test(reception, that_cube_would_never_take_is_refused_with_an_error_before_done) {
    rig_event(&rig, EVENT(.folder = "SERVICES/PACS/OTHER/p/s/x"));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\nerror: this series can't be registered: its folder does not begin with"
                          " SERVICES/PACS/{pacs_name}/\ndone\n");
    rig_expect_states(&rig, "refused");
}

Test(reception, one_series_from_two_calling_aes_is_two_receptions) {
    rig_event(&rig, EVENT(.object = 1, .association = 1, .calling_ae = "ONE"));
    rig_event(&rig, EVENT(.object = 2, .association = 2, .calling_ae = "TWO"));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_states(&rig, "due receiving");
}

Test(reception, several_series_of_one_association_end_together) {
    rig_event(&rig, EVENT(.object = 1, .series = "1.1"));
    rig_event(&rig, EVENT(.object = 2, .series = "1.2"));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_states(&rig, "due due");
}

Test(reception, an_association_without_events_is_acknowledged_and_remembered) {
    rig_end(&rig, 1, 7);
    rig_expect_said(&rig, "");
    rig_expect_told(&rig, "ended 7");
    rig_end(&rig, 1, 7);
    rig_expect_said(&rig, "");
    rig_expect_told(&rig, "ended 7");
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(association) FROM ended"), "7");
}

Test(reception, waits_for_what_is_still_to_be_heard_of_its_last_objects) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end_of(&rig, EVENT(0), 3, 1);
    rig_expect_said(&rig, "count 1\n");
    rig_expect_told(&rig, "opened 1");
    rig_expect_states(&rig, "receiving");
    rig_event(&rig, EVENT(.object = 2));
    rig_event(&rig, EVENT(.object = 3));
    rig_event(&rig, EVENT(.object = 3, .attempt = 2)); /* it counts once */
    rig_expect_said(&rig, "count 2\ncount 3\n");
    rig_end_of(&rig, EVENT(0), 3, 1); /* it is said each second */
    rig_expect_states(&rig, "receiving");
    rig_event(&rig, EVENT(.object = 4, .status = 0xC000));
    rig_expect_said(&rig, "");
    rig_expect_states(&rig, "due");
    cr_expect_str_eq(rig_query(&rig, "SELECT files || ' ' || errors FROM reception"), "3 1");
}

static bool is_due(void *unused) {
    (void)unused;
    rig_beat(&rig);
    return strcmp(rig_query(&rig, "SELECT state FROM reception"), "due") == 0;
}

Test(reception, waits_no_longer_than_for_a_moment_for_what_never_comes) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end_of(&rig, EVENT(0), 2, 0);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_forget_told(&rig);
    cr_expect(await(is_due, NULL, PATIENCE_MS));
    rig_expect_told(&rig, "ended 1");
}

Test(reception, late_events_are_one_reception_of_their_own) {
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\n");
    rig_event(&rig, EVENT(.object = 2));
    rig_event(&rig, EVENT(.object = 3));
    rig_expect_said(&rig, "count 1\ncount 2\n");
    rig_expect_states(&rig, "due due");
}

Test(reception, a_late_event_joins_a_reception_that_others_still_send) {
    rig_end(&rig, 1, 1);
    rig_event(&rig, EVENT(.association = 2, .object = 2));
    rig_event(&rig, EVENT(.association = 1, .object = 1));
    rig_expect_said(&rig, "count 1\ncount 2\n");
    rig_expect_states(&rig, "receiving");
    rig_end(&rig, 1, 2);
    rig_expect_said(&rig, "");
    rig_expect_states(&rig, "due");
}

Test(reception, open_associations_survive_a_restart) {
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_restart(&rig);
    rig_expect_states(&rig, "receiving");
    rig_event(&rig, EVENT(.object = 2));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_states(&rig, "due");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception"), "2");
}

Test(reception, associations_of_a_listener_that_is_gone_end_together) {
    rig_event(&rig, EVENT(.listener = 5, .association = 1, .object = 1, .series = "1.1"));
    rig_event(&rig, EVENT(.listener = 5, .association = 2, .object = 2, .series = "1.2"));
    rig_event(&rig, EVENT(.listener = 6, .association = 1, .object = 1, .series = "1.2", .file = "b.dcm"));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_said(&rig);
    reception_close_other_listeners(&rig.journal, rig.owed, 6);
    rig_expect_said(&rig, "");
    rig_expect_states(&rig, "due receiving");
    /* Its stragglers do not wait for an end that will not come. */
    rig_event(&rig, EVENT(.listener = 5, .association = 1, .object = 3, .series = "1.1"));
    rig_expect_said(&rig, "1_1 count 1\n");
    rig_end(&rig, 6, 1);
    rig_expect_said(&rig, "");
    rig_expect_states(&rig, "due due due");
}

Test(reception, messages_that_lack_something_are_not_usable) {
    event_message_t message;
    event_fill(&message, EVENT(.status = 0xC000));
    cr_expect(reception_stored_usable(&message.stored));
    cr_expect(reception_refused_usable(&message.refused));
    message.refused.status = 0;
    cr_expect_not(reception_refused_usable(&message.refused));
    message.stored.n_objects = 0;
    cr_expect_not(reception_stored_usable(&message.stored));
    event_fill(&message, EVENT(.object = 1));
    message.stored.token = 0;
    cr_expect_not(reception_stored_usable(&message.stored));
    event_fill(&message, EVENT(.object = 1));
    message.stored.listener = 0;
    cr_expect_not(reception_stored_usable(&message.stored));
    event_fill(&message, EVENT(.series = ""));
    cr_expect_not(reception_stored_usable(&message.stored));
    event_fill(&message, EVENT(.folder = ""));
    cr_expect_not(reception_stored_usable(&message.stored));
    event_fill(&message, EVENT(.file = ""));
    cr_expect_not(reception_stored_usable(&message.stored));
    message.stored.series = NULL;
    cr_expect_not(reception_stored_usable(&message.stored));
}
