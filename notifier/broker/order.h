/* An order of registrations that CUBE survives. Its task makes the rows of a PACS and of folders without a
 * transaction: two at once below a folder that it does not know yet lose one of the two series. So the first below
 * such a folder goes alone, and the others follow when CUBE has it, or has had time for it. Owns the journal's
 * memory of known folders; the registrar knows the registrations on their way. */
#ifndef NOTIFIER_BROKER_ORDER_H
#define NOTIFIER_BROKER_ORDER_H

#include <stdbool.h>

#include "notifier/journal/journal.h"

/* From the broker's confirm of the first one until the others follow. */
#define ORDER_PAUSE_MS 1000

typedef enum order {
    ORDER_KNOWN, /* CUBE knows all folders */
    ORDER_NEW,   /* there is one below which nothing was registered */
    ORDER_FRESH, /* there is one below which the first was registered a moment ago */
    ORDER_ASKED, /* the same, and CUBE is asked for that first one */
} order_t;

/* What CUBE knows of the PACS, the patient and the study of a series' folder. `new_folder`, to be freed: the
 * topmost that it may not know; all below it are as new, so two series share a new folder only where theirs is the
 * same. NULL: it knows them all. */
order_t order_new_folder(journal_t *journal, const char *folder, char **new_folder);

/* The broker has confirmed a series of this folder. `asked`: CUBE is asked for it, and the others below a folder
 * that is new follow when order_release says so. */
void order_learn(journal_t *journal, const char *folder, bool asked);
/* CUBE has that series, or nobody waits for it any longer. */
void order_release(journal_t *journal, const char *folder);
/* CUBE does not have that series: it, or another one, is the first again. */
void order_forget(journal_t *journal, const char *folder);
/* Nobody waits any longer for CUBE's answers about registrations up to `until`, in milliseconds since 1970: the
 * others follow as if it had not been asked. */
void order_release_all(journal_t *journal, int64_t until);

#endif
