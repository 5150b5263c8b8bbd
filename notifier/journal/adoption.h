/* Journals that vanished hosts have left behind in the fallback place (journal_file.h), as pods do whose names
 * never come back: whoever finds the lock of one free takes over what is not registered, and removes it. */
#ifndef NOTIFIER_JOURNAL_ADOPTION_H
#define NOTIFIER_JOURNAL_ADOPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/journal/batch.h"
#include "notifier/journal/journal.h"

/* Begins as zeros. */
typedef struct adoption {
    int64_t next_ms; /* clock_ms of the next look */
} adoption_t;

/* Looks for such journals, if it is time: at start and every ADOPTION_INTERVAL_MS. What it takes over is committed;
 * returns whether the batch owes something for it, which the caller settles. Nothing else may be owed or open. */
bool adoption_beat(adoption_t *adoption, journal_t *journal, batch_t *batch, const char *files_root);

#endif
