/* A journal that is short of room, and expiry. */
#include "notifier/journal/room.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "notifier/journal/expiry.h"
#include "tests/notifier/rig.h"
#include "tests/support/process.h"

#define KEEP_MS (7LL * 24 * 60 * 60 * 1000)

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(room, .init = set_up, .fini = tear_down);

static int number_of(const char *sql) {
    return atoi(rig_query(&rig, sql));
}

/* So many finished receptions of a kilobyte each, an hour old. */
static void add_finished(const char *state, int count) {
    char *sql = text_of("INSERT INTO reception (calling_ae, series_uid, state, why, files, began_at, settled_at)"
                        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                        " SELECT 'A', '%s' || i, '%s', hex(zeroblob(500)), 0, 0,"
                        " strftime('%%s', 'now') * 1000 - 3600000 FROM n",
                        count, state, state);
    cr_assert_eq(sqlite3_exec(rig.journal.db, sql, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(rig.journal.db));
    free(sql);
}

static void allow_bytes(int64_t bytes) {
    rig.journal.max_bytes = bytes;
    room_look(&rig.journal);
    cr_assert_eq(journal_commit(&rig.journal), 0);
}

static int64_t bytes_used(void) {
    return (number_of("PRAGMA page_count") - number_of("PRAGMA freelist_count")) * (int64_t)4096;
}

static void beat(void) {
    expiry_t expiry = {.next_ms = INT64_MAX}; /* only rows that go before their time */
    expiry_beat(&expiry, &rig.journal, KEEP_MS);
}

Test(room, that_is_scarce_is_made_by_forgetting_refusals_first) {
    add_finished("registered", 1000);
    add_finished("refused", 1000);
    allow_bytes(bytes_used() * 16 / 15);
    cr_expect_eq(rig.journal.room, ROOM_SCARCE);
    beat();
    cr_expect_eq(number_of("SELECT count(*) FROM reception WHERE state = 'refused'"), 0);
    cr_expect_eq(number_of("SELECT count(*) FROM reception WHERE state = 'registered'"), 1000);
    beat();
    cr_expect_eq(rig.journal.room, ROOM_AMPLE);
    allow_bytes(bytes_used() * 16 / 15);
    beat();
    cr_expect_lt(number_of("SELECT count(*) FROM reception"), 1000);
}

Test(room, forgets_nothing_that_somebody_still_waits_for) {
    add_finished("registered", 100);
    rig_query(&rig, "UPDATE reception SET done = 0");
    add_finished("refused", 100);
    rig_query(&rig, "UPDATE reception SET done = 0 WHERE state = 'refused'");
    add_finished("merged", 100);
    rig_query(&rig, "INSERT INTO inquiry (reception, since, next_at, ticket)"
                    " SELECT id, 0, 0, id FROM reception WHERE state = 'merged'");
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    allow_bytes(1);
    beat();
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(state || n) FROM (SELECT state, count(*) AS n FROM"
                                     " reception GROUP BY state ORDER BY state)"),
                     "merged100,receiving1,refused100,registered100");
}

Test(room, that_is_missing_opens_no_series_and_keeps_what_was_promised) {
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 1");
    rig_forget_told(&rig);
    add_finished("registered", 1000);
    allow_bytes(bytes_used());
    cr_expect_eq(rig.journal.room, ROOM_NONE);
    rig_event(&rig, EVENT(.object = 2, .series = "1.2"));
    cr_expect_eq(rig_commit(&rig), 0);
    cr_expect(rig.journal.turned_away);
    rig_expect_told(&rig, "");
    cr_expect_eq(number_of("SELECT count(*) FROM reception WHERE series_uid = '1.2'"), 0);
    /* Open series go on and end. */
    rig_event(&rig, EVENT(.object = 3));
    rig_end_of(&rig, EVENT(.object = 1), 2, 0);
    cr_expect_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "ended 1");
    cr_expect_eq(number_of("SELECT count(*) FROM reception WHERE state = 'due' AND files = 2"), 1);
    beat();
    beat();
    cr_expect_neq(rig.journal.room, ROOM_NONE);
    rig_event(&rig, EVENT(.association = 2, .object = 2, .series = "1.2", .attempt = 2));
    cr_expect_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 2");
}

Test(room, is_kept_free_on_the_file_system) {
    rig.journal.min_free_bytes = INT64_MAX / 4;
    room_look(&rig.journal);
    cr_expect_eq(rig.journal.room, ROOM_NONE);
    rig.journal.min_free_bytes = 1;
    room_look(&rig.journal);
    cr_expect_eq(rig.journal.room, ROOM_AMPLE);
    cr_assert_eq(journal_commit(&rig.journal), 0);
}

Test(room, of_what_was_forgotten_is_given_back_to_the_file_system) {
    add_finished("registered", 8000);
    int before = number_of("PRAGMA page_count");
    rig_query(&rig, "DELETE FROM reception");
    cr_expect_eq(number_of("PRAGMA page_count"), before);
    for (int i = 0; i < 20; i++)
        beat();
    cr_expect_lt(number_of("PRAGMA page_count"), before - 500);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA integrity_check"), "ok");
}

/* A million rows must not be walked through for a slice of them. */
Test(room, is_made_by_statements_that_find_by_an_index_what_they_remove) {
    static const sql_t removing[] = {SQL_ASSOCIATION_EXPIRE, SQL_RECEPTION_EXPIRE, SQL_REFUSAL_EXPIRE,
                                     SQL_RECEPTION_FORGET};
    for (size_t i = 0; i < sizeof removing / sizeof *removing; i++) {
        sqlite3_stmt *plan = NULL;
        char *text = text_of("EXPLAIN QUERY PLAN %s", JOURNAL_SQL[removing[i]]);
        cr_assert_eq(sqlite3_prepare_v2(rig.journal.db, text, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(plan, 3);
            cr_expect(strncmp(step, "SCAN", 4) != 0, "%s: %s", text, step);
        }
        sqlite3_finalize(plan);
        free(text);
    }
}

Test(room, ends_of_associations_are_forgotten_in_slices) {
    rig_query(&rig, "INSERT INTO ended WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                    " WHERE i < 3000) SELECT 1, i, 0 FROM n");
    expiry_t expiry = {0};
    expiry_beat(&expiry, &rig.journal, KEEP_MS);
    cr_expect_eq(number_of("SELECT count(*) FROM ended"), 1000);
    cr_expect_eq(expiry.next_ms, 0);
    expiry_beat(&expiry, &rig.journal, KEEP_MS);
    cr_expect_eq(number_of("SELECT count(*) FROM ended"), 0);
    cr_expect_gt(expiry.next_ms, 0);
}
