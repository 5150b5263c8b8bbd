/* What the notifier is linked with. */
#ifndef NOTIFIER_LIBRARIES_H
#define NOTIFIER_LIBRARIES_H

#include <stdio.h>

/* For --version. */
void notifier_print_libraries(FILE *out);

#endif
