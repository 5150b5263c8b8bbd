/* The last messages of a reception: when, in which order, how many, and their survival. */
#include "notifier/journal/dones.h"

#include <criterion/criterion.h>

#include "notifier/journal/reception.h"
#include "tests/notifier/rig.h"
#include "tests/support/process.h"

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(dones, .init = set_up, .fini = tear_down);

static void receive_and_end(void) {
    rig_event(&rig, EVENT(.object = 1));
    rig_event(&rig, EVENT(.object = 2, .status = 0xC000, .reason = "bad"));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\n");
}

Test(dones, come_after_the_registration_and_the_errors_and_once) {
    receive_and_end();
    rig_expect_said(&rig, "");
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: bad\ndone\n");
    rig_restart(&rig);
    rig_expect_said(&rig, "");
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM error"), "0");
}

Test(dones, wait_for_their_time) {
    receive_and_end();
    int64_t later = journal_now() + RIG_DONE_DELAY_MS;
    journal_run(&rig.journal, SQL_DUE_REGISTERED,
                VALUES(NUMBER(1), NUMBER(journal_now()), TEXT("task"), NUMBER(1), NUMBER(later)));
    rig_expect_said(&rig, "");
    rig_expect_said(&rig, "");
    char *pass = text_of("UPDATE reception SET done = done - %d", RIG_DONE_DELAY_MS);
    rig_query(&rig, pass);
    free(pass);
    rig_expect_said(&rig, "error: bad\ndone\n");
}

Test(dones, do_not_wait_for_a_clock_that_was_set_back) {
    receive_and_end();
    int64_t hour = journal_now() + 3600000;
    journal_run(&rig.journal, SQL_DUE_REGISTERED,
                VALUES(NUMBER(1), NUMBER(hour), TEXT("task"), NUMBER(1), NUMBER(hour)));
    rig_expect_said(&rig, "error: bad\ndone\n");
}

Test(dones, that_nats_has_not_taken_are_said_again_after_a_restart_with_their_errors) {
    receive_and_end();
    rig.takes_nothing = true;
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: bad\ndone\n");
    rig_expect_said(&rig, ""); /* NATS has been given them */
    rig_restart(&rig);
    rig_expect_said(&rig, "error: bad\ndone\n");
    rig.takes_nothing = false;
    rig_restart(&rig);
    rig_expect_said(&rig, "error: bad\ndone\n");
    rig_restart(&rig);
    rig_expect_said(&rig, "");
}

Test(dones, of_a_series_that_turns_out_to_be_impossible_come_at_once_after_its_error) {
    receive_and_end();
    dones_add_error(&rig.journal, 1, "impossible");
    journal_run(&rig.journal, SQL_DUE_REFUSED, VALUES(NUMBER(1), NUMBER(journal_now()), TEXT("impossible")));
    rig_expect_said(&rig, "error: bad\nerror: impossible\ndone\n");
}

Test(dones, of_merged_receptions_are_one_with_the_errors_of_both) {
    receive_and_end();
    rig_event(&rig, EVENT(.object = 3));
    rig_event(&rig, EVENT(.object = 4, .status = 0xC000, .reason = "worse"));
    rig_expect_said(&rig, "count 1\n");
    rig_merge(&rig, 1, 2);
    rig_expect_said(&rig, "");
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: bad\nerror: worse\ndone\n");
}

/* The last part of the other title's subject. */
#define TWIN SERIES_IN_SUBJECT

Test(dones, of_merged_receptions_of_two_titles_are_one_for_each_with_its_own_errors) {
    rig_event(&rig, EVENT(.object = 1, .calling_ae = "TWIN"));
    rig_event(&rig, EVENT(.object = 2, .calling_ae = "TWIN", .status = 0xC000, .reason = "bad"));
    rig_end(&rig, 1, 1);
    rig_event(&rig, EVENT(.object = 3, .association = 2));
    rig_event(&rig, EVENT(.object = 4, .association = 2, .status = 0xC000, .reason = "worse"));
    rig_end(&rig, 1, 2);
    rig_expect_said(&rig, TWIN " count 1\ncount 1\n");
    rig_merge(&rig, 1, 2);
    rig_expect_said(&rig, "");
    rig_restart(&rig);
    rig_expect_said(&rig, "");
    dones_add_error(&rig.journal, 2, "short");
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: worse\nerror: short\ndone\n" TWIN " error: bad\n" TWIN
                                     " error: short\n" TWIN " done\n");
    rig_expect_said(&rig, "");
}

