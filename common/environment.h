/* Limits the environment of each process: it holds passwords, and an intruder who takes over a process can read
 * its own. */
#ifndef COMMON_ENVIRONMENT_H
#define COMMON_ENVIRONMENT_H

#include "common/settings.h"

/* Unsets the settings that this stage (one FOR_ value) does not use, under all their names. For the process that
 * becomes the stage. */
void environment_leave_for(unsigned stage);

/* Warns of variables whose name begins as a setting's and that are none: one may be misspelled. Logs their names.
 */
void environment_warn_of_unknown(void);

/* Warns of settings that do nothing since another one is unset, such as a token without the address to send it to.
 * Logs their names. */
void environment_warn_of_idle(const settings_t *settings);

/* Overwrites and unsets secrets, and every variable that neither a setting nor a library of the stages asks for.
 * For a stage that has read its settings and has no threads yet: /proc/PID/environ shows none of it afterwards. */
void environment_wipe(void);

#endif
