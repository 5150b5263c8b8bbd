#include "notifier/journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "notifier/journal/journal_file.h"
#include "notifier/journal/journal_schema.h"
#include "notifier/progress/lonk.h"

/* How long to wait for somebody who looks into the journal with SQLite's shell. */
#define JOURNAL_BUSY_TIMEOUT_MS 2000
/* Another host's journal is read in this time, else not now; SQLite's virtual machine looks at the clock after so
 * many instructions. */
#define JOURNAL_LEFT_BEHIND_MS    60000
#define JOURNAL_LEFT_BEHIND_STEPS 10000

/* The log is cut to this size once it is written back. */
#define LOG_KEPT_BYTES "8388608"

/* --- opening ------------------------------------------------------------------------------------------- */

/* Takes note of the last error of SQLite where it means that the content of the file is not what SQLite wrote. */
static void note_damage(journal_t *journal) {
    int reason = sqlite3_errcode(journal->db) & 0xFF;
    journal->damaged |= reason == SQLITE_CORRUPT || reason == SQLITE_NOTADB;
}

static bool execute(journal_t *journal, const char *sql) {
    if (sqlite3_exec(journal->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    note_damage(journal);
    log_error(NULL, "journal: %s", sqlite3_errmsg(journal->db));
    return false;
}

/* For an impossible mode SQLite answers with the present one, not with an error. */
static bool set_mode(journal_t *journal, const char *pragma, const char *wanted) {
    sqlite3_stmt *statement = NULL;
    bool set = sqlite3_prepare_v2(journal->db, pragma, -1, &statement, NULL) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW &&
               sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), wanted) == 0;
    if (!set) {
        note_damage(journal);
        log_error(NULL, "journal: %s failed: %s", pragma, sqlite3_errmsg(journal->db));
    }
    sqlite3_finalize(statement);
    return set;
}

/* Takes the lock for as long as the file is open. An earlier holder may have removed the file meanwhile (see
 * adoption.h): nobody would ever find later rows. */
static bool lock_exclusively(journal_t *journal) {
    if (!set_mode(journal, "PRAGMA locking_mode = EXCLUSIVE", "exclusive") ||
        !set_mode(journal, "PRAGMA journal_mode = TRUNCATE", "truncate") ||
        !execute(journal, "BEGIN EXCLUSIVE; COMMIT"))
        return false;
    if (journal_is_there(journal))
        return true;
    log_error(NULL, "the journal %s was removed while it was opened", journal->path);
    return false;
}

