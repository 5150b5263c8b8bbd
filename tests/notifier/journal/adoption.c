/* Journals of hosts that vanished, in the fallback place below the files root. */
#include "notifier/journal/adoption.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notifier/journal/journal_file.h"
#include "notifier/journal/reception.h"
#include "tests/notifier/rig.h"
#include "tests/support/patience.h"
#include "tests/support/process.h"

static rig_t rig;
static char *folder, *path; /* of the journal left behind */

/* Journals are where a host has them that can't write its OXIDICOM_STATE_DIR. */
static void set_up(void) {
    rig_set_up(&rig);
    rig.settings.sandbox = (char *)"false";
    char *parent = text_of("%s/.oxidicom", rig.settings.files_root);
    cr_assert_eq(mkdir(parent, 0700), 0);
    free(parent);
    parent = text_of("%s/" JOURNAL_FALLBACK, rig.settings.files_root);
    cr_assert_eq(mkdir(parent, 0700), 0);
    folder = text_of("%s/gone-7d4f", parent);
    path = text_of("%s/" JOURNAL_FILE_NAME, folder);
    free(parent);
}

static void tear_down(void) {
    rig_tear_down(&rig);
    free(folder);
    free(path);
}

TestSuite(adoption, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* Moves the rig's journal to where the vanished host had it, and begins a new one. */
static void vanish(void) {
    char *own = text_of("%s/" JOURNAL_FILE_NAME, rig.settings.state_dir);
    rig_forget_told(&rig);
    sqlite3_exec(rig.journal.db, "PRAGMA journal_mode = TRUNCATE", NULL, NULL, NULL);
    journal_close(&rig.journal);
    cr_assert_eq(mkdir(folder, 0700), 0);
    cr_assert_eq(rename(own, path), 0);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    rig_said(&rig);
    free(own);
}

/* A series that waits for the broker, one still being sent, an empty one, a registered one. */
static void fill_and_vanish(void) {
    rig_event(&rig, EVENT(.association = 1, .object = 1, .series = "1.1"));
    rig_event(&rig, EVENT(.association = 1, .object = 2, .series = "1.4"));
    rig_end(&rig, 1, 1);
    rig_event(&rig, EVENT(.association = 2, .object = 3, .series = "1.2"));
    rig_event(&rig, EVENT(.association = 2, .object = 4, .series = "1.3", .status = 0xC000));
    cr_assert_eq(rig_commit(&rig), 0);
    rig_query(&rig, "UPDATE reception SET state = 'registered', done = NULL WHERE series_uid = '1.4'");
    vanish();
}

/* As the notifier does it, until there is nothing more to do. Returns how often something was taken over. */
static int look(void) {
    storage_t *storage = storage_new(&rig.settings);
    adoption_t adoption = {0};
    int count = 0;
    adoption_beat(&adoption, storage, &rig.journal);
    while (adoption.looking) {
        storage_answer_t answer;
        struct pollfd answered = {storage_descriptor(storage), POLLIN, 0};
        cr_assert_eq(poll(&answered, 1, PATIENCE_MS), 1, "storage does not answer");
        while (storage_receive(storage, &answer))
            if (adoption_on_looked(&adoption, storage, &rig.journal, rig.owed, answer.left)) {
                owed_tell(rig.owed, rig.listener, rig.progress, 0);
                count++;
            }
    }
    cr_assert(storage_destroy(&storage));
    return count;
}

static void expect_rows(const char *wanted) {
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(series_uid || state, ' ') FROM"
                                     " (SELECT * FROM reception ORDER BY series_uid)"),
                     wanted);
}

static bool is_there(const char *name) {
    return access(name, F_OK) == 0;
}

Test(adoption, takes_over_what_is_not_registered_and_removes_the_rest) {
    fill_and_vanish();
    cr_expect_eq(look(), 1);
    expect_rows("1.1due 1.2due 1.3refused");
    rig_expect_said(&rig, "1_2 count 1\n1_3 error: StudyDate is missing\n1_3 done\n");
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "1_1 done\n1_2 done\n");
    cr_expect_not(is_there(folder));
    cr_expect_eq(look(), 0);
}

static void wait_for(int64_t series_quiet_ms, int64_t abort_quiet_ms) {
    rig.settings.series_quiet_ms = series_quiet_ms;
    rig.settings.abort_quiet_ms = abort_quiet_ms;
    rig_restart(&rig);
}

