#include "notifier/journal/adoption.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "notifier/journal/dones.h"
#include "notifier/journal/quiet.h"
#include "notifier/journal/reception.h"

/* Nobody sends to an open reception any more, since its listener is gone; clients still wait for its end. */
static void say_the_end(journal_t *journal, owed_t *owed, const reception_row_t *row, const char *why) {
    int64_t reception = sqlite3_last_insert_rowid(journal->db);
    journal_run(journal, SQL_ADOPT_ERRORS, VALUES(NUMBER(reception), TEXT(row->errors_json)));
    if (!row->receiving)
        return;
    if (why && row->files > 0)
        dones_add_error(journal, reception, "this series can't be registered: %s", why);
    /* Numbers of receptions are from 1: none that this process has counted for is meant. */
    owed_end(owed, 0, row->calling_ae, row->series_uid, (uint32_t)row->files);
}

/* The rest of its wait is not known to be long enough: the peer may have tried in vain meanwhile. */
static int64_t quiet_ms_of(const journal_t *journal, const reception_row_t *row) {
    return row->quiet ? row->quiet_ms : quiet_ms_after(journal, RING__ENDING__ENDING_LISTENER_DIED);
}

/* An open reception stays open, and its wait begins anew: the peer may go on with its series here. */
static bool adopt_open(journal_t *journal, owed_t *owed, const char *host, const reception_row_t *row) {
    const char *why = row->quiet ? row->why : quiet_why(RING__ENDING__ENDING_LISTENER_DIED);
    int added = journal_run(journal, SQL_ADOPT_OPEN,
                            VALUES(TEXT(row->calling_ae), TEXT(row->series_uid), TEXT(row->folder),
                                   BYTES(row->series, row->series_size), NUMBER(row->files), NUMBER(row->elsewhere),
                                   NUMBER(row->errors), NUMBER(row->began_at),
                                   TEXT(row->adopted_from ? row->adopted_from : host), NUMBER(row->number),
                                   NUMBER(journal_now()), NUMBER(quiet_ms_of(journal, row)), TEXT(why),
                                   NUMBER(row->owes_done && journal->says_progress), TEXT(row->note)));
    if (added != 1)
        return false;
    int64_t reception = sqlite3_last_insert_rowid(journal->db);
    journal_run(journal, SQL_ADOPT_ERRORS, VALUES(NUMBER(reception), TEXT(row->errors_json)));
    heard_open(journal->heard, reception, row->files);
    if (row->folder)
        owed_share(owed, reception, replicas_series(row->folder, row->series_uid));
    owed_mark_wait(owed);
    return true;
}

/* Whether it can wait here. Where the same series is received here, it is due at once, and held until that has
 * ended.
 */
static bool may_wait(journal_t *journal, const reception_row_t *row) {
    return row->receiving && quiet_ms_of(journal, row) > 0 &&
           !journal_number(journal, SQL_RECEPTION_FIND_OPEN, VALUES(TEXT(row->calling_ae), TEXT(row->series_uid)),
                           0);
}

/* Takes over one row, unless an attempt before this one, that did not come to its end, has. */
static bool adopt_row(journal_t *journal, owed_t *owed, const char *host, const reception_row_t *row) {
    if (may_wait(journal, row))
        return adopt_open(journal, owed, host, row);
    int64_t ended_at = row->ended_at ? row->ended_at : journal_now();
    char *why = reception_problem(row);
    int added =
        journal_run(journal, SQL_ADOPT,
                    VALUES(TEXT(row->calling_ae), TEXT(row->series_uid), TEXT(row->folder),
                           BYTES(row->series, row->series_size), NUMBER(row->files), NUMBER(row->elsewhere),
                           NUMBER(row->errors), NUMBER(row->began_at), NUMBER(ended_at), NUMBER(row->attempts),
                           TEXT(row->adopted_from ? row->adopted_from : host), NUMBER(row->number), TEXT(why),
                           NUMBER(row->owes_done && journal->says_progress), TEXT(row->note)));
    if (added == 1)
        say_the_end(journal, owed, row, why);
    free(why);
    return added == 1;
}

/* Copies the unregistered rows. Returns how many rows are new here; -1: nothing was copied. */
static int copy(journal_t *journal, owed_t *owed, const left_behind_t *left) {
    int count = 0;
    size_t rows_count;
    const reception_row_t *rows = left_behind_rows(left, &rows_count);
    for (size_t i = 0; i < rows_count; i++)
        count += adopt_row(journal, owed, left_behind_host(left), &rows[i]);
    if (journal_commit(journal) == 0)
        return count;
    owed_drop(owed);
    return -1;
}

void adoption_beat(adoption_t *adoption, storage_t *storage, const journal_t *journal) {
    if (adoption->looking || clock_ms() < adoption->next_ms)
        return;
    adoption->looking = true;
    storage_look(storage, journal->path, NULL, false);
}

bool adoption_on_looked(adoption_t *adoption, storage_t *storage, journal_t *journal, owed_t *owed,
                        left_behind_t *left) {
    if (!left) {
        adoption->looking = false;
        adoption->next_ms = clock_ms() + ADOPTION_INTERVAL_MS;
        return false;
    }
    int count = copy(journal, owed, left);
    if (count > 0)
        log_warn(NULL, "the journal that host %s left behind is taken over: %d series", left_behind_host(left),
                 count);
    storage_look(storage, journal->path, &left, count >= 0);
    return count > 0;
}
