#include "notifier/journal/journal_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "notifier/journal/journal_sql.h"

void journal_schema_distrust(sqlite3 *db) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, JOURNAL_VALUE_MAX_BYTES);
}

/* The first column of the only row as text; free it. NULL: SQLite has an error, or there is none. */
static char *ask(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement = NULL;
    char *answer = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        answer = text ? copy_text(text) : NULL;
    }
    sqlite3_finalize(statement);
    return answer;
}

static bool execute(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

int journal_schema_version(sqlite3 *db) {
    char *text = ask(db, "PRAGMA user_version");
    int version = text ? (int)strtol(text, NULL, 10) : -1;
    free(text);
    return version;
}

/* SQLite's own, such as statistics, may be there or not. */
static char *schema_of(sqlite3 *db) {
    return ask(db, "SELECT ifnull(group_concat(type || ' ' || tbl_name || ' ' || sql, ';'), '') FROM"
                   " (SELECT * FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
                   "  ORDER BY type, name)");
}

/* What a release made at that version; free it. */
static char *schema_of_version(int version) {
    sqlite3 *db = NULL;
    bool made = sqlite3_open(":memory:", &db) == SQLITE_OK;
    for (int i = 0; made && i < version; i++)
        made = execute(db, JOURNAL_MIGRATIONS[i]);
    char *schema = made ? schema_of(db) : NULL;
    sqlite3_close(db);
    return schema;
}

bool journal_schema_is_ours(sqlite3 *db) {
    int version = journal_schema_version(db);
    if (version < 0 || version > (int)JOURNAL_MIGRATIONS_COUNT)
        return version > 0; /* of a later release: its migration says so */
    char *is = schema_of(db), *should = schema_of_version(version);
    bool ours = is && should && strcmp(is, should) == 0;
    free(is);
    free(should);
    return ours;
}

/* One step and its new version in one transaction: a crash leaves the old version whole. */
static bool migrate_step(sqlite3 *db, int version) {
    char set_version[64];
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", version + 1);
    return execute(db, "BEGIN IMMEDIATE") && execute(db, JOURNAL_MIGRATIONS[version]) && execute(db, set_version) &&
           execute(db, "COMMIT");
}

bool journal_schema_migrate(sqlite3 *db) {
    int version = journal_schema_version(db);
    while (version >= 0 && version < (int)JOURNAL_MIGRATIONS_COUNT && migrate_step(db, version))
        version++;
    return version >= (int)JOURNAL_MIGRATIONS_COUNT;
}
