#include "notifier/progress/progress.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/progress/lonk.h"

static char *said;
static size_t said_size;
static FILE *out;
static progress_t *progress;

static void write_down(void *self, const char *subject, const void *payload, size_t size) {
    (void)self;
    const uint8_t *bytes = payload;
    fprintf(out, "%s ", subject + strlen("r.AE."));
    if (bytes[0] == LONK_COUNT)
        fprintf(out, "%d;", bytes[1] | bytes[2] << 8);
    else
        fprintf(out, "%.*s;", (int)size - 1, bytes + 1);
}

static bool write_down_done(void *self, const lonk_final_t *final) {
    (void)self;
    fprintf(out, "%s done;", final->subject + strlen("r.AE."));
    return true;
}

static int64_t interrupted_ms;

static int64_t when_interrupted(void *self) {
    (void)self;
    return interrupted_ms;
}

static void set_up(void) {
    out = open_memstream(&said, &said_size);
    progress = progress_new("r", 500, (progress_sink_t){write_down, write_down_done, when_interrupted, NULL});
}

static void tear_down(void) {
    progress_destroy(&progress);
    fclose(out);
    free(said);
}

static void count(int64_t reception, const char *series, uint32_t files, int64_t now_ms) {
    progress_count(progress, reception, "AE", series, files, now_ms);
}

static void expect(const char *wanted) {
    fflush(out);
    cr_expect_str_eq(said, wanted);
}

TestSuite(progress, .init = set_up, .fini = tear_down);

Test(progress, first_count_is_said_at_once) {
    count(1, "a", 1, 1000);
    expect("a 1;");
}

Test(progress, counts_within_the_interval_become_one) {
    for (uint32_t i = 1; i <= 10; i++)
        count(1, "a", i, 1000 + i);
    expect("a 1;");
    cr_expect_eq(progress_flush(progress, 1010), 491);
    expect("a 1;");
    cr_expect_eq(progress_flush(progress, 1501), -1);
    expect("a 1;a 10;");
}

Test(progress, a_count_after_a_quiet_interval_is_said_at_once) {
    count(1, "a", 1, 1000);
    count(1, "a", 2, 1500);
    expect("a 1;a 2;");
    count(1, "a", 3, 1999);
    expect("a 1;a 2;");
    cr_expect_eq(progress_flush(progress, 1999), 1);
}

Test(progress, the_last_count_is_said_at_the_end_and_done_when_it_is_due) {
    count(1, "a", 1, 1000);
    count(1, "a", 2, 1001);
    progress_end(progress, 1, "AE", "a", 2);
    expect("a 1;a 2;");
    cr_expect_eq(progress_flush(progress, 9000), -1, "nothing may come after the last count");
    cr_expect(progress_done(progress, &(lonk_final_t){.reception = 1}, "AE", "a"));
    expect("a 1;a 2;a done;");
}

Test(progress, last_count_is_not_said_twice) {
    count(1, "a", 1, 1000);
    progress_end(progress, 1, "AE", "a", 1);
    expect("a 1;");
}

Test(progress, a_last_count_that_an_interruption_may_have_lost_is_said_again) {
    count(1, "a", 1, 1000);
    interrupted_ms = 1000;
    progress_end(progress, 1, "AE", "a", 1);
    expect("a 1;a 1;");
    count(2, "b", 1, 1001);
    progress_end(progress, 2, "AE", "b", 1);
    expect("a 1;a 1;b 1;");
    progress_end(progress, 3, "AE", "c", 0);
    expect("a 1;a 1;b 1;");
}

Test(progress, an_end_without_files_has_no_count) {
    progress_end(progress, 1, "AE", "a", 0);
    expect("");
}

Test(progress, the_end_of_a_reception_from_before_a_restart_says_its_count) {
    progress_end(progress, 1, "AE", "a", 7);
    expect("a 7;");
}

Test(progress, errors_of_no_series_are_said_at_once) {
    for (int i = 0; i < 2; i++)
        progress_error(progress, "AE", "bad");
    expect("UNKNOWN bad;UNKNOWN bad;");
}

Test(progress, series_do_not_wait_for_one_another) {
    count(1, "a", 1, 1000);
    count(2, "b", 1, 1300);
    count(2, "b", 2, 1301);
    count(1, "a", 2, 1302); /* pending later, due earlier */
    cr_expect_eq(progress_flush(progress, 1500), 300);
    expect("a 1;b 1;a 2;");
    cr_expect_eq(progress_flush(progress, 1800), -1);
    expect("a 1;b 1;a 2;b 2;");
}

Test(progress, the_next_reception_of_a_series_begins_at_once) {
    count(1, "a", 1, 1000);
    progress_end(progress, 1, "AE", "a", 1);
    count(2, "a", 1, 1001);
    expect("a 1;a 1;");
}

Test(progress, pending_counts_are_said_before_the_end) {
    count(1, "a", 1, 1000);
    count(1, "a", 2, 1001);
    progress_destroy(&progress);
    expect("a 1;a 2;");
}

Test(progress, interval_of_zero_says_every_count) {
    progress_destroy(&progress);
    progress = progress_new("r", 0, (progress_sink_t){write_down, write_down_done, when_interrupted, NULL});
    for (uint32_t i = 1; i <= 3; i++)
        count(1, "a", i, 1000);
    expect("a 1;a 2;a 3;");
}
