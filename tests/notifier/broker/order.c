/* Registrations that share a folder which CUBE does not know yet go one at a time; nobody else waits for them. */
#include "notifier/broker/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "notifier/broker/due_walk.h"
#include "notifier/journal/expiry.h"
#include "tests/notifier/rig.h"
#include "tests/notifier/site.h"
#include "tests/support/receiver.h"

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(order, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

static void expect_order(const char *folder, order_t wanted, const char *wanted_folder) {
    char *new_folder;
    cr_expect_eq(order_new_folder(&rig.journal, folder, &new_folder), wanted, "%s", folder);
    cr_expect_str_eq(new_folder ? new_folder : "", wanted_folder);
    free(new_folder);
}

/* As if CUBE had had time enough for the learned folders. */
static void let_time_pass(void) {
    cr_assert_eq(journal_commit(&rig.journal), 0);
    rig_query(&rig, "UPDATE known SET since = since - 1000");
}

Test(order, the_topmost_folder_below_which_nothing_was_registered_is_new) {
    expect_order("SERVICES/PACS/A/p/s/1", ORDER_NEW, "SERVICES/PACS/A");
    order_learn(&rig.journal, "SERVICES/PACS/A/p/s/1", false);
    let_time_pass();
    expect_order("SERVICES/PACS/A/p/s/2", ORDER_KNOWN, "");
    expect_order("SERVICES/PACS/A/p/t/1", ORDER_NEW, "SERVICES/PACS/A/p/t");
    expect_order("SERVICES/PACS/A/q/s/1", ORDER_NEW, "SERVICES/PACS/A/q");
    expect_order("SERVICES/PACS/B/p/s/1", ORDER_NEW, "SERVICES/PACS/B");
    cr_assert_eq(journal_commit(&rig.journal), 0);
}

/* A busy machine may need a second for it; once it does not. */
static bool is_fresh_once(void) {
    for (int i = 0; i < 100; i++) {
        char *folder = text_of("SERVICES/PACS/A/p/%d/1", i), *new_folder;
        order_learn(&rig.journal, folder, false);
        order_t order = order_new_folder(&rig.journal, folder, &new_folder);
        free(new_folder);
        free(folder);
        if (order == ORDER_FRESH)
            return true;
    }
    return false;
}

Test(order, what_cube_has_had_no_time_for_is_fresh_also_after_a_restart) {
    order_learn(&rig.journal, "SERVICES/PACS/A/p/s/1", false);
    let_time_pass();
    cr_expect(is_fresh_once());
    expect_order("SERVICES/PACS/A/p/s/2", ORDER_KNOWN, "");
    cr_assert_eq(journal_commit(&rig.journal), 0);
    rig_restart(&rig);
    cr_expect_str_eq(rig_query(&rig, "SELECT since - used_at FROM known WHERE folder = 'SERVICES/PACS/A/p/0'"),
                     "1000");
}

Test(order, a_clock_that_was_set_back_keeps_nobody_waiting) {
    order_learn(&rig.journal, "SERVICES/PACS/A/p/s/1", false);
    cr_assert_eq(journal_commit(&rig.journal), 0);
    rig_query(&rig, "UPDATE known SET since = since + 3600000");
    expect_order("SERVICES/PACS/A/p/s/2", ORDER_KNOWN, "");
    cr_assert_eq(journal_commit(&rig.journal), 0);
}

Test(order, only_so_many_folders_are_remembered_and_those_used_last) {
    order_learn(&rig.journal, "SERVICES/PACS/A/p/s/1", false);
    cr_assert_eq(journal_commit(&rig.journal), 0);
    rig_query(&rig, "INSERT INTO known WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                    " WHERE i < 100007) SELECT 'SERVICES/PACS/B/' || i, 0, i FROM n");
    expiry_t expiry = {0};
    expiry_beat(&expiry, &rig.journal, 1000);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) || ' ' || min(used_at) FROM known"), "100000 11");
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM known WHERE folder GLOB 'SERVICES/PACS/A*'"), "3");
}

