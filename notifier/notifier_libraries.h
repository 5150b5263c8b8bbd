/* What the notifier is linked with. */
#ifndef NOTIFIER_NOTIFIER_LIBRARIES_H
#define NOTIFIER_NOTIFIER_LIBRARIES_H

#include <stdio.h>

/* For --version. */
void notifier_libraries_print(FILE *out);

#endif
