/* The notifier as a process, with kombu's folder as the broker: it is absent as long as the folder's parent is. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "notifier/broker/registrar.h"
#include "notifier/notifier.h"
#include "tests/notifier/site.h"
#include "tests/support/receiver.h"

#define STATES "SELECT group_concat(state, ' ') FROM (SELECT state FROM reception ORDER BY id)"

static site_t site;

static void set_up(void) {
    site_set_up(&site);
}

static void tear_down(void) {
    site_tear_down(&site);
}

TestSuite(notifier, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* A broker that comes when `broker_appears` is called. */
static void let_the_broker_be_absent(void) {
    char *path = text_of("%s/broker", site.folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    site.broker = text_of("filesystem://%s/later/tasks", path);
    free(site.tasks);
    site.tasks = text_of("%s/later/tasks", path);
    free(path);
}

static void broker_appears(void) {
    char *path = text_of("%s/broker/later", site.folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    free(path);
}

static void send_series(uint64_t association, uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; i++)
        site_send_event(&site, EVENT(.association = association, .object = i));
    site_send_last(&site, EVENT(.association = association, .object = last));
}

static void end_association(uint64_t association) {
    char item[32];
    site_send_end(&site, 1, association);
    snprintf(item, sizeof item, "ended:%llu", (unsigned long long)association);
    cr_assert(site_await_told(&site, item), "%s in%s", item, site.told);
}

Test(notifier, registers_a_series_when_its_association_ends) {
    site_start(&site);
    send_series(1, 1, 192);
    cr_expect_eq(site_tasks(&site), 0);
    end_association(1);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 192);
    cr_expect(site_await_query(&site, STATES, "registered", PATIENCE_MS));
    cr_expect_str_eq(site_query(&site, "SELECT ndicom FROM reception WHERE length(task_id) = 36"), "192");
}

Test(notifier, tells_once_that_a_series_is_open_however_many_objects_come) {
    site_start(&site);
    for (uint64_t i = 1; i <= 5000; i++)
        site_send_event(&site, EVENT(.object = i, .file = "same.dcm"));
    site_send_last(&site, EVENT(.object = 5001, .file = "same.dcm"));
    cr_expect_leq(site_told(&site, "opened:1"), 2, "the first, and the one that was sent again");
    cr_expect_neq(site.journal, 0, "it does not name its journal");
}

Test(notifier, a_series_sent_twice_is_registered_twice) {
    site_start(&site);
    send_series(1, 1, 3);
    end_association(1);
    cr_assert(site_await_query(&site, STATES, "registered", PATIENCE_MS));
    for (uint64_t i = 1; i <= 3; i++)
        site_send_event(&site, EVENT(.association = 2, .object = 10 + i,
                                     .file = i == 1   ? "0001-1.2.3.dcm"
                                             : i == 2 ? "0002-1.2.3.dcm"
                                                      : "0003-1.2.3.dcm"));
    site_send_end(&site, 1, 2);
    cr_assert(site_await_tasks(&site, 2, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 3);
    cr_expect_eq(site_take_task(&site), 3);
}

Test(notifier, works_without_a_broker_and_registers_when_it_appears) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 2);
    end_association(1);
    cr_expect_str_eq(site_query(&site, STATES), "due");
    cr_expect(site_await_log(&site, "no connection to the broker", PATIENCE_MS));
    broker_appears();
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 2);
}

Test(notifier, holds_a_due_registration_while_its_series_is_sent_again_and_merges_the_two) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 2);
    end_association(1);
    send_series(2, 3, 3);
    broker_appears();
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
    site_listen(&site, 300);
    cr_expect_eq(site_tasks(&site), 0, "sent while its files are still coming");
    send_series(2, 4, 4);
    end_association(2);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 4);
    cr_expect(site_await_query(&site, STATES, "merged registered", PATIENCE_MS));
}

Test(notifier, other_series_do_not_wait_for_one_that_is_held) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    send_series(2, 2, 2);
    site_send_event(
        &site, EVENT(.association = 3, .object = 3, .series = "1.2.3", .folder = "SERVICES/PACS/RAWSCU/p/s/b"));
    site_send_end(&site, 1, 3);
    broker_appears();
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect(site_await_query(&site, STATES, "due receiving registered", PATIENCE_MS));
}

Test(notifier, a_newer_reception_that_failed_altogether_lets_the_older_one_go) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    site_send_event(&site, EVENT(.association = 2, .object = 2, .status = 0xA700));
    cr_assert(site_await_query(&site, STATES, "due receiving", PATIENCE_MS));
    broker_appears();
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
    end_association(2);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect(site_await_query(&site, STATES, "registered refused", PATIENCE_MS));
}

