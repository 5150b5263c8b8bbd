/* Two real notifiers on one storage and one queue: what replicas do with a series that both receive. */
#include "notifier/replicas/replicas.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hash.h"
#include "notifier/replicas/byte_locks.h"
#include "tests/notifier/site.h"
#include "tests/support/http.h"
#include "tests/support/patience.h"
#include "tests/support/receiver.h"

static site_t one, other;
/* Left series are looked at every second. */
static const char *const more[] = {"OXIDICOM_SERIES_QUIET", "0s", "OXIDICOM_ABORT_QUIET", "0s", NULL};

static void set_up(void) {
    site_set_up(&one);
    site_set_up(&other);
    free(other.root);
    free(other.tasks);
    other.root = text_of("%s", one.root);
    other.tasks = text_of("%s", one.tasks);
    one.more = other.more = more;
    one.nats = text_of("127.0.0.1:%d", free_port()); /* nobody is there: what is to be said stays in the journal */
    other.nats = text_of("%s", one.nats);
    site_start(&one);
    site_start(&other);
}

static void tear_down(void) {
    site_tear_down(&other);
    site_tear_down(&one);
}

TestSuite(replicas, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

#define STATE "SELECT group_concat(state || ' ' || ifnull(why, '')) FROM reception"
#define DONE  "SELECT done > 0 FROM reception" /* "": nothing is to be said */
#define LEFT  "due another replica receives the series"

/* Each has received its part, and its series is open; files of the other have other numbers. */
static void receive_from(site_t *site, const char *calling_ae, uint64_t association, uint64_t object) {
    site_send_alive(site, 1);
    site_send_event(site, EVENT(.association = association, .object = object, .calling_ae = calling_ae));
    char *opened = text_of("opened:%d", (int)association);
    cr_assert(site_await_told(site, opened));
    free(opened);
}

static void receive(site_t *site, uint64_t association, uint64_t object) {
    receive_from(site, AE, association, object);
}

static void have_it_left(site_t *site) {
    site_send_end(site, 1, 1);
    cr_assert(site_await_query(site, STATE, LEFT, PATIENCE_MS), "%s", site_query(site, STATE));
}

/* Each receives from its title, and `one` leaves it to the other. `done`: DONE of the former in the end. */
static void expect_registered_once(const char *title, const char *others, const char *done) {
    receive_from(&one, title, 1, 1);
    receive_from(&other, others, 1, 2);
    have_it_left(&one);
    cr_expect_eq(site_tasks(&one), 0);
    site_send_event(&other, EVENT(.object = 3, .calling_ae = others));
    site_send_end(&other, 1, 1);
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 3);
    cr_assert(site_await_query(&one, STATE, "merged registered by another replica", PATIENCE_MS), "%s",
              site_query(&one, STATE));
    cr_expect_eq(site_tasks(&one), 0);
    cr_expect_str_eq(site_query(&one, DONE), done);
    cr_expect(site_await_query(&other, DONE, "1", PATIENCE_MS));
}

Test(replicas, register_a_series_once_after_its_last_file) {
    expect_registered_once(AE, AE, "");
}

/* Titles that are sanitised alike. Only the replica that was sent a title can say the done of that. */
Test(replicas, register_a_series_of_two_titles_with_one_folder_once_and_each_says_done) {
    expect_registered_once("RAWSCU@", AE, "1");
}

Test(replicas, of_titles_that_have_one_subject_say_done_once) {
    expect_registered_once("RAW SCU", "RAW_SCU", "");
}

Test(replicas, register_what_was_left_to_one_that_died) {
    receive(&one, 1, 1);
    receive(&other, 1, 2);
    have_it_left(&one);
    site_kill(&other);
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 2);
    site_start(&other);
    site_send_alive(&other, 2); /* of another listener: the grace, then it registers again */
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 2);
}

Test(replicas, that_end_leave_their_part_to_those_that_go_on) {
    receive(&one, 1, 1);
    receive(&other, 1, 2);
    cr_expect_eq(site_terminate(&one, PATIENCE_MS), 0);
    cr_expect_str_neq(site_query(&one, "SELECT ifnull(note, '') FROM reception"), "");
    site_send_end(&other, 1, 1);
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 2);
    cr_assert(site_await_query(&other, STATE, "registered ", PATIENCE_MS));
    site_start(&one);
    site_send_alive(&one, 2);
    cr_assert(site_await_query(&one, STATE, "merged registered by another replica", PATIENCE_MS), "%s",
              site_query(&one, STATE));
    cr_expect_eq(site_tasks(&one), 0);
}