/* Each time with an error. */
static void receive_in_turns(uint64_t first, uint64_t last) {
    static const char *const reasons[] = {"", "first", "second", "third", "fourth"};
    for (uint64_t i = first; i <= last; i++) {
        const char *title = i % 2 ? "TWIN" : NULL;
        rig_event(&rig, EVENT(.object = 2 * i, .association = i, .calling_ae = title));
        rig_event(&rig, EVENT(.object = 2 * i + 1, .association = i, .calling_ae = title, .status = 0xC000,
                              .reason = reasons[i]));
        rig_end(&rig, 1, i);
        rig_expect_said(&rig, title ? TWIN " count 1\n" : "count 1\n");
    }
}

Test(dones, of_titles_that_took_turns_until_all_was_merged_are_one_for_each) {
    receive_in_turns(1, 4);
    for (int64_t older = 3; older >= 1; older--)
        rig_merge(&rig, older, 4);
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: second\nerror: fourth\ndone\n" TWIN " error: first\n" TWIN
                                     " error: third\n" TWIN " done\n");
}

/* For their clients, who know one subject, too. */
Test(dones, of_titles_that_have_one_subject_are_one) {
    for (uint64_t i = 1; i <= 2; i++) {
        const char *title = i == 1 ? "T 1" : "T_1";
        rig_event(&rig, EVENT(.object = 2 * i, .association = i, .calling_ae = title));
        rig_event(&rig, EVENT(.object = 2 * i + 1, .association = i, .calling_ae = title, .status = 0xC000,
                              .reason = i == 1 ? "bad" : "worse"));
        rig_end(&rig, 1, i);
        rig_expect_said(&rig, TWIN " count 1\n");
    }
    rig_merge(&rig, 1, 2);
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), TWIN " error: bad\n" TWIN " error: worse\n" TWIN " done\n");
}

Test(dones, of_a_title_that_comes_again_after_it_was_merged_into_another_are_one) {
    receive_in_turns(1, 2);
    rig_merge(&rig, 1, 2);
    rig_expect_said(&rig, "");
    receive_in_turns(3, 3);
    rig_merge(&rig, 2, 3);
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig),
                     TWIN " error: first\n" TWIN " error: third\n" TWIN " done\nerror: second\ndone\n");
}

Test(dones, say_the_first_hundred_errors_and_count_the_rest) {
    for (uint64_t i = 1; i <= 250; i++)
        rig_event(&rig, EVENT(.object = i, .status = 0xC000, .reason = "bad"));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    const char *said = rig_said(&rig);
    int errors = 0;
    for (const char *at = said; (at = strstr(at, "error: bad\n")); at++)
        errors++;
    cr_expect_eq(errors, 100);
    cr_expect(strstr(said, "error: 150 further errors of this series are left out\ndone\n"), "%s", said);
    cr_expect_str_eq(rig_query(&rig, "SELECT errors FROM reception"), "250");
}

Test(dones, cut_an_error_that_is_too_long) {
    char reason[4000];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    rig_event(&rig, EVENT(.object = 1, .status = 0xC000, .reason = reason));
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_str_eq(rig_query(&rig, "SELECT length(text) FROM error"), "500");
}

Test(dones, are_not_kept_where_no_nats_is_set) {
    receive_and_end();
    rig.settings.nats_address = NULL;
    rig_restart(&rig);
    rig_event(&rig, EVENT(.object = 5, .association = 2, .series = "1.5"));
    rig_event(&rig, EVENT(.object = 6, .association = 2, .series = "1.5", .status = 0xC000));
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_confirm(&rig);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception WHERE done IS NOT NULL"), "0");
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM error"), "0");
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(errors) FROM reception"), "1,1");
}

Test(dones, of_what_an_operator_asked_for_are_not_said) {
    journal_run(&rig.journal, SQL_REGISTER_ADD,
                VALUES(TEXT(AE), TEXT(SERIES), TEXT(FOLDER), TEXT("x"), NUMBER(1), NUMBER(1)));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "");
}

Test(dones, go_with_a_reception_that_expires) {
    receive_and_end();
    rig_query(&rig, "DELETE FROM reception");
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM error"), "0");
}

Test(dones, are_given_to_nats_in_bounded_numbers) {
    rig_query(&rig, "INSERT INTO reception (calling_ae, series_uid, state, folder, began_at, ended_at, done)"
                    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
                    " SELECT 'RAWSCU', '1.' || i, 'registered', 'x', 0, 0, i FROM n");
    rig.takes_nothing = true;
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_eq(rig.said_to_be_done_count, DONES_UNDER_WAY_MAX);
    rig_said(&rig);
    rig.takes_nothing = false;
    for (int i = 0; i < 5; i++)
        cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception WHERE done IS NOT NULL"), "0");
}
