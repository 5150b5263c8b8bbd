#include "notifier/journal/reception.h"

#include <criterion/criterion.h>

#include "tests/notifier/bench.h"

static bench_t bench;

static void set_up(void) {
    bench_set_up(&bench);
}

static void tear_down(void) {
    bench_tear_down(&bench);
}

TestSuite(reception, .init = set_up, .fini = tear_down);

Test(reception, is_due_when_its_association_has_ended) {
    bench_event(&bench, EVENT(.object = 1));
    bench_event(&bench, EVENT(.object = 2));
    bench_expect_said(&bench, "count 1\ncount 2\n");
    bench_expect_acknowledged(&bench, "objects 1:0000 2:0000 ends");
    bench_expect_states(&bench, "receiving");
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "done\n");
    bench_expect_acknowledged(&bench, "objects ends 1");
    bench_expect_states(&bench, "due");
    cr_expect_str_eq(bench_query(&bench, "SELECT count(*) FROM file"), "0");
}

Test(reception, lasts_until_the_last_of_several_associations_has_ended) {
    for (uint64_t association = 1; association <= 4; association++)
        bench_event(&bench, EVENT(.association = association, .object = association));
    bench_end(&bench, 1, 2);
    bench_end(&bench, 1, 1);
    bench_end(&bench, 1, 4);
    bench_expect_said(&bench, "count 1\ncount 2\ncount 3\ncount 4\n");
    bench_expect_states(&bench, "receiving");
    bench_end(&bench, 1, 3);
    bench_expect_said(&bench, "done\n");
    bench_expect_states(&bench, "due");
}

Test(reception, counts_distinct_files) {
    bench_event(&bench, EVENT(.object = 1, .file = "a.dcm"));
    bench_event(&bench, EVENT(.object = 2, .file = "a.dcm"));
    bench_event(&bench, EVENT(.object = 3, .file = "b.dcm"));
    bench_expect_said(&bench, "count 1\ncount 2\n");
    bench_expect_acknowledged(&bench, "objects 1:0000 2:0000 3:0000 ends");
}

Test(reception, an_event_seen_before_is_only_acknowledged_again) {
    bench_event(&bench, EVENT(.object = 1));
    bench_event(&bench, EVENT(.object = 2, .status = 0xC000));
    bench_expect_said(&bench, "count 1\nerror: StudyDate is missing\n");
    bench_expect_acknowledged(&bench, "objects 1:0000 2:C000 ends");
    bench_restart(&bench);
    bench_event(&bench, EVENT(.object = 1, .status = 0xA700));
    bench_event(&bench, EVENT(.object = 2));
    bench_expect_said(&bench, "");
    bench_expect_acknowledged(&bench, "objects 1:0000 2:C000 ends");
    cr_expect_str_eq(bench_query(&bench, "SELECT files || ' ' || errors FROM reception"), "1 1");
}

Test(reception, the_same_object_number_of_another_listener_is_another_object) {
    bench_event(&bench, EVENT(.listener = 1, .object = 1));
    bench_event(&bench, EVENT(.listener = 2, .object = 1, .file = "b.dcm"));
    bench_expect_said(&bench, "count 1\ncount 2\n");
    bench_expect_acknowledged(&bench, "objects 1:0000 ends");
    bench_expect_acknowledged(&bench, "@2 objects 1:0000 ends");
    bench_expect_acknowledged(&bench, "");
}

Test(reception, of_which_every_instance_failed_is_done_and_not_registered) {
    bench_event(&bench, EVENT(.object = 1, .status = 0xC000, .reason = "one"));
    bench_event(&bench, EVENT(.object = 2, .status = 0xC000, .reason = "two"));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "error: one\nerror: two\ndone\n");
    bench_expect_states(&bench, "refused");
    cr_expect_str_eq(bench_query(&bench, "SELECT why FROM reception"), "nothing was stored");
}

Test(reception, with_some_failures_is_registered) {
    bench_event(&bench, EVENT(.object = 1, .status = 0xC000));
    bench_event(&bench, EVENT(.object = 2));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "error: StudyDate is missing\ncount 1\ndone\n");
    bench_expect_states(&bench, "due");
}

Test(reception, an_unknown_series_has_errors_and_no_done) {
    bench_event(&bench, EVENT(.series = "", .status = 0xC000));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "UNKNOWN error: StudyDate is missing\n");
    bench_expect_acknowledged(&bench, "objects 1:C000 ends 1");
    bench_expect_states(&bench, "NULL");
}