static bool configure(journal_t *journal, bool network, bool fsync) {
    sqlite3_busy_timeout(journal->db, JOURNAL_BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(journal->db, 1);
    journal_schema_distrust(journal->db);
    /* Before anything is written: it holds for a new file only. */
    if (!execute(journal, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_size_limit = " LOG_KEPT_BYTES))
        return false;
    bool modes = network ? lock_exclusively(journal) : set_mode(journal, "PRAGMA journal_mode = WAL", "wal");
    journal->writes_ahead = !network;
    /* The sandbox has no folder for temporary files. */
    return modes && execute(journal, "PRAGMA temp_store = MEMORY") &&
           execute(journal, fsync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

/* Looks through the pages of the file. A file too large for that is used unchecked: damage found later has the
 * same end (journal_commit). */
static bool check(journal_t *journal) {
    struct stat s;
    sqlite3_stmt *statement = NULL;
    if (stat(journal->path, &s) == 0 && s.st_size > JOURNAL_CHECK_MAX_BYTES) {
        log_info(NULL, "the journal has %lld bytes and is not checked at once", (long long)s.st_size);
        return true;
    }
    bool sound = sqlite3_prepare_v2(journal->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW;
    if (!sound) {
        note_damage(journal);
        log_error(NULL, "journal: can't be checked: %s", sqlite3_errmsg(journal->db));
    } else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
        sound = false;
        journal->damaged = true;
        log_error(NULL, "journal: %s", (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return sound;
}

static bool migrate(journal_t *journal) {
    int version = journal_schema_version(journal->db);
    if (version > (int)JOURNAL_MIGRATIONS_COUNT) {
        log_error(NULL, "the journal has schema version %d; this release knows up to %zu", version,
                  JOURNAL_MIGRATIONS_COUNT);
        return false;
    }
    if (journal_schema_migrate(journal->db))
        return true;
    note_damage(journal);
    log_error(NULL, "journal: %s", sqlite3_errmsg(journal->db));
    sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL); /* why it failed has been logged */
    return false;
}

static int64_t page_bytes(const journal_t *journal) {
    sqlite3_stmt *statement = NULL;
    int64_t size = 0;
    if (sqlite3_prepare_v2(journal->db, "PRAGMA page_size", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        size = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return size;
}

/* title(calling AE): alike where clients hear two as one. */
static void sql_title(sqlite3_context *context, int count, sqlite3_value **values) {
    const char *calling_ae = (const char *)sqlite3_value_text(values[count - 1]);
    sqlite3_result_text(context, lonk_title(calling_ae ? calling_ae : ""), -1, free);
}

/* Its id, and what the statements need. */
static bool prepare(journal_t *journal) {
    sqlite3_stmt *identity = NULL;
    if (sqlite3_create_function_v2(journal->db, "counted", 3, SQLITE_UTF8, journal->heard, heard_sql_counted, NULL,
                                   NULL, NULL) == SQLITE_OK &&
        sqlite3_create_function_v2(journal->db, "title", 1, SQLITE_UTF8, NULL, sql_title, NULL, NULL, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(journal->db, "SELECT id FROM identity", -1, &identity, NULL) == SQLITE_OK &&
        sqlite3_step(identity) == SQLITE_ROW)
        journal->id = (uint64_t)sqlite3_column_int64(identity, 0);
    sqlite3_finalize(identity);
    journal->page_bytes = page_bytes(journal);
    if (!journal->id) {
        note_damage(journal);
        log_error(NULL, "journal: it has no identity: %s", sqlite3_errmsg(journal->db));
        return false;
    }
    for (int i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(journal->db, JOURNAL_SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &journal->statements[i],
                               NULL) != SQLITE_OK) {
            note_damage(journal);
            log_error(NULL, "journal, statement %d: %s", i, sqlite3_errmsg(journal->db));
            return false;
        }
    return true;
}

/* Makes the file, which holds patients' names, for this user only. */
static bool open_file(journal_t *journal) {
    mode_t old = umask(0077);
    /* One thread uses it. */
    int result = sqlite3_open_v2(journal->path, &journal->db,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    umask(old);
    if (result != SQLITE_OK)
        log_error(NULL, "can't open the journal %s: %s", journal->path,
                  journal->db ? sqlite3_errmsg(journal->db) : "no memory");
    return result == SQLITE_OK;
}

static void close_file(journal_t *journal) {
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(journal->statements[i]);
        journal->statements[i] = NULL;
    }
    sqlite3_close(journal->db);
    journal->db = NULL;
}

/* A new folder, socket or the like would never become a journal, either. */
static bool is_no_file(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode);
}

static bool open_and_prepare(journal_t *journal, bool network, bool fsync) {
    journal->damaged = is_no_file(journal->path);
    return !journal->damaged && open_file(journal) && configure(journal, network, fsync) && check(journal) &&
           migrate(journal) && prepare(journal);
}

static int is_late(void *argument) {
    return clock_ms() > *(const int64_t *)argument;
}

/* Anybody who may write below the files root may have made it. */
static bool is_of_our_making(journal_t *journal) {
    if (journal_schema_is_ours(journal->db))
        return true;
    journal->damaged = true;
    log_error(NULL, "journal: the schema of %s belongs to no release", journal->path);
    return false;
}

bool journal_open_left_behind(journal_t *journal, const char *path, bool *in_use) {
    *journal = (journal_t){.path = copy_text(path), .give_up_at_ms = clock_ms() + JOURNAL_LEFT_BEHIND_MS};
    /* Without waiting: most often its owner lives. */
    *in_use = sqlite3_open_v2(path, &journal->db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
              sqlite3_exec(journal->db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT", NULL, NULL,
                           NULL) == SQLITE_BUSY;
    if (*in_use)
        return false;
    note_damage(journal);
    sqlite3_progress_handler(journal->db, JOURNAL_LEFT_BEHIND_STEPS, is_late, &journal->give_up_at_ms);
    return !journal->damaged && configure(journal, true, true) && is_of_our_making(journal) && check(journal) &&
           migrate(journal) && prepare(journal);
}

/* Two notifiers on one journal would end each other's receptions. With exclusive locking SQLite keeps the second
 * out itself. */
static bool lock_journal(journal_t *journal) {
    journal->lock = journal_file_lock(journal->path);
    journal->is_locked = journal->lock >= 0;
    if (!journal->is_locked && errno == EWOULDBLOCK) {
        log_error(NULL, "another notifier has the journal %s: each ring needs an OXIDICOM_STATE_DIR of its own",
                  journal->path);
        return false;
    }
    if (!journal->is_locked)
        log_warn(NULL, "the journal %s can't be locked (%s): start no other notifier with it", journal->path,
                 strerror(errno));
    return true;
}

int journal_open(journal_t *journal, const settings_t *settings) {
    *journal = (journal_t){.series_quiet_ms = settings->series_quiet_ms,
                           .abort_quiet_ms = settings->abort_quiet_ms,
                           .max_bytes = settings->journal_size_bytes,
                           .min_free_bytes = settings->journal_min_free_bytes,
                           .says_progress = settings->nats_address != NULL,
                           .heard = heard_new()};
    bool network;
    char *folder = journal_folder(settings, &network);
    if (!folder)
        return EX_CANTCREAT;
    journal->path = format_text("%s/" JOURNAL_FILE_NAME, folder);
    free(folder);
    if (!network && !lock_journal(journal))
        return EX_TEMPFAIL;
    bool opened = open_and_prepare(journal, network, settings->fsync);
    if (!opened && journal->damaged) {
        bool aside = journal_file_set_aside(journal->path);
        close_file(journal); /* not before: SQLite would remove the log, which still can be of use */
        opened = aside && open_and_prepare(journal, network, settings->fsync);
    }
    opened = opened && (!settings->fsync || journal_file_sync_folders(journal->path));
    if (opened)
        log_info(NULL, "the journal is %s (%s)", journal->path,
                 network ? "exclusive, rollback journal" : "write-ahead log");
    else
        log_error(NULL, "the journal %s can't be used", journal->path);
    return opened ? 0 : EX_IOERR;
}

static int64_t size_of(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 ? s.st_size : 0;
}

int64_t journal_size(const journal_t *journal) {
    const char *path = sqlite3_db_filename(journal->db, "main");
    return size_of(path) + size_of(sqlite3_filename_wal(path));
}

bool journal_is_there(const journal_t *journal) {
    int moved = 0;
    if (sqlite3_file_control(journal->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return false;
    return !journal->writes_ahead ||
           access(sqlite3_filename_wal(sqlite3_db_filename(journal->db, "main")), F_OK) == 0 || errno != ENOENT;
}

void journal_unlock(journal_t *journal) {
    if (journal->is_locked)
        close(journal->lock);
    journal->is_locked = false;
}

void journal_close(journal_t *journal) {
    close_file(journal);
    journal_unlock(journal);
    heard_destroy(&journal->heard);
    free(journal->path);
    *journal = (journal_t){0};
}

/* --- transactions -------------------------------------------------------------------------------------- */

static void break_transaction(journal_t *journal) {
    note_damage(journal);
    if (!journal->broken && log_seldom(&journal->complained, NULL))
        log_error(NULL, "journal: %s (%d); nothing of this batch is committed", sqlite3_errmsg(journal->db),
                  sqlite3_extended_errcode(journal->db));
    journal->broken = true;
}

static bool step_to_end(journal_t *journal, sql_t sql) {
    bool done = sqlite3_step(journal->statements[sql]) == SQLITE_DONE;
    sqlite3_reset(journal->statements[sql]); /* repeats an error, which sqlite3_errmsg tells of as before */
    return done;
}

static void begin(journal_t *journal) {
    journal->open = true;
    journal->changes_before = sqlite3_total_changes(journal->db);
    if (journal->lost)
        journal->broken = true;
    else if (!step_to_end(journal, SQL_BEGIN))
        break_transaction(journal);
}

/* A damaged journal is not written to again, and is out of the way before the next start. */
static void lose(journal_t *journal) {
    journal->lost = true;
    if (!journal_file_set_aside(journal->path))
        log_error(NULL, "the damaged journal stays in its place");
}

bool journal_wrote(const journal_t *journal) {
    return journal->open && sqlite3_total_changes(journal->db) != journal->changes_before;
}

int journal_commit(journal_t *journal) {
    if (!journal->open)
        return 0;
    if (!journal->broken && !step_to_end(journal, SQL_COMMIT))
        break_transaction(journal);
    int status = journal->broken ? -1 : 0;
    metric_add(METRIC_JOURNAL_FAILURES, NULL, journal->broken);
    if (status != 0 && journal->heard)
        heard_forget(journal->heard);
    /* Some failures (a full disk, for one) have rolled back already; then there is nothing to do. */
    if (journal->broken && !sqlite3_get_autocommit(journal->db) &&
        sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        log_error(NULL, "journal: can't roll back: %s", sqlite3_errmsg(journal->db));
    journal->open = journal->broken = false;
    if (journal->damaged && !journal->lost)
        lose(journal);
    return status;
}

static int bind(sqlite3_stmt *statement, int index, const value_t *value) {
    if (value->kind == VALUE_NUMBER)
        return sqlite3_bind_int64(statement, index, value->number);
    if (!value->bytes)
        return sqlite3_bind_null(statement, index);
    if (value->kind == VALUE_TEXT)
        return sqlite3_bind_text(statement, index, value->bytes, -1, SQLITE_STATIC);
    return sqlite3_bind_blob64(statement, index, value->bytes, value->size, SQLITE_STATIC);
}

sqlite3_stmt *journal_query(journal_t *journal, sql_t sql, const value_t *values, size_t count) {
    if (!journal->open)
        begin(journal);
    if (journal->broken)
        return NULL;
    sqlite3_stmt *statement = journal->statements[sql];
    for (size_t i = 0; i < count; i++)
        if (bind(statement, (int)i + 1, &values[i]) != SQLITE_OK) {
            break_transaction(journal);
            return NULL;
        }
    return statement;
}

bool journal_row(journal_t *journal, sqlite3_stmt *statement) {
    if (!statement)
        return false;
    int result = journal->broken ? SQLITE_ABORT : sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return true;
    if (result != SQLITE_DONE)
        break_transaction(journal);
    sqlite3_reset(statement); /* repeats the error of the last step, which has been seen */
    sqlite3_clear_bindings(statement);
    return false;
}

int journal_run(journal_t *journal, sql_t sql, const value_t *values, size_t count) {
    sqlite3_stmt *statement = journal_query(journal, sql, values, count);
    while (journal_row(journal, statement))
        ;
    return journal->broken ? -1 : sqlite3_changes(journal->db);
}

int64_t journal_number(journal_t *journal, sql_t sql, const value_t *values, size_t count, int64_t absent) {
    sqlite3_stmt *statement = journal_query(journal, sql, values, count);
    while (journal_row(journal, statement))
        absent = sqlite3_column_int64(statement, 0);
    return absent;
}

int64_t journal_now(void) {
    return clock_wall_ms();
}
