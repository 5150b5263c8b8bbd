/* Progress through a real nats-server: absent, late, dying; never in the way of the rest. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "notifier/progress/publisher.h"
#include "tests/notifier/site.h"
#include "tests/support/servers.h"
#include "tests/support/tap.h"

static site_t site;
static nats_server_t server;
static tap_t *tap;

static void set_up(void) {
    site_set_up(&site);
    server.port = free_port();
    site.nats = text_of("127.0.0.1:%d", server.port);
}

static void tear_down(void) {
    site_tear_down(&site);
    if (tap)
        tap_destroy(&tap);
    if (server.pid)
        nats_server_stop(&server);
}

TestSuite(nats, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

static void server_appears(void) {
    nats_server_start(&server, server.port);
    tap = tap_new(server.port);
}

/* Before that, progress is lost. */
static void start_connected(void) {
    server_appears();
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to NATS", PATIENCE_MS));
}

static void send_files(uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; i++)
        site_send_event(&site, EVENT(.object = i));
    site_send_last(&site, EVENT(.object = last));
}

static lonk_summary_t await_count(int64_t count) {
    lonk_summary_t summary;
    for (int64_t end = clock_ms() + PATIENCE_MS;
         (summary = tap_summary_of(tap, SUBJECT)).last_count < count && clock_ms() < end;)
        site_listen(&site, 10);
    return summary;
}

static void end_association(void) {
    site_send_end(&site, 1, 1);
    cr_assert(site_await_told(&site, "ended:1"));
}

static void expect_complete(int64_t count, int errors) {
    cr_assert(tap_await_done(tap, SUBJECT, 1, PATIENCE_MS), "no done");
    lonk_summary_t summary = tap_summary_of(tap, SUBJECT);
    cr_expect_null(summary.disorder, "%s", summary.disorder);
    cr_expect_eq(summary.last_count, count);
    cr_expect_eq(summary.errors, errors);
    cr_expect_eq(summary.dones, 1);
}

Test(nats, hears_counts_errors_and_done) {
    start_connected();
    int64_t begin_ms = clock_ms();
    send_files(1, 500);
    site_send_event(&site, EVENT(.object = 501, .status = 0xC000));
    end_association();
    expect_complete(500, 1);
    int64_t took_ms = clock_ms() - begin_ms;
    cr_expect_leq(tap_summary_of(tap, SUBJECT).counts, took_ms / 50 + 2, "the interval is not kept in %lld ms",
                  (long long)took_ms);
}

/* As another replica does. */
Test(nats, hears_how_many_files_were_registered_where_others_stored_some) {
    start_connected();
    send_files(1, 2);
    char *path = text_of("%s/%s/0009-1.2.9.dcm", site.root, FOLDER);
    FILE *file = fopen(path, "w");
    cr_assert(file && fclose(file) == 0, "%s", path);
    free(path);
    end_association();
    expect_complete(3, 0);
}

Test(nats, pending_count_comes_without_further_events) {
    start_connected();
    send_files(1, 10);
    lonk_summary_t summary = await_count(10);
    cr_expect_eq(summary.last_count, 10);
    cr_expect_eq(summary.dones, 0);
}