Test(notifier, receptions_in_different_folders_are_not_merged) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 2);
    end_association(1);
    site_send_event(&site, EVENT(.association = 2, .object = 3, .folder = "SERVICES/PACS/RAWSCU/p/s/other"));
    site_send_end(&site, 1, 2);
    cr_assert(site_await_told(&site, "ended:2"));
    broker_appears();
    cr_assert(site_await_tasks(&site, 2, PATIENCE_MS));
    /* The queue's files are in the order of their times, which may be the same. */
    int first = site_take_task(&site), second = site_take_task(&site);
    cr_expect((first == 2 && second == 1) || (first == 1 && second == 2), "%d and %d files", first, second);
}

Test(notifier, a_registration_that_is_impossible_blocks_nobody) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    char *file = text_of("%s/%s/0001-1.2.3.dcm", site.root, FOLDER);
    cr_assert_eq(unlink(file), 0);
    free(file);
    site_send_event(
        &site, EVENT(.association = 2, .object = 2, .series = "1.2.3", .folder = "SERVICES/PACS/RAWSCU/p/s/b"));
    site_send_end(&site, 1, 2);
    cr_assert(site_await_told(&site, "ended:2"));
    broker_appears();
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect(site_await_query(&site, STATES, "refused registered", PATIENCE_MS));
    cr_expect_str_eq(site_query(&site, "SELECT why FROM reception WHERE state = 'refused'"),
                     "its folder holds no .dcm file");
}

Test(notifier, more_registrations_than_may_be_in_flight_are_all_sent) {
    let_the_broker_be_absent();
    site_start(&site);
    char series[32], folder[64];
    int count = 3 * REGISTRATIONS_IN_FLIGHT;
    for (int i = 1; i <= count; i++) {
        snprintf(series, sizeof series, "1.2.%d", i);
        snprintf(folder, sizeof folder, "SERVICES/PACS/RAWSCU/p/s/%d", i);
        site_send_event(&site, EVENT(.object = (uint64_t)i, .series = series, .folder = folder));
    }
    end_association(1);
    broker_appears();
    cr_assert(site_await_tasks(&site, count, PATIENCE_MS));
    cr_expect(
        site_await_query(&site, "SELECT count(*) FROM reception WHERE state = 'registered'", "192", PATIENCE_MS));
}

Test(notifier, killed_and_started_again_goes_on_where_it_was) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 5);
    site_kill(&site);
    site_start(&site);
    /* Unacknowledged messages come again, and acknowledged ones, too: the files from before the kill may be counted
     * in storage only after the end. */
    send_series(1, 1, 7);
    end_association(1);
    site_kill(&site);
    broker_appears();
    site_start(&site);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 7);
    cr_expect_str_eq(site_query(&site, "SELECT files FROM reception"), "7");
}

/* ZeroMQ's threads have handed over all that the kernel takes: they sleep. */
static bool zeromq_rests(void *unused) {
    (void)unused;
    bool rests = true;
    DIR *tasks = opendir("/proc/self/task");
    cr_assert_not_null(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        size_t size;
        char *path = text_of("/proc/self/task/%s/stat", task->d_name);
        char *stat = *task->d_name == '.' || atoi(task->d_name) == gettid() ? NULL : file_content(path, &size);
        const char *name_end = stat ? strrchr(stat, ')') : NULL;
        rests = rests && (!name_end || name_end[2] == 'S');
        free(stat);
        free(path);
    }
    closedir(tasks);
    return rests;
}

Test(notifier, ends_the_associations_of_a_listener_that_was_replaced) {
    site_start(&site);
    site_send_alive(&site, 1);
    send_series(1, 1, 2);
    /* A late event of the old one still counts. It is heard at once with the new one's Alive. */
    cr_assert_eq(kill(site.notifier, SIGSTOP), 0);
    site_send_alive(&site, 2);
    site_send_event(&site, EVENT(.association = 1, .object = 3));
    cr_assert(await(zeromq_rests, NULL, PATIENCE_MS));
    int64_t replaced_ms = clock_ms();
    cr_assert_eq(kill(site.notifier, SIGCONT), 0);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_geq(clock_ms() - replaced_ms, LISTENER_GRACE_MS - 50);
    cr_expect_eq(site_take_task(&site), 3);
}

Test(notifier, after_a_restart_waits_for_the_listener_before_it_ends_anything) {
    site_start(&site);
    site_send_alive(&site, 1);
    send_series(1, 1, 1);
    site_kill(&site);
    site_start(&site);
    site_listen(&site, LISTENER_GRACE_MS + 500);
    cr_expect_str_eq(site_query(&site, STATES), "receiving");
    site_send_alive(&site, 1);
    site_listen(&site, LISTENER_GRACE_MS + 500);
    cr_expect_str_eq(site_query(&site, STATES), "receiving");
    end_association(1);
    cr_expect(site_await_tasks(&site, 1, PATIENCE_MS));
}

