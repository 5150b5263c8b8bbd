/* The folder SERIES_LINKS below the files root: each entry says to which folder all files of one series go while it
 * is received. Writers make them, the notifier removes them; any process of any host may do either at any moment.
 */
#ifndef COMMON_SERIES_LINKS_H
#define COMMON_SERIES_LINKS_H

#include "common/series_key.h"

/* Opens the folder; a missing one is made. `root`: the files root. Returns a descriptor (O_PATH), or -1
 * with errno. */
int series_links_open(int root) __attribute__((warn_unused_result));

/* Removes the link of the key (series_key.h), if there is one. Returns 0 or an errno value. */
int series_links_remove(int root, const char *key) __attribute__((warn_unused_result));

#endif
