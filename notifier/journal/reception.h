/* Receptions: what came of one series from one calling AE, until every association that sent it has ended and
 * nothing more has come for OXIDICOM_SERIES_QUIET. All of
 * it is in the journal; these functions read and write the open transaction and note in the batch what is owed
 * after its commit. A failure breaks the transaction (journal.h), so none of them returns one. */
#ifndef NOTIFIER_JOURNAL_RECEPTION_H
#define NOTIFIER_JOURNAL_RECEPTION_H

#include <stdbool.h>

#include "notifier/journal/journal.h"
#include "notifier/journal/owed.h"
#include "notifier/journal/rows.h"

/* A file was stored, or an object was not. An object that is known already is only acknowledged again, with the
 * status that was said first; then they return false. The message must be complete, see reception_stored_usable. */
bool reception_on_stored(journal_t *journal, owed_t *owed, const Ring__Stored *stored);
bool reception_on_refused(journal_t *journal, owed_t *owed, const Ring__Refused *refused);

/* No more objects of this association will come. */
void reception_on_association_ended(journal_t *journal, owed_t *owed, uint64_t listener, uint64_t association);

/* All associations of other listeners than `listener` have ended, and later events of theirs are late ones. */
void reception_close_other_listeners(journal_t *journal, owed_t *owed, uint64_t listener);

/* Ends the receptions that late events of this batch have begun, since no association sends to them. Call it at the
 * end of each owed, so that several late events of one series are one reception. */
void reception_end_abandoned(journal_t *journal, owed_t *owed);

/* Ends the receptions whose quiet has lasted long enough; returns whether there were any. Call it now and then. */
bool reception_end_quiet(journal_t *journal, owed_t *owed);

/* Why what was received can't be registered; free it. NULL: it can. No patient's data in it. */
char *reception_problem(const reception_row_t *row);

/* Whether the message has everything that it must have. */
bool reception_stored_usable(const Ring__Stored *stored);
bool reception_refused_usable(const Ring__Refused *refused);

#endif
