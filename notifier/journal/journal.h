/* The journal: one SQLite file that survives every crash. This part owns the file, its schema and transactions, and
 * prepared statements; reception.c and registrar.c give meaning to the rows.
 *
 * Failures never spread: the first one breaks the open transaction, everything after it in that transaction is
 * skipped, and journal_commit rolls back and says so. The effects of a transaction (acknowledgements, messages)
 * wait for its commit, so that nothing in memory has to be taken back. */
#ifndef NOTIFIER_JOURNAL_JOURNAL_H
#define NOTIFIER_JOURNAL_JOURNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "common/settings.h"
#include "notifier/journal/heard.h"
#include "notifier/journal/journal_sql.h"

/* A journal up to this size is checked at start: in seconds, even from a slow disk. */
#define JOURNAL_CHECK_MAX_BYTES (256LL * 1024 * 1024)

/* How much more may be journaled (room.h). */
typedef enum room {
    ROOM_AMPLE,
    ROOM_SCARCE, /* finished receptions are forgotten before their time */
    ROOM_NONE,   /* no series is opened */
} room_t;

typedef struct journal {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    char *path;                              /* owned */
    bool is_locked;                          /* by a file beside it */
    int lock;                                /* that file, if it is */
    bool writes_ahead;                       /* into a log beside the file */
    bool open;                               /* a transaction is open */
    int changes_before;                      /* rows changed before it, since the file was opened */
    bool broken;                             /* it has failed and will be rolled back */
    bool damaged;                            /* SQLite has found the file damaged */
    bool lost;                               /* so it was set aside: no transaction succeeds any more */
    int64_t series_quiet_ms, abort_quiet_ms; /* as set; for quiet.c */
    int64_t max_bytes;                       /* as set; for room.c. 0: no limit */
    int64_t min_free_bytes;                  /* of its file system, the same */
    int64_t page_bytes;
    room_t room;
    bool turned_away;      /* a series, for want of room, since somebody has set it to false */
    bool says_progress;    /* to NATS; else no done is owed */
    int64_t give_up_at_ms; /* of another host's journal: no statement goes on after this clock_ms */
    log_limit_t complained;
    uint64_t id;    /* the journal's number: its successor has another */
    heard_t *heard; /* owned; forgotten by a failed commit. NULL in another host's journal */
} journal_t;

/* Opens the journal in journal_folder's place, and makes a missing one; on a possible network file system with
 * exclusive locking and a rollback journal, since there is no shared memory. A damaged one is set aside and begun
 * anew. Returns 0, or an exit status (sysexits.h) after logging why: EX_TEMPFAIL where another notifier has it.
 * Close it in any case. */
int journal_open(journal_t *journal, const settings_t *settings) __attribute__((warn_unused_result));
/* Opens another host's journal in the fallback place, locked and brought to the latest schema. False: it is
 * `in_use`, or unusable, which was logged. Close it in any case. */
bool journal_open_left_behind(journal_t *journal, const char *path, bool *in_use)
    __attribute__((warn_unused_result));
void journal_close(journal_t *journal);
/* Lets another notifier have it, before a process that can't close it has quite ended. */
void journal_unlock(journal_t *journal);

/* Bytes of the file and of its log. */
int64_t journal_size(const journal_t *journal);
/* Whether the file and its log still have their names. Rows written to a removed file are lost with this process;
 * journal_close saves those of a removed log. */
bool journal_is_there(const journal_t *journal);

/* Whether the open transaction has changed any row. */
bool journal_wrote(const journal_t *journal);

/* Ends the transaction that the first statement opened. 0: all of it is durable (as far as OXIDICOM_FSYNC has it).
 * -1: nothing of it happened; with journal->lost, and nothing will: then the process should end and begin anew. */
int journal_commit(journal_t *journal) __attribute__((warn_unused_result));

/* A value for one parameter of a statement. Texts and bytes must live until the statement has run. */
typedef struct value {
    enum { VALUE_NUMBER, VALUE_TEXT, VALUE_BYTES } kind;
    int64_t number;
    const void *bytes; /* NULL: SQL's NULL */
    size_t size;
} value_t;

#define NUMBER(n)   ((value_t){.kind = VALUE_NUMBER, .number = (int64_t)(n)})
#define TEXT(t)     ((value_t){.kind = VALUE_TEXT, .bytes = (t)})
#define BYTES(b, n) ((value_t){.kind = VALUE_BYTES, .bytes = (b), .size = (n)})
#define VALUES(...) (const value_t[]){__VA_ARGS__}, sizeof((const value_t[]){__VA_ARGS__}) / sizeof(value_t)

/* Runs a statement that returns no rows, in the open transaction. Returns how many rows it changed; -1: broken. */
int journal_run(journal_t *journal, sql_t sql, const value_t *values, size_t count);

/* Begins a statement that returns rows; get them with journal_row. NULL: broken. */
sqlite3_stmt *journal_query(journal_t *journal, sql_t sql, const value_t *values, size_t count);
/* Steps to the next row. False at the end, or where the transaction broke; the statement is then done with. */
bool journal_row(journal_t *journal, sqlite3_stmt *statement);
/* The first column of the only row; `absent` where there is none or the transaction broke. */
int64_t journal_number(journal_t *journal, sql_t sql, const value_t *values, size_t count, int64_t absent);

/* Milliseconds since 1970, for rows that people read. */
int64_t journal_now(void);

#endif
