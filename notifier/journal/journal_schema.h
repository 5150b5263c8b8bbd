/* The journal's schema: its steps from release to release, and whether a file has it. */
#ifndef NOTIFIER_JOURNAL_JOURNAL_SCHEMA_H
#define NOTIFIER_JOURNAL_JOURNAL_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

/* No value of a journal is longer. */
#define JOURNAL_VALUE_MAX_BYTES (16 * 1024 * 1024)

/* Lets the content of the file do no more than be read and written: no functions with side effects in its schema,
 * no writes past SQL, no values without end. */
void journal_schema_distrust(sqlite3 *db);

/* Whether the file's tables, indexes and triggers equal, word for word, the schema of the version that it names. A
 * stranger's views or triggers could keep every statement busy for ever. */
bool journal_schema_is_ours(sqlite3 *db);

/* The version that the file names; -1: it can't be read. */
int journal_schema_version(sqlite3 *db);

/* Brings the file to the latest version, each step in a transaction. False: sqlite3_errmsg says why, and the step's
 * transaction may still be open. */
bool journal_schema_migrate(sqlite3 *db) __attribute__((warn_unused_result));

#endif
