/* The wait of a reception that no association sends any more: the PACS may go on with the series, or send it again
 * after an abort, and CUBE takes a series once. How long it lasts depends on how the associations have ended that
 * sent the series since one last joined: the longest wait counts. It is in the journal, so it survives restarts.
 * All of this reads and writes the open transaction. */
#ifndef NOTIFIER_JOURNAL_QUIET_H
#define NOTIFIER_JOURNAL_QUIET_H

#include <stdbool.h>

#include "notifier/journal/journal.h"
#include "notifier/journal/owed.h"

/* How long a reception waits after such an end, in milliseconds: OXIDICOM_SERIES_QUIET or OXIDICOM_ABORT_QUIET. */
int64_t quiet_ms_after(const journal_t *journal, Ring__Ending ending);
/* The reason that people are told; static. */
const char *quiet_why(Ring__Ending ending);

/* An association that sent the reception has ended. */
void quiet_on_end(journal_t *journal, int64_t reception, Ring__Ending ending);
/* Another one has joined: it takes the reception over, and what ended before counts no more. */
void quiet_on_join(journal_t *journal, int64_t reception);
/* No association sends the reception any more: its wait begins. False: it has none to wait for, so it is over. */
bool quiet_begin(journal_t *journal, owed_t *owed, int64_t reception) __attribute__((warn_unused_result));

/* A reception that has waited long enough; 0: there is none. */
int64_t quiet_find_over(journal_t *journal);
/* Milliseconds until the next wait is over, 1 at least; 0: none waits. */
int64_t quiet_next_ms(journal_t *journal);
/* At the start of the process. Waits that ended before it begin anew: nothing may have been there that the peer
 * could send to. */
void quiet_resume(journal_t *journal);

#endif
