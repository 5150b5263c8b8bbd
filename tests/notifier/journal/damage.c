/* Journals that are not what SQLite wrote: found at the start and while the notifier runs, put aside, begun anew.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "notifier/journal/journal_file.h"
#include "tests/notifier/rig.h"
#include "tests/support/process.h"

static rig_t rig;
static char *path;

static void set_up(void) {
    rig_set_up(&rig);
    path = text_of("%s/" JOURNAL_FILE_NAME, rig.settings.state_dir);
    char series[32];
    for (uint64_t i = 1; i <= 200; i++) {
        snprintf(series, sizeof series, "1.%d", (int)i);
        rig_event(&rig, EVENT(.object = i, .series = series));
    }
    cr_assert_eq(rig_commit(&rig), 0);
}

static void tear_down(void) {
    rig_tear_down(&rig);
    free(path);
}

TestSuite(damage, .init = set_up, .fini = tear_down);

static int is_aside(const struct dirent *entry) {
    return strncmp(entry->d_name, JOURNAL_FILE_NAME ".damaged-", strlen(JOURNAL_FILE_NAME ".damaged-")) == 0;
}

/* How many files lie aside with that end ("Z": journals; "Z-wal": their logs). */
static int aside(const char *end) {
    struct dirent **names;
    int count = 0, all = scandir(rig.settings.state_dir, &names, is_aside, alphasort);
    for (int i = 0; i < all; i++) {
        size_t length = strlen(names[i]->d_name), size = strlen(end);
        count += length > size && strcmp(names[i]->d_name + length - size, end) == 0;
        free(names[i]);
    }
    if (all >= 0)
        free(names);
    return count;
}

static void overwrite(long from, long to) {
    FILE *file = fopen(path, "r+");
    cr_assert_not_null(file);
    fseek(file, from, SEEK_SET);
    for (long at = from; at < to; at++)
        fputc('?', file);
    fclose(file);
}

/* Opens it, and expects a new and working one, with the old one beside it. */
static void expect_new(void) {
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_expect_eq(aside("Z"), 1);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception"), "0");
    rig_event(&rig, EVENT(.object = 1));
    cr_expect_eq(rig_commit(&rig), 0);
    rig_restart(&rig);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception"), "1");
    cr_expect_eq(aside("Z"), 1);
}

Test(damage, a_journal_that_is_no_database_is_set_aside) {
    journal_close(&rig.journal);
    overwrite(0, 20000);
    expect_new();
}

Test(damage, a_journal_with_a_damaged_page_is_set_aside) {
    journal_close(&rig.journal);
    overwrite(5 * 4096, 9 * 4096);
    expect_new();
}

Test(damage, a_journal_that_was_cut_is_set_aside) {
    journal_close(&rig.journal);
    cr_assert_eq(truncate(path, 10 * 4096), 0);
    expect_new();
}

Test(damage, a_folder_in_the_place_of_the_journal_is_set_aside) {
    journal_close(&rig.journal);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_new();
}

Test(damage, the_log_of_a_damaged_journal_goes_with_it) {
    journal_close(&rig.journal);
    overwrite(0, 20000);
    char *log = text_of("%s-wal", path);
    FILE *file = fopen(log, "w");
    fputs("something", file);
    fclose(file);
    free(log);
    expect_new();
    cr_expect_eq(aside("Z-wal"), 1);
}

Test(damage, an_empty_file_becomes_a_journal) {
    journal_close(&rig.journal);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_expect_eq(aside("Z"), 0);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception"), "0");
}

Test(damage, a_journal_too_large_to_be_looked_through_is_used) {
    journal_close(&rig.journal);
    overwrite(5 * 4096, 9 * 4096);
    cr_assert_eq(truncate(path, JOURNAL_CHECK_MAX_BYTES + 4096), 0);
    cr_expect_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_expect_eq(aside("Z"), 0);
}

static void spoil_the_schema(void) {
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "PRAGMA writable_schema = ON;"
                              "UPDATE sqlite_schema SET sql = 'spoiled' WHERE name = 'reception';"
                              "PRAGMA schema_version = 4711",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
}

Test(damage, found_while_it_runs_loses_the_journal_and_the_next_start_begins_a_new_one) {
    spoil_the_schema();
    rig_said(&rig);
    rig_forget_told(&rig);
    rig_event(&rig, EVENT(.object = 5000));
    cr_expect_neq(rig_commit(&rig), 0);
    cr_expect(rig.journal.lost);
    cr_expect_eq(aside("Z"), 1);
    /* Nothing is promised any more. */
    rig_event(&rig, EVENT(.object = 5001));
    cr_expect_neq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "");
    journal_close(&rig.journal);
    expect_new();
}

Test(damage, a_journal_that_is_removed_while_it_runs_is_noticed) {
    cr_expect(journal_is_there(&rig.journal));
    cr_assert_eq(unlink(path), 0);
    cr_expect_not(journal_is_there(&rig.journal));
}

/* The log holds what the journal itself does not have yet: whoever closes the journal in time brings it there. */
Test(damage, a_write_ahead_log_that_is_removed_while_it_runs_is_noticed_and_loses_nothing) {
    char *log = text_of("%s-wal", path);
    cr_assert_eq(unlink(log), 0);
    cr_expect_not(journal_is_there(&rig.journal));
    journal_close(&rig.journal);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_expect(journal_is_there(&rig.journal));
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception"), "200");
    free(log);
}
