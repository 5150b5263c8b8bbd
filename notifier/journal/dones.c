#include "notifier/journal/dones.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "notifier/journal/rows.h"

/* One that NATS was handed. */
typedef struct done {
    int64_t reception;
    bool taken; /* NATS has it, the journal does not know yet */
} done_t;

struct dones {
    journal_t *journal;
    progress_t *progress;
    int64_t delay_ms;
    done_t under_way[DONES_UNDER_WAY_MAX];
    size_t count;
    bool any_taken;
};

dones_t *dones_new(journal_t *journal, progress_t *progress, int64_t delay_ms) {
    dones_t *dones = must(calloc(1, sizeof *dones));
    dones->journal = journal;
    dones->progress = progress;
    dones->delay_ms = delay_ms;
    if (!journal->says_progress) {
        journal_run(journal, SQL_DONES_CANCEL, NULL, 0);
        journal_run(journal, SQL_ERRORS_CANCEL, NULL, 0);
        (void)!journal_commit(journal); /* the next start tries again */
    }
    return dones;
}

void dones_add_error(journal_t *journal, int64_t reception, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = vformat_text(format, arguments);
    va_end(arguments);
    journal_run(journal, SQL_ERROR_ADD, VALUES(NUMBER(reception), TEXT(text), NUMBER(DONES_ERROR_MAX_CHARACTERS)));
    free(text);
}

/* --- taken ----------------------------------------------------------------------------------------------- */

static done_t *find(dones_t *dones, int64_t reception) {
    for (size_t i = 0; i < dones->count; i++)
        if (dones->under_way[i].reception == reception)
            return &dones->under_way[i];
    return NULL;
}

void dones_on_taken(dones_t *dones, int64_t reception) {
    done_t *item = find(dones, reception);
    assert(item);
    item->taken = dones->any_taken = true;
}

/* All in one transaction. Where that fails they stay under way, so that they are not said again. */
static void record_taken(dones_t *dones) {
    journal_t *journal = dones->journal;
    if (!dones->any_taken)
        return;
    for (size_t i = 0; i < dones->count; i++)
        if (dones->under_way[i].taken) {
            journal_run(journal, SQL_DONE_TAKEN, VALUES(NUMBER(dones->under_way[i].reception)));
            journal_run(journal, SQL_ERRORS_FORGET, VALUES(NUMBER(dones->under_way[i].reception)));
            journal_run(journal, SQL_DONE_FOLLOWS,
                        VALUES(NUMBER(dones->under_way[i].reception), NUMBER(journal_now())));
        }
    if (journal_commit(journal) != 0)
        return;
    size_t left = 0;
    for (size_t i = 0; i < dones->count; i++)
        if (!dones->under_way[i].taken)
            dones->under_way[left++] = dones->under_way[i];
    dones->count = left;
    dones->any_taken = false;
}

void dones_end(dones_t **self_p) {
    if (!*self_p)
        return;
    record_taken(*self_p);
    free(*self_p);
    *self_p = NULL;
}

/* --- due ------------------------------------------------------------------------------------------------- */

/* The errors of a reception, one after the other, each with its NUL. Free it. */
static char *read_errors(journal_t *journal, int64_t reception, size_t *size) {
    char *errors = NULL;
    FILE *file = must(open_memstream(&errors, size));
    sqlite3_stmt *rows = journal_query(journal, SQL_ERRORS_READ, VALUES(NUMBER(reception)));
    for (char *text; (text = rows_next_text(journal, rows)); free(text))
        fwrite(text, 1, strlen(text) + 1, file);
    must_hold(fclose(file) == 0);
    return errors;
}

/* False: there is no room. */
static bool hand_over(dones_t *dones, const reception_row_t *row) {
    size_t size;
    int64_t age_ms = journal_now() - row->ended_at;
    /* Others have stored the rest: another replica, or an earlier reception. */
    bool more = row->ndicom > row->files;
    char *errors = read_errors(dones->journal, row->id, &size);
    lonk_final_t final = {.reception = row->id,
                          .count = (uint32_t)(more ? row->ndicom : row->files),
                          .ended_ms = more ? 0 : clock_ms() - (age_ms > 0 ? age_ms : 0),
                          .errors = errors,
                          .errors_size = size};
    bool taken = progress_done(dones->progress, &final, row->calling_ae, row->series_uid);
    if (taken)
        dones->under_way[dones->count++] = (done_t){row->id, false};
    free(errors);
    return taken;
}

/* Dones due within these times. The ones with NATS are among them, so more are read than there is room for. */
static void hand_over_between(dones_t *dones, int64_t first, int64_t last) {
    reception_row_t row = {0};
    bool room = dones->count < DONES_UNDER_WAY_MAX;
    if (!room)
        return;
    sqlite3_stmt *rows = journal_query(dones->journal, SQL_DONES_FIND,
                                       VALUES(NUMBER(first), NUMBER(last), NUMBER(DONES_UNDER_WAY_MAX)));
    while (rows_next_reception(dones->journal, rows, &row))
        if (room && !find(dones, row.id))
            room = hand_over(dones, &row) && dones->count < DONES_UNDER_WAY_MAX;
}

void dones_pump(dones_t *dones) {
    if (!dones->journal->says_progress)
        return;
    record_taken(dones);
    int64_t now = journal_now();
    hand_over_between(dones, 1, now);
    /* Times lie further in the future where the clock was set back; nobody should wait for that. */
    hand_over_between(dones, now + dones->delay_ms + 1, INT64_MAX);
    (void)!journal_commit(dones->journal); /* of nothing */
}

bool dones_busy(dones_t *dones, int64_t ms) {
    if (!dones->journal->says_progress)
        return false;
    dones_pump(dones);
    bool busy = journal_number(dones->journal, SQL_DONES_FIND,
                               VALUES(NUMBER(1), NUMBER(journal_now() + ms), NUMBER(1)), 0) != 0;
    return journal_commit(dones->journal) == 0 && busy;
}