Test(notifier, a_straggler_of_a_listener_nobody_knows_ends_after_the_grace) {
    site_start(&site);
    site_send_alive(&site, 2);
    site_listen(&site, LISTENER_GRACE_MS + 300);
    int64_t came_ms = clock_ms();
    send_series(1, 1, 1); /* of listener 1 */
    cr_expect(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_geq(clock_ms() - came_ms, LISTENER_GRACE_MS - 50);
}

Test(notifier, told_to_end_handles_its_inbox_and_sends_what_is_due) {
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
    end_association(99); /* of no series: the notifier hears us */
    cr_assert_eq(kill(site.notifier, SIGSTOP), 0);
    for (uint64_t i = 1; i <= 300; i++) /* few enough for the kernel */
        site_send_event(&site, EVENT(.object = i));
    site_send_end(&site, 1, 1);
    cr_assert(await(zeromq_rests, NULL, PATIENCE_MS));
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect_eq(site_tasks(&site), 1);
    cr_expect_str_eq(site_query(&site, STATES), "registered");
}

Test(notifier, told_to_end_does_not_wait_for_a_broker_that_is_not_there) {
    let_the_broker_be_absent();
    site.drain_timeout = "1h";
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect_str_eq(site_query(&site, STATES), "due");
}

Test(notifier, a_journal_that_fails_opens_nothing_and_asks_for_it_again) {
    site_start(&site);
    send_series(1, 1, 1);
    uint64_t incarnation = site.notifier_incarnation;
    site_query(&site, "CREATE TRIGGER trap BEFORE INSERT ON sending BEGIN SELECT raise(FAIL, 'trapped'); END");
    site_send_event(&site, EVENT(.association = 2, .object = 2));
    cr_assert(site_await_log(&site, "trapped", PATIENCE_MS));
    site_query(&site, "DROP TRIGGER trap");
    for (int64_t end = clock_ms() + PATIENCE_MS; site.notifier_incarnation == incarnation && clock_ms() < end;)
        site_listen(&site, 20);
    cr_expect_neq(site.notifier_incarnation, incarnation, "the listener would not send it again");
    cr_expect_eq(site_told(&site, "opened:2"), 0);
    send_series(2, 2, 2);
    end_association(1);
    end_association(2);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 2);
}

Test(notifier, messages_that_lack_something_do_not_end_it) {
    site_start(&site);
    event_message_t message;
    event_fill(&message, EVENT(.object = 1));
    message.stored.series = NULL;
    cr_assert_eq(ring_send(site.notifier_inbox, &RING_ENVELOPE(STORED, stored, &message.stored)), 0);
    message.refused.object = NULL;
    cr_assert_eq(ring_send(site.notifier_inbox, &RING_ENVELOPE(REFUSED, refused, &message.refused)), 0);
    send_series(1, 2, 2);
    cr_expect_eq(site_told(&site, "opened:1"), 1);
    cr_expect(site_await_log(&site, "an incomplete ", PATIENCE_MS));
}

Test(notifier, a_confirmation_that_the_journal_does_not_take_is_journaled_later_and_nothing_is_sent_twice) {
    site_start(&site);
    send_series(1, 1, 1);
    site_query(&site, "CREATE TRIGGER trap BEFORE UPDATE ON reception WHEN NEW.state = 'registered'"
                      " BEGIN SELECT raise(FAIL, 'trapped'); END");
    end_association(1);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_assert(site_await_log(&site, "trapped", PATIENCE_MS));
    site_listen(&site, 600); /* two beats, enough for a repetition */
    cr_expect_str_eq(site_query(&site, STATES), "due");
    send_series(2, 2, 2); /* reception goes on */
    site_query(&site, "DROP TRIGGER trap");
    cr_expect(site_await_query(&site, "SELECT state FROM reception WHERE id = 1", "registered", PATIENCE_MS));
    cr_expect_eq(site_tasks(&site), 1);
}

Test(notifier, a_row_that_cannot_be_read_is_refused_and_blocks_nobody) {
    let_the_broker_be_absent();
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    site_send_event(
        &site, EVENT(.association = 2, .object = 2, .series = "1.2.3", .folder = "SERVICES/PACS/RAWSCU/p/s/b"));
    end_association(2);
    site_query(&site, "UPDATE reception SET series = x'FFFFFF' WHERE id = 1");
    broker_appears();
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect(site_await_query(&site, STATES, "refused registered", PATIENCE_MS));
    cr_expect_str_eq(site_query(&site, "SELECT why FROM reception WHERE id = 1"),
                     "its tags can't be read back from the journal");
}

