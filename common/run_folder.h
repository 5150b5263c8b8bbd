/* Whether the run folder is still the one of the stage's start. Somebody may move or clear it. Then a later stage
 * finds no other in it, while the older ones still hear one another over open connections. */
#ifndef COMMON_RUN_FOLDER_H
#define COMMON_RUN_FOLDER_H

#include <stdbool.h>

/* A descriptor that becomes readable with a change in the folder; -1 where the system has none left, with errno. */
int run_folder_watch(const char *run_dir);
/* Reads the changes. Whether the folder, or the file of this name in it, was moved or removed. */
bool run_folder_lost(int watch, const char *name);

#endif
