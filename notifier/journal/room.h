/* The room of the journal: within OXIDICOM_JOURNAL_SIZE, and above OXIDICOM_JOURNAL_MIN_FREE on its file system.
 * Without room no series is opened, so the objects of new ones are answered A700. Open ones go on. Finished
 * receptions are forgotten, refusals first, until there is room again. */
#ifndef NOTIFIER_JOURNAL_ROOM_H
#define NOTIFIER_JOURNAL_ROOM_H

#include "notifier/journal/journal.h"

/* Looks how much there is: journal->room. Cheap enough for each batch that writes. */
void room_look(journal_t *journal);
/* Gives some pages that hold nothing any more back to the file system. Without an open transaction. */
void room_give_back(journal_t *journal);

#endif