Test(notifier, a_journal_that_is_taken_away_ends_it_and_the_next_begins_a_new_one) {
    site_start(&site);
    send_series(1, 1, 1);
    char *path = text_of("%s/state/journal.sqlite3", site.folder);
    cr_assert_eq(unlink(path), 0);
    free(path);
    int status;
    cr_assert(process_wait(site.notifier, PATIENCE_MS, &status));
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EX_IOERR);
    site.notifier = 0;
    site_start(&site);
    send_series(1, 2, 2);
    end_association(1);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 2, "the folder holds both");
}

/* The next notifier finds series that wait for a second. */
static void start_with_a_short_wait(void) {
    site_query(&site, "UPDATE reception SET quiet_ms = 1000 WHERE state = 'receiving'");
    site_start(&site);
}

Test(notifier, a_series_waits_for_its_quiet_also_over_a_kill) {
    setenv("OXIDICOM_SERIES_QUIET", "1h", 1);
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    site_kill(&site);
    site_start(&site);
    send_series(2, 2, 2);
    end_association(2);
    cr_expect_str_eq(site_query(&site, STATES), "receiving");
    site_kill(&site);
    start_with_a_short_wait();
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 2);
    cr_expect(site_await_query(&site, STATES, "registered", PATIENCE_MS));
}

/* The next one has another setting. */
Test(notifier, told_to_end_leaves_the_wait_of_a_series_to_the_next) {
    setenv("OXIDICOM_SERIES_QUIET", "1h", 1);
    site_start(&site);
    send_series(1, 1, 1);
    end_association(1);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect_str_eq(site_query(&site, STATES), "receiving");
    setenv("OXIDICOM_SERIES_QUIET", "0s", 1);
    site_start(&site);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), 1);
}

/* One object per association, as some PACS send. OXIDICOM_TEST_ASSOCIATIONS: how many. */
Test(notifier, hundreds_of_associations_of_one_object_each_are_one_registration, .timeout = PATIENCE_S) {
    const char *wanted = getenv("OXIDICOM_TEST_ASSOCIATIONS");
    uint64_t count = wanted ? strtoull(wanted, NULL, 10) : 200;
    setenv("OXIDICOM_SERIES_QUIET", "1h", 1);
    site_start(&site);
    for (uint64_t i = 1; i <= count; i++) {
        send_series(i, i, i);
        end_association(i);
    }
    site_kill(&site);
    start_with_a_short_wait();
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), (int64_t)count);
    cr_expect_str_eq(site_query(&site, "SELECT count(*) FROM reception"), "1");
}

/* No file of the notifier may grow beyond this; what the kernel says then is what a full disk or a quota says. */
static void let_files_grow_to(rlim_t bytes) {
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(prlimit(site.notifier, RLIMIT_FSIZE, &limit, NULL), 0);
}

static bool is_open(uint64_t association) {
    char item[32];
    snprintf(item, sizeof item, "opened:%llu", (unsigned long long)association);
    return site_told(&site, item) > 0;
}

/* Each object comes over an association of its own, so that the journal has something to write. */
Test(notifier, a_full_disk_under_the_journal_holds_series_back_and_ends_nothing, .timeout = PATIENCE_S) {
    signal(SIGXFSZ, SIG_IGN); /* the notifier inherits it */
    site_start(&site);
    send_series(1, 1, 1);
    let_files_grow_to(256 * 1024);
    uint64_t last = 1, incarnation = site.notifier_incarnation;
    /* In steps, since it is the sum of all that fills the disk. */
    for (int64_t end = clock_ms() + PATIENCE_MS; site.notifier_incarnation == incarnation && clock_ms() < end;) {
        for (int i = 0; i < 200; i++) {
            last++;
            site_send_event(&site, EVENT(.association = last, .object = last));
        }
        site_listen(&site, 50);
    }
    cr_assert_neq(site.notifier_incarnation, incarnation, "the disk was never full");
    cr_expect_not(is_open(last));
    cr_expect_eq(kill(site.notifier, 0), 0);
    let_files_grow_to(RLIM_INFINITY);
    /* As the listener does when it hears the new incarnation: all objects without an open series, again. */
    site_listen(&site, 300);
    for (uint64_t i = 2; i < last; i++)
        if (!is_open(i))
            site_send_event(&site, EVENT(.association = i, .object = i, .attempt = 2));
    site_send_last(&site, EVENT(.association = last, .object = last));
    for (uint64_t i = 1; i <= last; i++)
        site_send_end(&site, 1, i);
    cr_assert(site_await_tasks(&site, 1, PATIENCE_MS));
    cr_expect_eq(site_take_task(&site), (int64_t)last);
    char *files = text_of("%llu", (unsigned long long)last);
    cr_expect_str_eq(site_query(&site, "SELECT files FROM reception"), files);
    cr_expect_str_eq(site_query(&site, "PRAGMA integrity_check"), "ok");
    free(files);
}
