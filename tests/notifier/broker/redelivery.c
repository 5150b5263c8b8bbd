/* Events and ends twice, out of order, and late from a process that was thought dead. */
#include <criterion/criterion.h>

#include "notifier/journal/reception.h"
#include "tests/notifier/rig.h"

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(redelivery, .init = set_up, .fini = tear_down);

static const event_t SENT[] = {
    {.association = 1, .object = 1}, {.association = 1, .object = 2},
    {.association = 2, .object = 3}, {.association = 1, .object = 4, .status = 0xC000},
    {.association = 2, .object = 5}, {.association = 1, .object = 6},
};
#define SENT_COUNT (sizeof SENT / sizeof *SENT)

static void expect_one_reception_of_five_files(void) {
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(state || files || errors) FROM reception"), "due51");
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM sending"), "0");
}

Test(redelivery, each_message_twice_in_one_transaction_counts_once) {
    for (size_t i = 0; i < SENT_COUNT; i++) {
        rig_event(&rig, &SENT[i]);
        rig_event(&rig, &SENT[i]);
    }
    for (uint64_t association = 1; association <= 2; association++) {
        rig_end(&rig, 1, association);
        rig_end(&rig, 1, association);
    }
    rig_expect_said(&rig, "count 1\ncount 2\ncount 3\ncount 4\ncount 5\n");
    rig_expect_told(&rig, "opened 1 2");
    rig_expect_told(&rig, "ended 1 1 2 2");
    expect_one_reception_of_five_files();
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "error: StudyDate is missing\ndone\n");
}

Test(redelivery, each_message_again_after_a_restart_counts_once) {
    for (size_t i = 0; i < SENT_COUNT; i++) {
        rig_event(&rig, &SENT[i]);
        cr_assert_eq(rig_commit(&rig), 0);
        rig_restart(&rig);
        if (SENT[i].status)
            continue; /* the listener has it from the writer, and sends such an object no more */
        rig_event(&rig, &SENT[i]);
        cr_assert_eq(rig_commit(&rig), 0);
    }
    for (uint64_t association = 1; association <= 2; association++)
        for (int again = 0; again < 2; again++) {
            rig_end(&rig, 1, association);
            cr_assert_eq(rig_commit(&rig), 0);
            rig_restart(&rig);
        }
    expect_one_reception_of_five_files();
}

Test(redelivery, the_order_of_events_does_not_matter) {
    /* Every rotation, forwards and backwards, each in a journal of its own. */
    for (size_t turn = 0; turn < 2 * SENT_COUNT; turn++) {
        for (size_t i = 0; i < SENT_COUNT; i++) {
            size_t at = (i + turn) % SENT_COUNT;
            rig_event(&rig, &SENT[turn < SENT_COUNT ? at : SENT_COUNT - 1 - at]);
            cr_assert_eq(rig_commit(&rig), 0);
        }
        rig_end(&rig, 1, 1 + turn % 2);
        rig_end(&rig, 1, 2 - turn % 2);
        cr_assert_eq(rig_commit(&rig), 0);
        expect_one_reception_of_five_files();
        rig_tear_down(&rig);
        rig_set_up(&rig);
    }
}

Test(redelivery, of_everything_from_a_writer_thought_dead_after_the_end_changes_nothing) {
    for (size_t i = 0; i < SENT_COUNT; i++)
        rig_event(&rig, &SENT[i]);
    rig_end(&rig, 1, 1);
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_said(&rig);
    rig_forget_told(&rig);
    for (size_t i = SENT_COUNT; i-- > 0;)
        rig_event(&rig, &SENT[i]);
    rig_end(&rig, 1, 2);
    rig_expect_said(&rig, "");
    rig_expect_told(&rig, "ended 2");
    expect_one_reception_of_five_files();
}

Test(redelivery, the_ends_before_the_events_make_late_receptions_and_lose_nothing) {
    rig_end(&rig, 1, 1);
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_forget_told(&rig);
    for (size_t i = 0; i < SENT_COUNT; i++)
        rig_event(&rig, &SENT[i]);
    rig_expect_said(&rig, "count 1\ncount 2\ncount 3\ncount 4\ncount 5\n");
    expect_one_reception_of_five_files();
}

Test(redelivery, a_refusal_that_follows_the_success_of_another_attempt_does_not_undo_it) {
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_forget_told(&rig);
    rig_event(&rig, EVENT(.object = 1, .status = 0xA700, .reason = "the disk is full"));
    rig_end(&rig, 1, 1);
    rig_expect_said(&rig, "count 1\n");
    rig_expect_told(&rig, "ended 1");
    rig_expect_states(&rig, "due");
}
