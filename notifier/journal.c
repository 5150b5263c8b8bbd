#include "notifier/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"

#define FILE_NAME "journal.sqlite3"

/* --- where it lies ------------------------------------------------------------------------------------- */

/* Makes the folder and those above it; only this user may look into it, since a journal names patients. */
static bool make_folder(const char *folder) {
    char path[PATH_MAX];
    if (strlen(folder) >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path, folder, strlen(folder) + 1);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST && access(path, F_OK) != 0)
            return false;
        *slash = '/';
    }
    return (mkdir(path, 0700) == 0 || errno == EEXIST) && access(path, W_OK | X_OK) == 0;
}

/* The folder that replaces a state_dir that can't be written; free it. NULL where there is no memory. */
static char *fallback_folder(const settings_t *settings) {
    char host[HOST_NAME_MAX + 1] = "", *folder;
    if (gethostname(host, sizeof host - 1) != 0 || !*host || strchr(host, '/'))
        strcpy(host, "localhost");
    return asprintf(&folder, "%s/.oxidicom/state/%s", settings->files_root, host) < 0 ? NULL : folder;
}

/* The folder to use; free it. NULL after logging that there is none. */
static char *choose_folder(const settings_t *settings, bool *network) {
    *network = false;
    if (make_folder(settings->state_dir))
        return strdup(settings->state_dir);
    int reason = errno;
    char *folder = fallback_folder(settings);
    *network = true;
    if (folder && make_folder(folder)) {
        log_warn(NULL, "OXIDICOM_STATE_DIR %s can't be written (%s): the journal is in %s", settings->state_dir,
                 strerror(reason), folder);
        return folder;
    }
    log_error(NULL, "no place for the journal: OXIDICOM_STATE_DIR %s: %s; %s: %s", settings->state_dir,
              strerror(reason), folder ? folder : "", strerror(errno));
    free(folder);
    return NULL;
}

/* --- opening ------------------------------------------------------------------------------------------- */

static bool execute(journal_t *journal, const char *sql) {
    if (sqlite3_exec(journal->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    log_error(NULL, "journal: %s", sqlite3_errmsg(journal->db));
    return false;
}

/* SQLite answers a mode that it can't have with the one that it keeps, not with an error. */
static bool set_mode(journal_t *journal, const char *pragma, const char *wanted) {
    sqlite3_stmt *statement = NULL;
    bool set = sqlite3_prepare_v2(journal->db, pragma, -1, &statement, NULL) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW &&
               sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), wanted) == 0;
    if (!set)
        log_error(NULL, "journal: %s failed: %s", pragma, sqlite3_errmsg(journal->db));
    sqlite3_finalize(statement);
    return set;
}

static bool configure(journal_t *journal, bool network, bool fsync) {
    sqlite3_busy_timeout(journal->db, JOURNAL_BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(journal->db, 1);
    bool modes = network ? set_mode(journal, "PRAGMA locking_mode = EXCLUSIVE", "exclusive") &&
                               set_mode(journal, "PRAGMA journal_mode = TRUNCATE", "truncate")
                         : set_mode(journal, "PRAGMA journal_mode = WAL", "wal");
    return modes && execute(journal, fsync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

static int schema_version(journal_t *journal) {
    sqlite3_stmt *statement = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(journal->db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    else
        log_error(NULL, "journal: %s", sqlite3_errmsg(journal->db));
    sqlite3_finalize(statement);
    return version;
}

/* One step and its new version in one transaction: a crash leaves the old version whole. */
static bool migrate_step(journal_t *journal, int version) {
    char set_version[64];
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", version + 1);
    if (execute(journal, "BEGIN IMMEDIATE") && execute(journal, JOURNAL_MIGRATIONS[version]) &&
        execute(journal, set_version) && execute(journal, "COMMIT"))
        return true;
    sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL); /* why it failed has been logged */
    return false;
}

static bool migrate(journal_t *journal) {
    int version = schema_version(journal);
    if (version > (int)JOURNAL_MIGRATIONS_COUNT) {
        log_error(NULL, "the journal has schema version %d; this release knows up to %zu", version,
                  JOURNAL_MIGRATIONS_COUNT);
        return false;
    }
    for (; version >= 0 && version < (int)JOURNAL_MIGRATIONS_COUNT; version++)
        if (!migrate_step(journal, version))
            return false;
    return version >= 0;
}

static bool prepare(journal_t *journal) {
    for (int i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(journal->db, JOURNAL_SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &journal->statements[i],
                               NULL) != SQLITE_OK) {
            log_error(NULL, "journal, statement %d: %s", i, sqlite3_errmsg(journal->db));
            return false;
        }
    return true;
}

/* Makes the file, which holds patients' names, for this user only. */
static bool open_file(journal_t *journal, const char *path) {
    mode_t old = umask(0077);
    int result = sqlite3_open(path, &journal->db);
    umask(old);
    if (result != SQLITE_OK)
        log_error(NULL, "can't open the journal %s: %s", path,
                  journal->db ? sqlite3_errmsg(journal->db) : "no memory");
    return result == SQLITE_OK;
}

int journal_open(journal_t *journal, const settings_t *settings) {
    *journal = (journal_t){0};
    bool network;
    char *folder = choose_folder(settings, &network), *path;
    if (!folder)
        return EX_CANTCREAT;
    if (asprintf(&path, "%s/" FILE_NAME, folder) < 0)
        abort();
    bool opened = open_file(journal, path) && configure(journal, network, settings->fsync) && migrate(journal) &&
                  prepare(journal);
    if (opened)
        log_info(NULL, "the journal is %s (%s)", path, network ? "exclusive, rollback journal" : "write-ahead log");
    else
        log_error(NULL, "the journal %s can't be used", path);
    free(path);
    free(folder);
    return opened ? 0 : EX_IOERR;
}

void journal_close(journal_t *journal) {
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(journal->statements[i]);
    sqlite3_close(journal->db);
    *journal = (journal_t){0};
}

/* --- transactions -------------------------------------------------------------------------------------- */

static void break_transaction(journal_t *journal) {
    if (!journal->broken && log_seldom(&journal->complained_ms))
        log_error(NULL, "journal: %s (%d); nothing of this batch is acknowledged", sqlite3_errmsg(journal->db),
                  sqlite3_extended_errcode(journal->db));
    journal->broken = true;
}

static void begin(journal_t *journal) {
    journal->open = true;
    if (sqlite3_exec(journal->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        break_transaction(journal);
}

int journal_commit(journal_t *journal) {
    if (!journal->open)
        return 0;
    if (!journal->broken && sqlite3_exec(journal->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        break_transaction(journal);
    int status = journal->broken ? -1 : 0;
    /* Some failures (a full disk, for one) have rolled back already; then there is nothing to do. */
    if (journal->broken && !sqlite3_get_autocommit(journal->db) &&
        sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        log_error(NULL, "journal: can't roll back: %s", sqlite3_errmsg(journal->db));
    journal->open = journal->broken = false;
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
