/* A journal that a vanished host has left in the fallback place (journal_file.h), as the thread that may wait for
 * storage finds it, reads it and removes it. What becomes of its rows is adoption.h's. */
#ifndef NOTIFIER_JOURNAL_LEFT_BEHIND_H
#define NOTIFIER_JOURNAL_LEFT_BEHIND_H

#include "notifier/journal/rows.h"

typedef struct left_behind left_behind_t;

/* A walk over them. Begins as zeros. */
typedef struct left_walk {
    void *listing; /* of the fallback place; NULL: none is under way */
} left_walk_t;

/* The next journal with a free lock, locked and with its rows read; NULL: there is none, and the walk begins anew.
 * `own`: the path of our own journal. */
left_behind_t *left_behind_next(left_walk_t *walk, const char *files_root, const char *own);
void left_behind_end_walk(left_walk_t *walk);

const char *left_behind_host(const left_behind_t *left);
/* The unregistered rows. */
const reception_row_t *left_behind_rows(const left_behind_t *left, size_t *count);

/* Gives it free. `taken_over`: its rows are durable elsewhere, so they and the files are removed first. */
void left_behind_release(left_behind_t **self_p, bool taken_over);

#endif