Test(reception, names_how_many_files_are_in_another_folder) {
    bench_event(&bench, EVENT(.object = 1));
    bench_event(&bench, EVENT(.object = 2, .folder = "SERVICES/PACS/RAWSCU/p/s/other"));
    bench_event(&bench, EVENT(.object = 3, .folder = "SERVICES/PACS/RAWSCU/p/s/other", .file = "0001-1.2.3.dcm"));
    bench_end(&bench, 1, 1);
    bench_expect_said(
        &bench,
        "count 1\ncount 2\ncount 3\n"
        "error: 2 of 3 files of this series are in another folder than its first file and are not registered\n"
        "done\n");
    bench_expect_states(&bench, "due");
    cr_expect_str_eq(bench_query(&bench, "SELECT folder FROM reception"), FOLDER);
}

Test(reception, that_cube_would_never_take_is_refused_with_an_error_before_done) {
    bench_event(&bench, EVENT(.folder = "SERVICES/PACS/OTHER/p/s/x"));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "count 1\nerror: this series can't be registered: its folder does not begin with"
                              " SERVICES/PACS/{pacs_name}/\ndone\n");
    bench_expect_states(&bench, "refused");
}

Test(reception, one_series_from_two_calling_aes_is_two_receptions) {
    bench_event(&bench, EVENT(.object = 1, .association = 1, .calling_ae = "ONE"));
    bench_event(&bench, EVENT(.object = 2, .association = 2, .calling_ae = "TWO"));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_expect_states(&bench, "due receiving");
}

Test(reception, several_series_of_one_association_end_together) {
    bench_event(&bench, EVENT(.object = 1, .series = "1.1"));
    bench_event(&bench, EVENT(.object = 2, .series = "1.2"));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_expect_states(&bench, "due due");
}

Test(reception, an_association_without_events_is_acknowledged_and_remembered) {
    bench_end(&bench, 1, 7);
    bench_expect_said(&bench, "");
    bench_expect_acknowledged(&bench, "objects ends 7");
    bench_end(&bench, 1, 7);
    bench_expect_said(&bench, "");
    bench_expect_acknowledged(&bench, "objects ends 7");
    cr_expect_str_eq(bench_query(&bench, "SELECT group_concat(association) FROM ended"), "7");
}

Test(reception, late_events_are_one_reception_of_their_own) {
    bench_event(&bench, EVENT(.object = 1));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "count 1\ndone\n");
    bench_event(&bench, EVENT(.object = 2));
    bench_event(&bench, EVENT(.object = 3));
    bench_expect_said(&bench, "count 1\ncount 2\ndone\n");
    bench_expect_states(&bench, "due due");
}

Test(reception, a_late_event_joins_a_reception_that_others_still_send) {
    bench_end(&bench, 1, 1);
    bench_event(&bench, EVENT(.association = 2, .object = 2));
    bench_event(&bench, EVENT(.association = 1, .object = 1));
    bench_expect_said(&bench, "count 1\ncount 2\n");
    bench_expect_states(&bench, "receiving");
    bench_end(&bench, 1, 2);
    bench_expect_said(&bench, "done\n");
    bench_expect_states(&bench, "due");
}

Test(reception, open_associations_survive_a_restart) {
    bench_event(&bench, EVENT(.object = 1));
    cr_assert_eq(bench_commit(&bench), 0);
    bench_restart(&bench);
    bench_expect_states(&bench, "receiving");
    bench_event(&bench, EVENT(.object = 2));
    bench_end(&bench, 1, 1);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_expect_states(&bench, "due");
    cr_expect_str_eq(bench_query(&bench, "SELECT files FROM reception"), "2");
}

Test(reception, associations_of_a_listener_that_is_gone_end_together) {
    bench_event(&bench, EVENT(.listener = 5, .association = 1, .object = 1, .series = "1.1"));
    bench_event(&bench, EVENT(.listener = 5, .association = 2, .object = 2, .series = "1.2"));
    bench_event(&bench, EVENT(.listener = 6, .association = 1, .object = 1, .series = "1.2", .file = "b.dcm"));
    cr_assert_eq(bench_commit(&bench), 0);
    bench_said(&bench);
    reception_close_other_listeners(&bench.journal, bench.batch, 6);
    bench_expect_said(&bench, "1_1 done\n");
    bench_expect_states(&bench, "due receiving");
    /* Its stragglers do not wait for an end that will not come. */
    bench_event(&bench, EVENT(.listener = 5, .association = 1, .object = 3, .series = "1.1"));
    bench_expect_said(&bench, "1_1 count 1\n1_1 done\n");
    bench_end(&bench, 6, 1);
    bench_expect_said(&bench, "1_2 done\n");
    bench_expect_states(&bench, "due due due");
}

Test(reception, messages_that_lack_something_are_not_usable) {
    event_message_t message;
    event_fill(&message, EVENT(.status = 0xC000));
    cr_expect(reception_stored_usable(&message.stored));
    cr_expect(reception_refused_usable(&message.refused));
    message.refused.status = 0;
    cr_expect_not(reception_refused_usable(&message.refused));
    message.stored.object = NULL;
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