/* A series of two titles; the former's reception, which has an error, is merged into the other's. */
static void merge_titles(void) {
    rig_event(&rig, EVENT(.association = 1, .object = 1, .series = "1.1", .calling_ae = "TWIN"));
    rig_event(&rig, EVENT(.association = 1, .object = 2, .series = "1.1", .calling_ae = "TWIN", .status = 0xC000,
                          .reason = "bad"));
    rig_event(&rig, EVENT(.association = 2, .object = 3, .series = "1.1"));
    rig_end(&rig, 1, 1);
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_merge(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    expect_rows("1.1merged 1.1due");
}

Test(adoption, takes_over_the_done_of_a_title_that_was_merged_into_another) {
    merge_titles();
    vanish();
    cr_expect_eq(look(), 1);
    expect_rows("1.1due 1.1due");
    rig_merge(&rig, 1, 2);
    rig_confirm(&rig);
    cr_expect_str_eq(rig_said(&rig), "1_1 done\n1_1 error: bad\n1_1 done\n");
}

Test(adoption, takes_over_no_title_that_was_merged_into_a_registered_one) {
    merge_titles();
    rig_query(&rig, "UPDATE reception SET state = 'registered' WHERE id = 2");
    vanish();
    cr_expect_eq(look(), 0);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception"), "0");
}

/* Another replica may have marked them meanwhile. */
Test(adoption, takes_over_the_notes_for_other_replicas) {
    wait_for(60000, 0);
    rig_event(&rig, EVENT(.association = 1, .object = 1, .series = "1.1"));
    rig_event(&rig, EVENT(.association = 2, .object = 2, .series = "1.2"));
    rig_end(&rig, 1, 1);
    rig_end(&rig, 1, 2);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_query(&rig, "UPDATE reception SET note = 'a'");
    rig_query(&rig, "UPDATE reception SET state = 'due', note = 'b' WHERE series_uid = '1.2'");
    vanish();
    cr_expect_eq(look(), 1);
    expect_rows("1.1receiving 1.2due");
    cr_expect_str_eq(
        rig_query(&rig, "SELECT group_concat(note) FROM (SELECT * FROM reception ORDER BY series_uid)"), "a,b");
}

/* The one series waits after a release, the other has lost its listener with the host. */
Test(adoption, lets_an_open_series_wait_here_for_whoever_goes_on_with_it) {
    wait_for(60000, 600000);
    rig_event(&rig, EVENT(.association = 1, .object = 1, .series = "1.1"));
    rig_end(&rig, 1, 1);
    rig_event(&rig, EVENT(.association = 2, .object = 2, .series = "1.2", .folder = FOLDER "2"));
    rig_event(&rig, EVENT(.association = 2, .object = 3, .series = "1.2", .folder = FOLDER "2", .status = 0xC000));
    cr_assert_eq(rig_commit(&rig), 0);
    vanish();
    cr_expect_eq(look(), 1);
    expect_rows("1.1receiving 1.2receiving");
    cr_expect_str_eq(rig_query(&rig, "SELECT group_concat(quiet_ms || ' ' || why, ', ') FROM"
                                     " (SELECT * FROM reception ORDER BY series_uid)"),
                     "60000 the last association was released, "
                     "600000 the last association died with its listener");
    /* The peer goes on with one. */
    rig_event(&rig, EVENT(.listener = 2, .association = 1, .object = 4, .series = "1.2", .folder = FOLDER "2"));
    rig_end(&rig, 2, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    rig_query(&rig, "UPDATE reception SET quiet_at = quiet_at - 60000");
    rig_beat(&rig);
    expect_rows("1.1due 1.2due");
    cr_expect_str_eq(rig_query(&rig, "SELECT files FROM reception WHERE series_uid = '1.2'"), "2");
    rig_confirm(&rig);
    const char *said = rig_said(&rig);
    cr_expect(strstr(said, "1_2 error: StudyDate is missing\n1_2 done\n"), "%s", said);
}

Test(adoption, of_a_series_that_is_received_here_is_held_until_that_has_ended) {
    wait_for(60000, 600000);
    rig_event(&rig, EVENT(.object = 1));
    cr_assert_eq(rig_commit(&rig), 0);
    vanish();
    rig_event(&rig, EVENT(.listener = 2, .object = 2));
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_eq(look(), 1);
    rig_expect_states(&rig, "receiving due");
    cr_expect_eq(journal_number(&rig.journal, SQL_DUE_STILL, VALUES(NUMBER(2)), 0), 0);
    rig_end(&rig, 2, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_eq(journal_number(&rig.journal, SQL_DUE_STILL, VALUES(NUMBER(2)), 0), 0);
    rig_query(&rig, "UPDATE reception SET quiet_at = quiet_at - 60000");
    rig_beat(&rig);
    cr_expect_eq(journal_number(&rig.journal, SQL_DUE_STILL, VALUES(NUMBER(2)), 0), 1);
    cr_assert_eq(journal_commit(&rig.journal), 0);
}

Test(adoption, keeps_what_a_task_id_is_made_of) {
    for (uint64_t i = 1; i <= 5; i++) {
        rig_event(&rig, EVENT(.association = i, .object = i, .series = i < 5 ? "1.9" : "1.1"));
        rig_end(&rig, 1, i);
    }
    cr_assert_eq(rig_commit(&rig), 0);
    rig_query(&rig, "UPDATE reception SET state = 'registered', done = NULL WHERE series_uid = '1.9'");
    rig_query(&rig, "UPDATE reception SET began_at = 7, attempts = 3 WHERE series_uid = '1.1'");
    for (int hosts = 0; hosts < 2; hosts++) { /* the second had it from the first */
        vanish();
        cr_expect_eq(look(), 1);
        cr_expect_str_eq(rig_query(&rig, "SELECT adopted_id || ' ' || began_at || ' ' || attempts FROM reception"),
                         "5 7 3");
        cr_expect_str_eq(rig_query(&rig, "SELECT adopted_from FROM reception"), hosts ? "first" : "gone-7d4f");
        rig_query(&rig, "UPDATE reception SET adopted_from = 'first'");
    }
}

/* As if the power had gone after our commit: the journal is there again, as it was. */
Test(adoption, interrupted_after_its_commit_takes_nothing_over_twice) {
    fill_and_vanish();
    char *copy = text_of("cp -a %s %s/copy", folder, rig.folder),
         *back = text_of("mv %s/copy %s", rig.folder, folder);
    cr_assert_eq(process_run(NULL, NULL, (const char *const[]){"sh", "-c", copy, NULL}, PATIENCE_MS), 0);
    cr_expect_eq(look(), 1);
    rig_query(&rig, "UPDATE reception SET state = 'registered' WHERE series_uid = '1.1'");
    rig_said(&rig);
    cr_assert_eq(process_run(NULL, NULL, (const char *const[]){"sh", "-c", back, NULL}, PATIENCE_MS), 0);
    cr_assert(is_there(path));
    cr_expect_eq(look(), 0);
    expect_rows("1.1registered 1.2due 1.3refused");
    cr_expect_str_eq(rig_said(&rig), "");
    cr_expect_not(is_there(folder));
    free(copy);
    free(back);
}

/* A process that has that journal open as its own, until it is killed. */
static pid_t somebody_has_it_open(void) {
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        journal_t journal;
        bool in_use;
        char byte = journal_open_left_behind(&journal, path, &in_use) ? 1 : 0;
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    char byte = 0;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(byte, 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

Test(adoption, never_touches_a_journal_whose_owner_lives) {
    fill_and_vanish();
    pid_t owner = somebody_has_it_open();
    cr_expect_eq(look(), 0);
    expect_rows("NULL");
    cr_expect(is_there(path));
    kill(owner, SIGKILL);
    cr_assert_eq(waitpid(owner, NULL, 0), owner);
    cr_expect_eq(look(), 1);
    expect_rows("1.1due 1.2due 1.3refused");
}

Test(adoption, does_not_take_its_own_journal_for_another) {
    journal_close(&rig.journal);
    free(rig.settings.state_dir);
    rig.settings.state_dir = strdup("/proc/no/such/place");
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
    rig_event(&rig, EVENT(.object = 1));
    rig_end(&rig, 1, 1);
    cr_assert_eq(rig_commit(&rig), 0);
    cr_expect_eq(look(), 0);
    expect_rows(SERIES "due");
    cr_expect(is_there(rig.journal.path));
}

Test(adoption, of_a_damaged_journal_sets_it_aside_and_goes_on) {
    fill_and_vanish();
    cr_assert_eq(truncate(path, 5000), 0);
    cr_expect_eq(look(), 0);
    cr_expect_not(is_there(path));
    cr_expect(is_there(folder), "what is set aside is not removed");
}

Test(adoption, of_a_journal_of_a_later_release_leaves_it_alone) {
    rig_query(&rig, "PRAGMA user_version = 99");
    vanish();
    cr_expect_eq(look(), 0);
    cr_expect(is_there(path));
}

Test(adoption, that_the_own_journal_does_not_take_happens_later) {
    fill_and_vanish();
    cr_assert_eq(sqlite3_exec(rig.journal.db,
                              "CREATE TRIGGER trap BEFORE INSERT ON reception WHEN NEW.series_uid = '1.2' BEGIN"
                              " SELECT raise(FAIL, 'trapped'); END",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    cr_expect_eq(look(), 0);
    expect_rows("NULL");
    cr_expect(is_there(path));
    cr_expect_str_eq(rig_said(&rig), "");
    rig_query(&rig, "DROP TRIGGER trap");
    cr_expect_eq(look(), 1);
    expect_rows("1.1due 1.2due 1.3refused");
}

/* Several notifiers find it at the same moment: one of them gets each row. */
Test(adoption, by_many_at_once_is_done_by_one) {
    enum { MANY = 6 };
    pid_t pids[MANY];
    fill_and_vanish();
    journal_close(&rig.journal);
    for (int i = 0; i < MANY; i++) {
        if ((pids[i] = fork()) != 0)
            continue;
        rig.settings.state_dir = text_of("%s/state-%d", rig.folder, i);
        if (journal_open(&rig.journal, &rig.settings) != 0)
            _exit(100);
        for (int turn = 0; turn < 20; turn++)
            (void)look();
        _exit(atoi(rig_query(&rig, "SELECT count(*) FROM reception")));
    }
    int total = 0, status;
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        total += WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    }
    cr_expect_eq(total, 3);
    cr_assert_eq(journal_open(&rig.journal, &rig.settings), 0);
}

/* --- journals of somebody else's making ------------------------------------------------------------------ */

/* Runs SQL in the journal that was left behind. */
static void spoil(const char *sql) {
    sqlite3 *db = NULL;
    char *why = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, sql, NULL, NULL, &why);
    cr_assert_null(why, "%s", why);
    sqlite3_close(db);
}

/* It is set aside, so that nobody looks at it again. */
static void expect_refused(void) {
    cr_expect_eq(look(), 0);
    cr_expect_not(is_there(path));
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception"), "0");
}

Test(adoption, of_a_journal_with_a_view_without_end_in_place_of_a_table_is_refused) {
    fill_and_vanish();
    spoil("DROP TABLE reception;"
          "CREATE VIEW reception AS WITH RECURSIVE c (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c)"
          " SELECT id, id AS state FROM c");
    expect_refused();
}

Test(adoption, of_a_journal_with_a_trigger_of_somebody_elses_is_refused) {
    fill_and_vanish();
    spoil("CREATE TRIGGER more AFTER DELETE ON reception BEGIN DELETE FROM error; END");
    expect_refused();
}

Test(adoption, of_a_journal_of_an_earlier_release_takes_its_series_over) {
    cr_assert_eq(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < 4; i++)
        spoil(JOURNAL_MIGRATIONS[i]);
    spoil("PRAGMA user_version = 4;"
          "INSERT INTO reception (calling_ae, series_uid, state, folder, series, files, began_at)"
          " VALUES ('PACS', '1.1', 'due', 'SERVICES/PACS/PACS/p/s/1', x'', 1, 1)");
    cr_expect_eq(look(), 1);
    cr_expect_str_eq(rig_query(&rig, "SELECT count(*) FROM reception WHERE series_uid = '1.1'"), "1");
}

Test(adoption, leaves_links_and_files_of_other_users_alone) {
    fill_and_vanish();
    char *elsewhere = text_of("%s.elsewhere", path);
    cr_assert_eq(rename(path, elsewhere), 0);
    cr_assert_eq(symlink(elsewhere, path), 0);
    cr_expect_eq(look(), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rename(elsewhere, path), 0);
    if (geteuid() == 0) {
        cr_assert_eq(chown(path, 64109, 64109), 0);
        cr_expect_eq(look(), 0);
        cr_assert_eq(chown(path, 0, 0), 0);
    }
    cr_expect_eq(look(), 1);
    free(elsewhere);
}