Test(order, a_journal_of_an_earlier_release_teaches_what_it_has_registered) {
    char *path = text_of("%s/journal.sqlite3", rig.settings.state_dir);
    journal_close(&rig.journal);
    cr_assert_eq(remove(path), 0);
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(sqlite3_exec(db, JOURNAL_MIGRATIONS[i], NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "PRAGMA user_version = 5;"
                              "INSERT INTO reception (calling_ae, series_uid, state, folder, began_at, settled_at)"
                              " VALUES ('A', '1', 'registered', 'SERVICES/PACS/A/p/s/1', 1, 2),"
                              " ('A', '2', 'registered', 'SERVICES/PACS/A/p/t/1', 1, 3),"
                              " ('A', '3', 'due', 'SERVICES/PACS/B/p/t/1', 1, NULL)",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_expect_str_eq(
        rig_query(&rig, "SELECT group_concat(folder || ' ' || used_at) FROM (SELECT * FROM known ORDER BY folder)"),
        "SERVICES/PACS/A 3,SERVICES/PACS/A/p 3,SERVICES/PACS/A/p/s 2,SERVICES/PACS/A/p/t 3");
    free(path);
}

/* --- the walk -------------------------------------------------------------------------------------------- */

static void add_due(const char *pacs, int count) {
    char *sql = text_of("INSERT INTO reception (calling_ae, series_uid, state, folder, began_at)"
                        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                        " SELECT '%s', '%s.' || i, 'due', 'SERVICES/PACS/%s/p/s/' || i, 0 FROM n",
                        count, pacs, pacs, pacs);
    rig_query(&rig, sql);
    free(sql);
}

static int64_t next_of(due_walk_t *walk) {
    int64_t reception = due_walk_next(walk, &rig.journal);
    cr_assert_eq(journal_commit(&rig.journal), 0);
    return reception;
}

Test(order, any_number_that_waits_for_one_folder_keeps_nobody_else_waiting_for_long) {
    add_due("A", 200000);
    add_due("B", 1);
    due_walk_t walk = {0};
    due_walk_begin(&walk);
    int steps = 0;
    int64_t reception;
    while ((reception = next_of(&walk)) != 0 && reception != 200001 && steps++ < 1000)
        due_walk_pass_over(&walk, "SERVICES/PACS/A");
    cr_expect_eq(reception, 200001);
    cr_expect_lt(steps, 50);
    cr_expect_eq(next_of(&walk), 0);
    due_walk_clear(&walk);
}

Test(order, the_oldest_go_first) {
    add_due("B", 1);
    add_due("A", 1);
    due_walk_t walk = {0};
    due_walk_begin(&walk);
    for (int64_t i = 1; i <= 2; i++)
        cr_expect_eq(next_of(&walk), i);
    cr_expect_eq(next_of(&walk), 0);
    due_walk_clear(&walk);
}

/* The first of B that a walk comes to when all of A wait. */
static int64_t first_of_b(due_walk_t *walk) {
    due_walk_begin(walk);
    for (int64_t reception; (reception = next_of(walk)) != 0;) {
        if (reception > 100)
            return reception;
        due_walk_pass_over(walk, "SERVICES/PACS/A");
    }
    return 0;
}

Test(order, each_walk_by_folder_goes_on_where_the_one_before_ended) {
    add_due("A", 100);
    add_due("B", 5);
    due_walk_t walk = {0};
    for (int64_t i = 1; i <= 5; i++)
        cr_expect_eq(first_of_b(&walk), 100 + i);
    cr_expect_eq(first_of_b(&walk), 101);
    int count = 1;
    while (next_of(&walk) != 0)
        count++;
    cr_expect_eq(count, 5, "each of B once");
    due_walk_clear(&walk);
}

/* --- the notifier ---------------------------------------------------------------------------------------- */

static site_t site;

static void site_up(void) {
    site_set_up(&site);
}

static void site_down(void) {
    site_tear_down(&site);
}

TestSuite(order_of_registrations, .init = site_up, .fini = site_down, .timeout = PATIENCE_S);

/* Series of these folders, which all become due at once. */
static void send_folders(const char *const *folders) {
    uint64_t association = site.last_series + 1;
    for (uint64_t i = 0; folders[i]; i++) {
        char *series = text_of("1.%d", (int)i), *folder = text_of("SERVICES/PACS/%s", folders[i]);
        site_send_last(&site, EVENT(.object = ++site.last_series, .association = association, .series = series,
                                    .folder = folder));
        free(series);
        free(folder);
    }
    site_send_end(&site, 1, association);
}

static void expect_all_registered(const char *count) {
    cr_assert(
        site_await_query(&site, "SELECT count(*) FROM reception WHERE state = 'registered'", count, PATIENCE_MS));
}

/* `later` was registered so many milliseconds after `earlier` at least. */
static void expect_after(const char *earlier, const char *later, int64_t ms) {
    char *sql = text_of("SELECT (SELECT settled_at FROM reception WHERE folder = 'SERVICES/PACS/%s')"
                        " - (SELECT settled_at FROM reception WHERE folder = 'SERVICES/PACS/%s')",
                        later, earlier);
    int64_t between_ms = strtoll(site_query(&site, sql), NULL, 10);
    cr_expect_geq(between_ms, ms, "%s came %lld ms after %s", later, (long long)between_ms, earlier);
    free(sql);
}

Test(order_of_registrations, the_first_study_of_a_pacs_goes_alone_and_the_rest_when_cube_has_had_a_second) {
    site_start(&site);
    send_folders((const char *const[]){"RAWSCU/p/s/1", "RAWSCU/p/s/2", "RAWSCU/p/s/3", "RAWSCU/p/s/4", NULL});
    expect_all_registered("4");
    for (int i = 2; i <= 4; i++) {
        char *later = text_of("RAWSCU/p/s/%d", i);
        expect_after("RAWSCU/p/s/1", later, ORDER_PAUSE_MS);
        free(later);
    }
}

Test(order_of_registrations, what_shares_only_known_folders_does_not_wait) {
    site_start(&site);
    send_folders((const char *const[]){"RAWSCU/p/s/1", NULL});
    expect_all_registered("1");
    site_query(&site, "UPDATE known SET since = 0");
    send_folders((const char *const[]){"RAWSCU/p/s/2", "RAWSCU/p/t/1", "RAWSCU/p/t/2", "RAWSCU/q/s/1",
                                       "RAWSCU/q/s/2", NULL});
    expect_all_registered("6");
    expect_after("RAWSCU/p/t/1", "RAWSCU/p/t/2", ORDER_PAUSE_MS);
    expect_after("RAWSCU/q/s/1", "RAWSCU/q/s/2", ORDER_PAUSE_MS);
    static const char *const free_to_go[] = {"RAWSCU/p/s/2", "RAWSCU/p/t/1", "RAWSCU/q/s/1"};
    for (int i = 0; i < 3; i++) {
        expect_after(free_to_go[i], "RAWSCU/p/t/2", 1);
        expect_after(free_to_go[i], "RAWSCU/q/s/2", 1);
    }
}

Test(order_of_registrations, told_to_end_it_sends_what_waits_for_its_turn) {
    site.drain_timeout = "1h";
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS)); /* an end waits for none */
    send_folders((const char *const[]){"RAWSCU/p/s/1", "RAWSCU/p/s/2", NULL});
    cr_assert(site_await_told(&site, "ended:1"));
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect_eq(site_tasks(&site), 2);
}
