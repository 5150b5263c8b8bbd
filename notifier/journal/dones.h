/* The last messages of a reception over NATS: its errors, then done. Both are in the journal until NATS has them:
 * CUBE's clients stop to listen at the first error, and look at CUBE at done. Owns the list of published
 * messages; a crash forgets it, and they are published again. */
#ifndef NOTIFIER_JOURNAL_DONES_H
#define NOTIFIER_JOURNAL_DONES_H

#include "notifier/journal/journal.h"
#include "notifier/progress/progress.h"

/* Errors of one reception that are said, and characters of each; the rest is counted. */
#define DONES_ERRORS_MAX           100
#define DONES_ERROR_MAX_CHARACTERS 500
/* Given to NATS' thread at once. */
#define DONES_UNDER_WAY_MAX 256
/* The end of the process waits for dones that are due within this time. */
#define DONES_AWAITED_MS 2000

typedef struct dones dones_t;

/* `delay_ms`: OXIDICOM_DONE_DELAY. All must outlive it. Without NATS it forgets the owed dones. */
dones_t *dones_new(journal_t *journal, progress_t *progress, int64_t delay_ms);
/* Journals what NATS has taken. */
void dones_end(dones_t **self_p);

/* Journals an error that is to be said before the reception's done, in the open transaction. Nothing where no done
 * is owed: then nobody listens. */
void dones_add_error(journal_t *journal, int64_t reception, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* NATS has errors and done of this reception. The next dones_pump journals it. */
void dones_on_taken(dones_t *dones, int64_t reception);
/* Hands over due dones. Call it when one may have become due, and now and then. */
void dones_pump(dones_t *dones);
/* Whether NATS may take one within so many milliseconds. */
bool dones_busy(dones_t *dones, int64_t ms);

#endif
