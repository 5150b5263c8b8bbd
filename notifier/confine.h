/* What the notifier needs of files and network, for the sandbox. */
#ifndef NOTIFIER_CONFINE_H
#define NOTIFIER_CONFINE_H

#include "common/sandbox.h"
#include "common/settings.h"

/* Makes the folders of the journal and of filesystem brokers, as far as it can: only existing folders can be
 * allowed. Their users log a missing one. Touches storage only if the journal or a broker's folder lies there. */
void confine_notifier(sandbox_t *sandbox, const settings_t *settings);

#endif
