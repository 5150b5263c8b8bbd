#include "notifier/journal/adoption.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "notifier/journal/dones.h"
#include "notifier/journal/reception.h"

/* The associations that sent to an open reception are gone with their listener; clients still wait for its end. */
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

/* Takes over one row, unless an attempt before this one, that did not come to its end, has. */
static bool adopt_row(journal_t *journal, owed_t *owed, const char *host, const reception_row_t *row) {
    int64_t ended_at = row->ended_at ? row->ended_at : journal_now();
    char *why = reception_problem(row);
    int added =
        journal_run(journal, SQL_ADOPT,
                    VALUES(TEXT(row->calling_ae), TEXT(row->series_uid), TEXT(row->folder),
                           BYTES(row->series, row->series_size), NUMBER(row->files), NUMBER(row->elsewhere),
                           NUMBER(row->errors), NUMBER(row->began_at), NUMBER(ended_at), NUMBER(row->attempts),
                           TEXT(row->adopted_from ? row->adopted_from : host), NUMBER(row->number), TEXT(why),
                           NUMBER(row->owes_done && journal->says_progress)));
    if (added == 1)
        say_the_end(journal, owed, row, why);
    free(why);
    return added == 1;
}

/* Copies what is not registered. Returns how many rows are new here; -1: nothing was copied. */
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
