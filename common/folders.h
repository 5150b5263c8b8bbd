/* Folders below the files root that stages of several users enter. */
#ifndef COMMON_FOLDERS_H
#define COMMON_FOLDERS_H

#include <stdbool.h>
#include <sys/stat.h>

/* The mode of a folder that others may enter, by the present umask: to be asked before there are threads. */
mode_t folders_mode(void);

/* Makes the folder with this mode, unless it is there. Another thread may narrow the umask at this moment, while it
 * makes a socket or the journal: a writer could not enter the folder then. False with errno. */
bool folders_make(const char *path, mode_t mode);

#endif
