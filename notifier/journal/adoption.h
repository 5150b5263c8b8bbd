/* Takes over the journals of vanished hosts in the fallback place (journal_file.h), such as of pods under names
 * that never come back. Storage is asked by its own thread: it finds such a journal and holds its lock, the loop
 * commits the rows here, then the thread removes it there. */
#ifndef NOTIFIER_JOURNAL_ADOPTION_H
#define NOTIFIER_JOURNAL_ADOPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/journal/journal.h"
#include "notifier/journal/owed.h"
#include "notifier/journal/storage.h"

/* Journals that vanished hosts left behind are looked for at start and this often. */
#define ADOPTION_INTERVAL_MS 60000

/* Begins as zeros. */
typedef struct adoption {
    int64_t next_ms; /* clock_ms of the next look */
    bool looking;    /* storage has been asked and has not said that there is nothing more */
} adoption_t;

/* Has such journals looked for, if it is time: at start and every ADOPTION_INTERVAL_MS. */
void adoption_beat(adoption_t *adoption, storage_t *storage, const journal_t *journal);

/* Storage has found one; NULL: there is no further one. Commits its rows; returns whether the batch owes messages
 * for them, which the caller sends. Nothing else may be owed or open. */
bool adoption_on_looked(adoption_t *adoption, storage_t *storage, journal_t *journal, owed_t *owed,
                        left_behind_t *left);

#endif
