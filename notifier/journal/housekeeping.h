/* Removes from the journal what is finished and old: at start and then hourly, a slice at a time. */
#ifndef NOTIFIER_JOURNAL_HOUSEKEEPING_H
#define NOTIFIER_JOURNAL_HOUSEKEEPING_H

#include "notifier/journal/journal.h"

/* Begins as zeros. */
typedef struct housekeeping {
    int64_t next_ms; /* clock_ms of the next round */
} housekeeping_t;

/* Removes what has been finished for `keep_ms`. Call it every now and then; does nothing until it is time. */
void housekeeping_beat(housekeeping_t *housekeeping, journal_t *journal, int64_t keep_ms);

#endif
