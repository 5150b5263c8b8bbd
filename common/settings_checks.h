/* What one setting alone can't say of itself. Private to common/. */
#ifndef COMMON_SETTINGS_CHECKS_H
#define COMMON_SETTINGS_CHECKS_H

#include <stdio.h>

#include "common/settings.h"

/* Whether no folder of ours lies where CUBE reads: it would take sockets and the journal for files of a service.
 * False after writing a complaint. A stage that does not know the files root can't tell, and takes any. */
bool settings_checks_folders(const settings_t *settings, FILE *complaints);

#endif
