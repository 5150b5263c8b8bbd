/* Removes finished and old rows from the journal: at start and then hourly, a slice at a time. */
#ifndef NOTIFIER_JOURNAL_EXPIRY_H
#define NOTIFIER_JOURNAL_EXPIRY_H

#include "notifier/journal/journal.h"

/* Folders that CUBE knows: the last used ones are remembered, so many of them after each expiry. */
#define KNOWN_FOLDERS_MAX 100000

/* Begins as zeros. */
typedef struct expiry {
    int64_t next_ms; /* clock_ms of the next round */
} expiry_t;

/* Removes rows finished for `keep_ms`. Call it every now and then; does nothing until it is time. */
void expiry_beat(expiry_t *expiry, journal_t *journal, int64_t keep_ms);

#endif
