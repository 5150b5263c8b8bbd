/* Registrations that are left to another replica (replicas.h), in the journal. */
#ifndef NOTIFIER_BROKER_LEFT_H
#define NOTIFIER_BROKER_LEFT_H

#include <stdbool.h>

#include "common/settings.h"
#include "notifier/cube/registration.h"
#include "notifier/journal/journal.h"

/* It waits until it is looked at again. `note`: NULL: as before, or none could be made. `first`: it was not left
 * before. Where the journal does not take it, it is asked about again at once. */
void left_record(journal_t *journal, const settings_t *settings, const registration_t *registration,
                 const char *note, bool first);
/* Another replica has registered it; `is_done_ours`: for another title, so done is said here. */
void left_end(journal_t *journal, const settings_t *settings, const registration_t *registration,
              bool is_done_ours);

#endif
