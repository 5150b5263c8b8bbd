#include "notifier/journal/journal.h"
#include "common/folders.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "notifier/journal/expiry.h"
#include "notifier/journal/journal_file.h"
#include "notifier/journal/reception.h"
#include "tests/notifier/rig.h"
#include "tests/support/process.h"
#include "tests/support/receiver.h"

#define KEEP_MS (7LL * 24 * 60 * 60 * 1000)

static rig_t rig;

static void set_up(void) {
    rig_set_up(&rig);
}

static void tear_down(void) {
    rig_tear_down(&rig);
}

TestSuite(journal, .init = set_up, .fini = tear_down);

/* Runs `steps` in a process of its own, which ends by kill -9 when they return. */
static void in_a_process_that_is_killed(void (*steps)(void)) {
    journal_close(&rig.journal);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (journal_open(&rig.journal, &rig.settings) == 0)
            steps();
        raise(SIGKILL);
    }
    int status;
    cr_assert(process_wait(pid, PATIENCE_MS, &status));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
}

static int count_of(const char *table) {
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return atoi(rig_query(&rig, sql));
}

Test(journal, is_in_the_state_folder_for_its_user_only) {
    struct stat s;
    char *path = text_of("%s/journal.sqlite3", rig.settings.state_dir);
    cr_assert_eq(stat(path, &s), 0);
    cr_expect_eq(s.st_mode & 0777, 0600);
    cr_assert_eq(stat(rig.settings.state_dir, &s), 0);
    cr_expect_eq(s.st_mode & 0777, 0700);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA journal_mode"), "wal");
    free(path);
}

Test(journal, is_synchronous_as_fsync_has_it) {
    cr_expect_str_eq(rig_query(&rig, "PRAGMA synchronous"), "1");
    rig.settings.fsync = true;
    rig_restart(&rig);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA synchronous"), "2");
}

Test(journal, is_below_the_files_root_where_the_state_folder_cannot_be_made) {
    char host[65] = "", *path = NULL;
    struct stat s;
    journal_close(&rig.journal);
    free(rig.settings.state_dir);
    rig.settings.state_dir = strdup("/proc/no/such/place");
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_assert_eq(gethostname(host, sizeof host - 1), 0);
    path = text_of("%s/.oxidicom/state/%s/journal.sqlite3", rig.settings.files_root, host);
    cr_expect_eq(stat(path, &s), 0);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA journal_mode"), "truncate");
    cr_expect_str_eq(rig_query(&rig, "PRAGMA locking_mode"), "exclusive");
    free(path);
    rig_event(&rig, EVENT(.object = 1));
    cr_expect_eq(rig_commit(&rig), 0);
    rig_restart(&rig);
    cr_expect_eq(count_of("reception"), 1);
}

Test(journal, without_any_place_is_an_error) {
    journal_close(&rig.journal);
    free(rig.settings.state_dir);
    free(rig.settings.files_root);
    rig.settings.state_dir = strdup("/proc/no/such/place");
    rig.settings.files_root = strdup("/proc/neither");
    cr_expect_eq(journal_open(&rig.journal, &rig.settings), EX_CANTCREAT);
}

Test(journal, of_another_notifier_is_not_opened_before_that_has_ended) {
    journal_t second;
    cr_expect_eq(journal_open(&second, &rig.settings), EX_TEMPFAIL);
    journal_close(&second);
    rig_event(&rig, EVENT(.object = 1));
    cr_expect_eq(rig_commit(&rig), 0);
    journal_close(&rig.journal);
    cr_expect_eq(journal_open(&second, &rig.settings), 0);
    journal_close(&second);
}

/* Storage that is not mounted yet: writers would take a folder in its place for it. */
Test(journal, makes_no_files_root) {
    journal_close(&rig.journal);
    free(rig.settings.state_dir);
    rig.settings.state_dir = strdup("/proc/no/such/place");
    char *absent = text_of("%s/not/mounted", rig.settings.files_root), *above = rig.settings.files_root;
    rig.settings.files_root = absent;
    cr_expect_eq(journal_open(&rig.journal, &rig.settings), EX_CANTCREAT);
    journal_close(&rig.journal);
    cr_expect(journal_file_make_folder(&rig.settings));
    cr_expect_neq(access(absent, F_OK), 0);
    char *parent = text_of("%s/not", above);
    cr_assert_eq(mkdir(parent, 0755), 0);
    free(parent);
    cr_expect_eq(journal_open(&rig.journal, &rig.settings), EX_CANTCREAT);
    cr_expect_neq(access(absent, F_OK), 0);
    free(above);
}

