/* The rows that statements return, decoded: no other file knows a column's number. Each rows_next_… steps as
 * journal_row does, and decodes. */
#ifndef NOTIFIER_JOURNAL_ROWS_H
#define NOTIFIER_JOURNAL_ROWS_H

#include "notifier/journal/journal.h"
#include "proto/ring.h"

/* Why a stored series can't be registered if rows_series returns NULL. */
#define ROWS_UNREADABLE "its tags can't be read back from the journal"

/* A reception, as RECEPTION_COLUMNS has it. Begins as zeros. It owns its texts and bytes; the next step frees them.
 */
typedef struct reception_row {
    int64_t id, number; /* number: in the journal of its beginning */
    char *calling_ae, *series_uid, *folder, *traceparent, *adopted_from; /* NULL: SQL's NULL */
    bool receiving, quiet;
    void *series; /* packed; NULL: nothing was stored */
    size_t series_size;
    bool owes_done;    /* once it is registered */
    char *errors_json; /* that are said before, an array; NULL: they were not asked for */
    int64_t quiet_ms;  /* how long it waits; 0: nothing says so */
    char *why;         /* of the state, or of the wait */
    char *note;        /* replicas.h: it was left to another replica; NULL: it was not */
    int64_t files, elsewhere, errors, began_at, ended_at /* 0: open */, attempts;
    int64_t ndicom; /* that were registered; 0: not yet */
} reception_row_t;

bool rows_next_reception(journal_t *journal, sqlite3_stmt *statement, reception_row_t *row);
void rows_forget(reception_row_t *row);
/* Free it. NULL: nothing was stored, or it can't be read. */
Ring__Series *rows_series(const reception_row_t *row);

/* A message of the ring made of the columns, field by field; free it. NULL: no more. */
void *rows_next_message(journal_t *journal, sqlite3_stmt *statement, const ProtobufCMessageDescriptor *descriptor);

/* A registration to ask CUBE for. Begins as zeros; the next step frees its texts. */
typedef struct inquiry_row {
    int64_t reception, asked, left_ms /* of worker_clock.h's clock; -1: it may be in the queue */, resent, ndicom;
    Ring__Series *series; /* NULL: it can't be read */
} inquiry_row_t;

bool rows_next_inquiry(journal_t *journal, sqlite3_stmt *statement, inquiry_row_t *row);

/* The last ticket and the clock of worker_clock.h that the journal knows. */
bool rows_next_ticket(journal_t *journal, sqlite3_stmt *statement, int64_t *ticket, int64_t *clock);

/* The number of a reception and its folder; free that. */
bool rows_next_folder(journal_t *journal, sqlite3_stmt *statement, int64_t *number, char **folder);

/* A reception begins to wait: for how long, and why. Free the texts. */
bool rows_next_wait(journal_t *journal, sqlite3_stmt *statement, char **series_uid, int64_t *ms, char **why);

/* A text; free it. NULL: no more. */
char *rows_next_text(journal_t *journal, sqlite3_stmt *statement);

/* The number of a reception. */
bool rows_next_number(journal_t *journal, sqlite3_stmt *statement, int64_t *number);

#endif
