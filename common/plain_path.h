/* Absolute paths as text: no folder needs to be there, and no link is followed. */
#ifndef COMMON_PLAIN_PATH_H
#define COMMON_PLAIN_PATH_H

#include <stdbool.h>

/* The path without empty parts, `.` and `..`; free it. */
char *plain_path(const char *path);

/* Whether `path` is `folder` or lies below it. Both are plain. */
bool plain_path_holds(const char *folder, const char *path);

#endif
