/* Events and ends twice, out of order, and late from a process that was thought dead. */
#include <criterion/criterion.h>

#include "notifier/journal/reception.h"
#include "tests/notifier/bench.h"

static bench_t bench;

static void set_up(void) {
    bench_set_up(&bench);
}

static void tear_down(void) {
    bench_tear_down(&bench);
}

TestSuite(redelivery, .init = set_up, .fini = tear_down);

static const event_t SENT[] = {
    {.association = 1, .object = 1}, {.association = 1, .object = 2},
    {.association = 2, .object = 3}, {.association = 1, .object = 4, .status = 0xC000},
    {.association = 2, .object = 5}, {.association = 1, .object = 6},
};
#define SENT_COUNT (sizeof SENT / sizeof *SENT)

static void expect_one_reception_of_five_files(void) {
    cr_expect_str_eq(bench_query(&bench, "SELECT group_concat(state || files || errors) FROM reception"), "due51");
    cr_expect_str_eq(bench_query(&bench, "SELECT count(*) FROM event"), "6");
    cr_expect_str_eq(bench_query(&bench, "SELECT count(*) FROM sending"), "0");
}

Test(redelivery, each_message_twice_in_one_transaction_counts_once) {
    for (size_t i = 0; i < SENT_COUNT; i++) {
        bench_event(&bench, &SENT[i]);
        bench_event(&bench, &SENT[i]);
    }
    for (uint64_t association = 1; association <= 2; association++) {
        bench_end(&bench, 1, association);
        bench_end(&bench, 1, association);
    }
    bench_expect_said(&bench, "count 1\ncount 2\ncount 3\nerror: StudyDate is missing\ncount 4\ncount 5\ndone\n");
    bench_expect_acknowledged(&bench,
                              "objects 1:0000 1:0000 2:0000 2:0000 3:0000 3:0000 4:C000 4:C000 5:0000 5:0000 6:0000"
                              " 6:0000 ends 1 1 2 2");
    expect_one_reception_of_five_files();
}

Test(redelivery, each_message_again_after_a_restart_counts_once) {
    for (size_t i = 0; i < SENT_COUNT; i++) {
        bench_event(&bench, &SENT[i]);
        cr_assert_eq(bench_commit(&bench), 0);
        bench_restart(&bench);
        bench_event(&bench, &SENT[i]);
        cr_assert_eq(bench_commit(&bench), 0);
    }
    for (uint64_t association = 1; association <= 2; association++)
        for (int again = 0; again < 2; again++) {
            bench_end(&bench, 1, association);
            cr_assert_eq(bench_commit(&bench), 0);
            bench_restart(&bench);
        }
    expect_one_reception_of_five_files();
}

Test(redelivery, the_order_of_events_does_not_matter) {
    /* Every rotation, forwards and backwards, each in a journal of its own. */
    for (size_t turn = 0; turn < 2 * SENT_COUNT; turn++) {
        for (size_t i = 0; i < SENT_COUNT; i++) {
            size_t at = (i + turn) % SENT_COUNT;
            bench_event(&bench, &SENT[turn < SENT_COUNT ? at : SENT_COUNT - 1 - at]);
            cr_assert_eq(bench_commit(&bench), 0);
        }
        bench_end(&bench, 1, 1 + turn % 2);
        bench_end(&bench, 1, 2 - turn % 2);
        cr_assert_eq(bench_commit(&bench), 0);
        expect_one_reception_of_five_files();
        bench_tear_down(&bench);
        bench_set_up(&bench);
    }
}

Test(redelivery, of_everything_from_a_writer_thought_dead_after_the_end_changes_nothing) {
    for (size_t i = 0; i < SENT_COUNT; i++)
        bench_event(&bench, &SENT[i]);
    bench_end(&bench, 1, 1);
    bench_end(&bench, 1, 2);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_said(&bench);
    bench_acknowledged(&bench);
    for (size_t i = SENT_COUNT; i-- > 0;)
        bench_event(&bench, &SENT[i]);
    bench_end(&bench, 1, 2);
    bench_expect_said(&bench, "");
    bench_expect_acknowledged(&bench, "objects 6:0000 5:0000 4:C000 3:0000 2:0000 1:0000 ends 2");
    expect_one_reception_of_five_files();
}

Test(redelivery, the_ends_before_the_events_make_late_receptions_and_lose_nothing) {
    bench_end(&bench, 1, 1);
    bench_end(&bench, 1, 2);
    cr_assert_eq(bench_commit(&bench), 0);
    bench_acknowledged(&bench);
    for (size_t i = 0; i < SENT_COUNT; i++)
        bench_event(&bench, &SENT[i]);
    bench_expect_said(&bench, "count 1\ncount 2\ncount 3\nerror: StudyDate is missing\ncount 4\ncount 5\ndone\n");
    expect_one_reception_of_five_files();
}

Test(redelivery, a_refusal_that_follows_the_success_of_another_attempt_does_not_undo_it) {
    bench_event(&bench, EVENT(.object = 1));
    cr_assert_eq(bench_commit(&bench), 0);
    bench_acknowledged(&bench);
    bench_event(&bench, EVENT(.object = 1, .status = 0xA700, .reason = "the disk is full"));
    bench_end(&bench, 1, 1);
    bench_expect_said(&bench, "count 1\ndone\n");
    bench_expect_acknowledged(&bench, "objects 1:0000 ends 1");
    bench_expect_states(&bench, "due");
}
