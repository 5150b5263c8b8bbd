/* Receptions: one series from one calling AE, until every association that sent it has ended and
 * the wait for another (quiet.h) is over. Who sends it to which folder is in the journal, its files are
 * counted in memory (heard.h); these functions read and write the open transaction and note in the batch the
 * messages owed after its commit. A failure breaks the transaction (journal.h), so none of them returns one. */
#ifndef NOTIFIER_JOURNAL_RECEPTION_H
#define NOTIFIER_JOURNAL_RECEPTION_H

#include <stdbool.h>

#include "notifier/journal/journal.h"
#include "notifier/journal/owed.h"
#include "notifier/journal/rows.h"

/* Files were stored, or an object was not. Return false where all of that was heard before. The message must be
 * complete, see reception_stored_usable. */
bool reception_on_stored(journal_t *journal, owed_t *owed, const Ring__Stored *stored);
bool reception_on_refused(journal_t *journal, owed_t *owed, const Ring__Refused *refused);

/* No more objects of this association will come. It ends once everything was heard that writers have said of them,
 * or HEARD_END_WAIT_MS later by reception_end_overdue. */
void reception_on_association_ended(journal_t *journal, owed_t *owed, const Ring__AssociationEnded *ended);
/* Returns whether any has ended. Call it now and then. */
bool reception_end_overdue(journal_t *journal, owed_t *owed);

/* All associations of other listeners than `listener` have ended, and later events of theirs are late ones. */
void reception_close_other_listeners(journal_t *journal, owed_t *owed, uint64_t listener);

/* Ends the receptions that late events of this batch have begun, since no association sends to them. Call it at the
 * end of each owed, so that several late events of one series are one reception. */
void reception_end_abandoned(journal_t *journal, owed_t *owed);

/* Ends the receptions that have waited long enough (quiet.h); returns whether there were any. */
bool reception_end_waits(journal_t *journal, owed_t *owed);

/* Receptions that an earlier process, or a transaction that failed, has left open: their files are counted in
 * storage.
 */
void reception_load(journal_t *journal);
/* The folder of a reception to be counted, asked for once (heard_counted takes the answer); free it. NULL:
 * none. */
char *reception_next_uncounted(journal_t *journal, int64_t *reception);

/* Why the received series can't be registered; free it. NULL: it can. No patient's data in it. */
char *reception_problem(const reception_row_t *row);

/* Whether the message has everything that it must have. */
bool reception_stored_usable(const Ring__Stored *stored);
bool reception_refused_usable(const Ring__Refused *refused);

#endif