Test(replicas, take_a_series_again_that_was_left) {
    receive(&one, 1, 1);
    receive(&other, 1, 2);
    have_it_left(&one);
    receive(&one, 2, 3);
    site_send_end(&other, 1, 1);
    cr_assert(site_await_query(&other, STATE, LEFT, PATIENCE_MS), "%s", site_query(&other, STATE));
    site_send_end(&one, 1, 2);
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 3);
    cr_assert(site_await_query(&other, STATE, "merged registered by another replica", PATIENCE_MS), "%s",
              site_query(&other, STATE));
    cr_expect_eq(site_tasks(&one), 0);
}

static bool can_be_opened(void *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0)
        close(file);
    return file >= 0;
}

/* Whether the notifier was asked about the lock is not seen from outside: its beats pass meanwhile. */
Test(replicas, call_no_series_open_before_its_lock_is_shared) {
    char *path = text_of("%s/" REPLICAS_FOLDER "/locks", one.root);
    cr_assert(await(can_be_opened, path, PATIENCE_MS), "%s", path); /* the thread of locks makes it */
    int file = open(path, O_RDWR | O_CLOEXEC);
    /* As releases know it that keyed it by the title, which is the name of the PACS. */
    uint64_t series = hash_end(hash_text(hash_text(HASH_BEGIN, AE), SERIES)) % BYTE_LOCKS_MAX;
    struct flock lock = {.l_type = F_WRLCK, .l_start = (off_t)series, .l_len = 1};
    cr_assert_eq(fcntl(file, F_OFD_SETLK, &lock), 0, "%s", path);
    site_send_alive(&one, 1);
    site_send_event(&one, EVENT(.object = 1));
    cr_assert(site_await_query(&one, "SELECT count(*) FROM sending", "1", PATIENCE_MS));
    site_listen(&one, 500);
    cr_expect_eq(site_told(&one, "opened:1"), 0);
    close(file);
    cr_expect(site_await_told(&one, "opened:1"));
    free(path);
}

Test(replicas, take_their_locks_again_after_a_restart) {
    receive(&one, 1, 1);
    receive(&other, 1, 2);
    site_kill(&one);
    site_start(&one);
    site_send_last(&one, EVENT(.object = 1)); /* told to be open once its lock is shared again */
    have_it_left(&other);
    receive(&one, 2, 3); /* of the same listener */
    site_send_end(&one, 1, 1);
    site_send_end(&one, 1, 2);
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 3);
    cr_assert(site_await_query(&other, STATE, "merged registered by another replica", PATIENCE_MS));
    cr_expect_eq(site_tasks(&one), 0);
}

Test(replicas, say_that_the_file_of_their_locks_was_removed_while_they_hold_one) {
    char *path = text_of("%s/" REPLICAS_FOLDER "/locks", one.root);
    receive(&one, 1, 1);
    cr_assert_eq(unlink(path), 0);
    /* It is looked after when a lock is taken, now and then. */
    for (uint64_t i = 2; !site_await_log(&one, "the file of locks in storage (", 100); i++) {
        char *series = text_of("1.%d", (int)i);
        site_send_event(&one, EVENT(.association = i, .object = i, .series = series));
        free(series);
    }
    free(path);
}

/* The metrics are measured with each beat. */
static bool counts_no_locks(void *port) {
    int status;
    char *text = http_get(*(int *)port, "/metrics", NULL, &status);
    bool none = metric_in(text, "oxidicom_replica_locks") == 0;
    free(text);
    return none;
}

Test(replicas, register_what_they_receive_where_storage_has_no_locks_and_say_so) {
    char *place = text_of("%s/" REPLICAS_FOLDER, one.root), *aside = text_of("%s.aside", place);
    int number = free_port();
    char *port = text_of("%d", number);
    const char *const served[] = {
        "OXIDICOM_SERIES_QUIET", "0s", "OXIDICOM_ABORT_QUIET", "0s", "OXIDICOM_HTTP_PORT", port, NULL};
    site_kill(&one);
    cr_assert_eq(rename(place, aside), 0);
    FILE *file = fopen(place, "w");
    cr_assert(file && fclose(file) == 0);
    one.more = served;
    site_start(&one);
    cr_assert(site_await_log(&one, " has no locks that other replicas could see (", PATIENCE_MS));
    receive(&other, 1, 2);
    receive(&one, 1, 1);
    site_send_end(&one, 1, 1);
    cr_assert(site_await_tasks(&one, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&one), 2);
    cr_expect(await(counts_no_locks, &number, PATIENCE_MS));
    free(port);
    free(place);
    free(aside);
}