Test(nats, absent_at_first_does_not_hold_anything_up) {
    site_start(&site);
    send_files(1, 20);
    end_association();
    cr_expect(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect(site_await_log(&site, "NATS is not there yet", PATIENCE_MS));
}

Test(nats, appearing_later_hears_of_what_comes_then) {
    site_start(&site);
    cr_expect(site_await_log(&site, "NATS is not there yet", PATIENCE_MS));
    send_files(1, 2);
    server_appears();
    cr_expect(site_await_log(&site, "connected to NATS", PATIENCE_MS));
    send_files(3, 5);
    end_association();
    cr_assert(tap_await_done(tap, SUBJECT, 1, PATIENCE_MS));
    cr_expect_eq(tap_summary_of(tap, SUBJECT).last_count, 5);
}

Test(nats, dying_does_not_hold_anything_up_and_is_found_again) {
    start_connected();
    cr_expect(site_await_log(&site, "connected to NATS", PATIENCE_MS));
    send_files(1, 3);
    tap_destroy(&tap);
    nats_server_stop(&server);
    cr_expect(site_await_log(&site, "the connection to NATS is lost", PATIENCE_MS));
    send_files(4, 6);
    server_appears();
    send_files(7, 7);
    end_association();
    cr_assert(tap_await_done(tap, SUBJECT, 1, PATIENCE_MS));
    cr_expect_eq(tap_summary_of(tap, SUBJECT).last_count, 7);
    cr_expect(site_await_tasks(&site, 1, PATIENCE_MS));
}

Test(nats, hears_the_last_words_before_the_end) {
    start_connected();
    cr_expect(site_await_log(&site, "connected to NATS", PATIENCE_MS));
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS)); /* an end waits for none */
    send_files(1, 100);
    end_association();
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect_not(site_await_log(&site, "the connection to NATS is lost", 0), "nobody lost what we ended");
    expect_complete(100, 0);
}

Test(nats, address_with_scheme_and_password_is_used_and_not_logged) {
    nats_server_start(&server, server.port);
    tap = tap_new(server.port);
    free(site.nats);
    site.nats = text_of("nats://someone:s3cret@127.0.0.1:%d", server.port);
    site_start(&site);
    send_files(1, 1);
    end_association();
    expect_complete(1, 0);
    cr_expect_not(site_await_log(&site, "s3cret", 0));
}

Test(nats, hears_of_a_series_that_turns_out_to_be_impossible_to_register) {
    char *place = text_of("%s/broker", site.folder), *folder = text_of("%s/later", place);
    cr_assert_eq(mkdir(place, 0700), 0);
    site.broker = text_of("filesystem://%s/tasks", folder);
    start_connected();
    send_files(1, 1);
    end_association();
    char *file = text_of("%s/%s/0001-1.2.3.dcm", site.root, FOLDER);
    cr_assert_eq(unlink(file), 0);
    cr_assert_eq(mkdir(folder, 0700), 0); /* now the broker is there */
    cr_assert(site_await_query(&site, "SELECT state FROM reception", "refused", PATIENCE_MS));
    expect_complete(1, 1);
    free(file);
    free(folder);
    free(place);
}

static bool has_counted(void *wanted) {
    return tap_summary_of(tap, SUBJECT).last_count == *(int64_t *)wanted;
}

Test(nats, hears_errors_when_all_counts_have_been_said) {
    start_connected();
    site_send_event(&site, EVENT(.object = 1, .status = 0xC000));
    send_files(2, 4);
    cr_assert(await(has_counted, &(int64_t){3}, PATIENCE_MS));
    cr_expect_eq(tap_summary_of(tap, SUBJECT).errors, 0, "CUBE's clients listen no further than to the first");
    end_association();
    expect_complete(3, 1);
}

Test(nats, hears_of_done_when_the_broker_has_the_series) {
    char *place = text_of("%s/broker", site.folder), *folder = text_of("%s/later", place);
    cr_assert_eq(mkdir(place, 0700), 0);
    site.broker = text_of("filesystem://%s/tasks", folder);
    start_connected();
    send_files(1, 2);
    end_association();
    cr_assert(await(has_counted, &(int64_t){2}, PATIENCE_MS));
    site_listen(&site, 1500); /* longer than OXIDICOM_DONE_DELAY */
    cr_expect_eq(tap_summary_of(tap, SUBJECT).dones, 0);
    cr_assert_eq(mkdir(folder, 0700), 0);
    expect_complete(2, 0);
    free(folder);
    free(place);
}

