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

/* A folder as it is now; zeros: there is none. */
struct stat folders_known(const char *path);
/* Whether `path`, relative to the folder `at`, is another folder than `known`, though permissions let this process
 * write there: Landlock allows the folder of the start only, while access(2) asks for permissions alone. */
bool folders_are_kept_out(int at, const char *path, const struct stat *known);

/* Makes a folder below the files root, and the one above it, as far as they can be made; says nothing. A files root
 * that is missing is nobody's. */
void folders_make_below(const char *files_root, const char *below, mode_t mode);

#endif
