/* Removes from the journal what is finished and old (JOURNAL_KEEP_MS): at start and then hourly, a slice at a time.
 */
#ifndef NOTIFIER_HOUSEKEEPING_H
#define NOTIFIER_HOUSEKEEPING_H

#include "notifier/journal.h"

/* Begins as zeros. */
typedef struct housekeeping {
    int64_t next_ms; /* clock_ms of the next round */
} housekeeping_t;

/* Call it every now and then; does nothing until it is time. */
void housekeeping_beat(housekeeping_t *housekeeping, journal_t *journal);

#endif