Test(nats, hears_of_two_receptions_that_became_one_once_with_the_errors_of_both) {
    char *place = text_of("%s/broker", site.folder), *folder = text_of("%s/later", place);
    cr_assert_eq(mkdir(place, 0700), 0);
    site.broker = text_of("filesystem://%s/tasks", folder);
    start_connected();
    for (uint64_t i = 1; i <= 2; i++) {
        char *ended = text_of("ended:%d", (int)i);
        site_send_event(&site, EVENT(.association = i, .object = 2 * i));
        site_send_event(&site, EVENT(.association = i, .object = 2 * i + 1, .status = 0xC000));
        site_send_end(&site, 1, i);
        cr_assert(site_await_told(&site, ended));
        free(ended);
    }
    cr_assert_eq(mkdir(folder, 0700), 0);
    cr_assert(tap_await_done(tap, SUBJECT, 1, PATIENCE_MS), "no done");
    cr_assert(site_await_query(&site, "SELECT group_concat(state) FROM reception WHERE done IS NULL",
                               "merged,registered", PATIENCE_MS));
    expect_complete(2, 2);
    free(folder);
    free(place);
}

/* Titles that are sanitised alike. */
Test(nats, hears_of_done_for_each_of_two_titles_whose_series_is_one_folder_and_registered_once) {
    static const char *const subjects[] = {SUBJECT, "oxidicom.RAWSCU@." SERIES_IN_SUBJECT};
    start_connected();
    for (uint64_t i = 1; i <= 2; i++) {
        site_send_event(&site, EVENT(.association = i, .object = 2 * i, .calling_ae = i == 1 ? AE : "RAWSCU@"));
        site_send_event(&site, EVENT(.association = i, .object = 2 * i + 1, .calling_ae = i == 1 ? AE : "RAWSCU@",
                                     .status = 0xC000));
    }
    site_send_end(&site, 1, 1);
    cr_assert(site_await_query(&site, "SELECT group_concat(state) FROM reception", "due,receiving", PATIENCE_MS));
    site_send_event(&site, EVENT(.association = 2, .object = 6, .calling_ae = "RAWSCU@"));
    site_send_end(&site, 1, 2);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(tap_await_done(tap, subjects[i], 1, PATIENCE_MS), "no done of %s", subjects[i]);
        lonk_summary_t summary = tap_summary_of(tap, subjects[i]);
        cr_expect_eq(summary.last_count, 3);
        cr_expect_eq(summary.errors, 1);
        cr_expect_null(summary.disorder, "%s", summary.disorder);
    }
    cr_expect_eq(site_tasks(&site), 1);
    cr_expect_eq(site_take_task(&site), 3);
    cr_expect(site_await_query(&site, "SELECT group_concat(state) FROM reception WHERE done IS NULL",
                               "merged,registered", PATIENCE_MS));
}

Test(nats, hears_of_done_once_though_the_notifier_dies_between_confirm_and_done) {
    setenv("OXIDICOM_DONE_DELAY", "1h", 1);
    start_connected();
    send_files(1, 2);
    end_association();
    cr_assert(site_await_query(&site, "SELECT state FROM reception", "registered", PATIENCE_MS));
    cr_expect_eq(await_count(2).dones, 0); /* cnats writes later, and its unwritten bytes die with it */
    site_kill(&site);
    setenv("OXIDICOM_DONE_DELAY", "0s", 1);
    site_start(&site);
    expect_complete(2, 0);
    cr_expect(site_await_query(&site, "SELECT count(*) FROM reception WHERE done IS NULL", "1", PATIENCE_MS));
    site_kill(&site);
    site_start(&site);
    site_listen(&site, 1000);
    expect_complete(2, 0);
}

Test(nats, that_takes_nothing_loses_progress_and_nothing_else) {
    setenv("OXIDICOM_DEV_SLEEP", "60s", 1);
    start_connected();
    for (uint64_t i = 1; i <= LONK_QUEUE_MESSAGES + 1000; i++)
        site_send_event(&site, EVENT(.object = i, .status = 0xC000, .series = ""));
    cr_expect(site_await_log(&site, "since the queue is full", PATIENCE_MS));
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0, "the end does not pause between messages");
}