Test(journal, is_at_the_latest_schema_and_stays_there) {
    char latest[16];
    snprintf(latest, sizeof latest, "%zu", JOURNAL_MIGRATIONS_COUNT);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA user_version"), latest);
    rig_restart(&rig);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA user_version"), latest);
}

Test(journal, of_a_later_release_is_refused_and_left_alone) {
    rig_query(&rig, "PRAGMA user_version = 99");
    journal_close(&rig.journal);
    cr_expect_eq(journal_open(&rig.journal, &rig.settings), EX_IOERR);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA user_version"), "99");
}

Test(journal, a_migration_that_fails_leaves_the_version_before_it) {
    /* As if a step had been begun by hand: a table that the first one makes is there already. */
    journal_close(&rig.journal);
    char *path = text_of("%s/journal.sqlite3", rig.settings.state_dir);
    cr_assert_eq(unlink(path), 0);
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "CREATE TABLE file (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cr_expect_eq(journal_open(&rig.journal, &rig.settings), EX_IOERR);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA user_version"), "0");
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'"), "file");
    free(path);
}

/* In place of the rig's, with these rows in it. */
static void make_journal_of_version(int version, const char *rows) {
    char *path = text_of("%s/journal.sqlite3", rig.settings.state_dir),
         *sql = text_of("PRAGMA user_version = %d; %s", version, rows);
    sqlite3 *db;
    journal_close(&rig.journal);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = 0; i < version; i++)
        cr_assert_eq(sqlite3_exec(db, JOURNAL_MIGRATIONS[i], NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    free(path);
    free(sql);
}

/* As it was while each object was journaled. */
static void make_journal_of_version_7(void) {
    make_journal_of_version(7, "INSERT INTO listener VALUES (5, 1, NULL);"
                               "INSERT INTO reception (id, calling_ae, series_uid, folder, series, files, began_at)"
                               " VALUES (1, 'RAWSCU', '1.2', '" FOLDER "', x'0A03312E32', 2, 1);"
                               "INSERT INTO sending VALUES (1, 5, 1);"
                               "INSERT INTO event VALUES (1, 5, 1, 1, 0, 0, '', 1), (2, 5, 2, 1, 0, 0, '', 1);"
                               "INSERT INTO file VALUES (1, '" FOLDER "', 'a.dcm'), (1, '" FOLDER "', 'b.dcm')");
}

Test(journal, that_journaled_each_object_is_read_and_what_was_open_there_ends) {
    make_journal_of_version_7();
    cr_expect_neq(rig.journal.id, 0);
    reception_load(&rig.journal);
    rig_expect_states(&rig, "receiving");
    reception_close_other_listeners(&rig.journal, rig.owed, 6);
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_str_neq(rig_query(&rig, "SELECT ended_at FROM reception"), "NULL");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception"), "2");
}

/* It did not know yet for how long a series waits. */
Test(journal, of_before_goes_on_with_what_waits_for_quiet) {
    make_journal_of_version(9, "INSERT INTO reception (calling_ae, series_uid, folder, series, files, began_at,"
                               " quiet_at) VALUES ('RAWSCU', '1.2', '" FOLDER "', x'0A03312E32', 2, 1, 5000)");
    cr_expect_str_eq(rig_query(&rig, "SELECT quiet_at || ' ' || quiet_ms FROM reception"), "5000 3000");
    rig_beat(&rig);
    cr_expect_str_neq(rig_query(&rig, "SELECT ended_at FROM reception"), "NULL");
}

Test(journal, another_one_has_another_id) {
    uint64_t id = rig.journal.id;
    rig_restart(&rig);
    cr_expect_eq(rig.journal.id, id);
    journal_close(&rig.journal);
    char *path = text_of("%s/journal.sqlite3", rig.settings.state_dir);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    cr_expect_neq(rig.journal.id, id);
    free(path);
}

static void commit_one_and_begin_another(void) {
    rig_event(&rig, EVENT(.object = 1));
    (void)!rig_commit(&rig);
    rig_event(&rig, EVENT(.object = 2, .series = "1.2"));
    rig_end(&rig, 1, 1);
}

Test(journal, a_crash_keeps_what_was_committed_and_nothing_else) {
    in_a_process_that_is_killed(commit_one_and_begin_another);
    cr_expect_eq(count_of("ended"), 0);
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(state || files) FROM reception"), "receiving1");
    /* Everything that was not open comes again. */
    rig_event(&rig, EVENT(.object = 2, .series = "1.2"));
    rig_end(&rig, 1, 1);
    cr_expect_eq(rig_commit(&rig), 0);
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(state || files) FROM reception"), "due1,due1");
}

static void commit_all(void) {
    rig_event(&rig, EVENT(.object = 1));
    rig_event(&rig, EVENT(.object = 2, .status = 0xC000));
    if (journal_commit(&rig.journal) != 0)
        _exit(1);
}

Test(journal, a_crash_between_commit_and_what_is_owed_after_it_counts_nothing_twice) {
    in_a_process_that_is_killed(commit_all);
    rig_event(&rig, EVENT(.object = 1, .attempt = 2));
    rig_end(&rig, 1, 1);
    cr_expect_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 1");
    rig_expect_told(&rig, "ended 1");
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(state || files || errors) FROM reception"), "due11");
}

/* No file may grow beyond its present size; what the kernel says then is what a full disk or a quota says. */
static void fill_the_disk(void) {
    struct rlimit limit = {.rlim_cur = 64 * 1024, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void empty_the_disk(void) {
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* An object of a series of its own. */
static void send_series(uint64_t object) {
    char series[32];
    snprintf(series, sizeof series, "1.2.%d", (int)object);
    rig_event(&rig, EVENT(.object = object, .series = series));
}

Test(journal, on_a_full_disk_opens_nothing_and_recovers) {
    send_series(1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_said(&rig);
    rig_forget_told(&rig);
    fill_the_disk();
    uint64_t object = 2;
    for (int status = 0; status == 0 && object < 10000; object += 100) {
        for (uint64_t i = object; i < object + 100; i++)
            send_series(i);
        status = rig_commit(&rig);
        if (status != 0)
            break;
        rig_said(&rig);
        rig_forget_told(&rig);
    }
    cr_assert_lt(object, 10000, "the disk was never full");
    cr_expect_str_eq(rig_said(&rig), "");
    rig_expect_told(&rig, "");
    cr_expect_eq(count_of("reception"), (int)object - 1);
    /* Full still: nothing changes, nothing crashes. */
    send_series(object);
    rig_end(&rig, 1, 1);
    if (rig_commit(&rig) == 0)
        cr_expect_str_neq(rig_told(&rig), "");
    empty_the_disk();
    for (uint64_t i = object; i < object + 100; i++)
        send_series(i);
    rig_end(&rig, 1, 1);
    cr_expect_eq(rig_commit(&rig), 0);
    cr_expect_eq(count_of("reception"), (int)object + 99);
    cr_expect_str_eq(rig_query(&rig, "PRAGMA integrity_check"), "ok");
}

Test(journal, a_statement_that_fails_breaks_all_of_its_transaction) {
    rig_event(&rig, EVENT(.object = 1));
    /* A state that the schema does not know. */
    cr_assert_eq(sqlite3_exec(rig.journal.db,
                              "CREATE TRIGGER trap BEFORE INSERT ON ended BEGIN"
                              " SELECT raise(FAIL, 'trapped'); END",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    rig_end(&rig, 1, 1);
    rig_event(&rig, EVENT(.object = 2));
    cr_expect_neq(rig_commit(&rig), 0);
    cr_expect_str_eq(rig_said(&rig), "");
    rig_expect_told(&rig, "");
    cr_expect_eq(count_of("reception"), 0);
    rig_event(&rig, EVENT(.object = 1));
    cr_expect_eq(rig_commit(&rig), 0);
    cr_expect_str_eq(rig_said(&rig), "count 1\n");
}

Test(journal, a_transaction_that_failed_leaves_nothing_behind_in_memory_either) {
    cr_assert_eq(sqlite3_exec(rig.journal.db,
                              "CREATE TRIGGER trap BEFORE INSERT ON reception WHEN new.series_uid = '1.2' BEGIN"
                              " SELECT raise(FAIL, 'trapped'); END",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    rig_event(&rig, EVENT(.object = 1));
    rig_event(&rig, EVENT(.object = 2, .series = "1.2"));
    cr_expect_neq(rig_commit(&rig), 0);
    rig_event(&rig, EVENT(.object = 1));
    cr_expect_eq(rig_commit(&rig), 0);
    rig_expect_told(&rig, "opened 1");
    cr_expect_eq(count_of("reception"), 1);
    cr_expect_eq(count_of("sending"), 1);
}

Test(journal, waits_for_somebody_who_looks_into_it) {
    sqlite3 *other;
    char *path = text_of("%s/journal.sqlite3", rig.settings.state_dir);
    cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM reception", NULL, NULL, NULL), SQLITE_OK);
    rig_event(&rig, EVENT(.object = 1));
    cr_expect_eq(rig_commit(&rig), 0);
    sqlite3_close(other);
    free(path);
}

Test(journal, forgets_what_is_finished_and_old_and_nothing_else) {
    for (uint64_t i = 1; i <= 3; i++)
        rig_event(&rig, EVENT(.association = i, .object = i, .series = i == 1 ? "1.1" : i == 2 ? "1.2" : "1.3"));
    rig_end(&rig, 1, 1);
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    /* The first is registered, the second due, the third still open; all of it is eight days old. */
    sqlite3_exec(rig.journal.db,
                 "UPDATE reception SET state = 'registered', settled_at = ended_at WHERE series_uid = '1.1';"
                 "UPDATE reception SET settled_at = settled_at - 691200000, began_at = began_at - 691200000;"
                 "UPDATE ended SET ended_at = ended_at - 691200000",
                 NULL, NULL, NULL);
    rig_event(&rig, EVENT(.association = 3, .object = 4, .series = "1.3"));
    cr_assert_eq(rig_commit(&rig), 0);
    expiry_t housekeeping = {0};
    expiry_beat(&housekeeping, &rig.journal, KEEP_MS);
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(series_uid || state) FROM reception"),
                     "1.2due,1.3receiving");
    cr_expect_eq(count_of("ended"), 0);
    cr_expect_eq(count_of("sending"), 1);
    cr_expect_gt(housekeeping.next_ms, 0);
}

Test(journal, forgets_in_slices) {
    rig_query(&rig, "INSERT INTO reception (calling_ae, series_uid, state, began_at, settled_at)"
                    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)"
                    " SELECT 'A', i, 'registered', 0, 0 FROM n");
    expiry_t housekeeping = {0};
    int left[] = {2500, 500, 0};
    for (int i = 0; i < 3; i++) {
        expiry_beat(&housekeeping, &rig.journal, KEEP_MS);
        cr_expect_eq(count_of("reception"), left[i]);
    }
    cr_expect_gt(housekeeping.next_ms, 0);
}

/* The statements for an event, a commit or a look at the metrics; the rest is asked for by hand or once in an
 * hour. */
static bool is_asked_often(sql_t sql) {
    return sql < SQL_RECEPTION_LAST && sql != SQL_STATUS_STATES && sql != SQL_DUE_FORGET_RETRIES;
}

/* Whether SQLite would walk through tables that hold a week. */
static bool reads_everything(const char *step) {
    static const char *const walks[] = {"SCAN reception", "SCAN ended"};
    /* From a number on, to the last. */
    bool walk = strstr(step, "INTEGER PRIMARY KEY (rowid>?)");
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        walk = walk || strcmp(step, walks[i]) == 0;
    return walk;
}

Test(journal, is_asked_for_nothing_often_that_takes_longer_the_more_is_in_it) {
    for (sql_t sql = 0; sql < SQL_COUNT; sql++) {
        sqlite3_stmt *plan = NULL;
        if (!is_asked_often(sql))
            continue;
        char *text = text_of("EXPLAIN QUERY PLAN %s", JOURNAL_SQL[sql]);
        cr_assert_eq(sqlite3_prepare_v2(rig.journal.db, text, -1, &plan, NULL), SQLITE_OK, "%s", text);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(plan, 3);
            cr_expect(!reads_everything(step), "%s: %s", JOURNAL_SQL[sql], step);
        }
        sqlite3_finalize(plan);
        free(text);
    }
}

/* Another thread makes a socket or the journal at that moment, and has narrowed the umask of all. */
Test(journal, of_hosts_without_a_folder_have_a_place_that_a_writer_can_enter_whatever_the_umask_is) {
    char *root = temporary_folder("place"), *place = text_of("%s/.oxidicom", root);
    struct stat s;
    mode_t mode = folders_mode(), old = umask(0177);
    folders_make_below(root, JOURNAL_FALLBACK, mode);
    umask(old);
    cr_assert_eq(stat(place, &s), 0);
    cr_expect_eq(s.st_mode & 07777, mode, "it is %o", s.st_mode);
    cr_expect(mode & S_IXUSR);
    remove_folder(root);
    free(root);
    free(place);
}
