/* The home of a series: the one folder that all its files go to while it is received, also where their own tags
 * name another, through any writer, association or replica, and from any calling AE title that is sanitised to the
 * name of the PACS: CUBE knows one folder of a series. The first writer's file decides. It says so by a symbolic
 * link in SERIES_LINKS, from the series' key to the folder; who comes later reads that. Where storage has no
 * symbolic links, a regular file holds the path. */
#ifndef WRITER_STORAGE_HOME_H
#define WRITER_STORAGE_HOME_H

#include <limits.h>
#include <stdbool.h>

#include "writer/storage/base.h"

typedef struct home home_t;

/* Of one series of a PACS; `pacs_name` is the folder below SERVICES/PACS. Nothing is asked of storage yet. */
home_t *home_new(const char *pacs_name, const char *series_uid);
/* One owner more; each gives it back with home_release, which does nothing with NULL. Both in the loop's thread. */
home_t *home_share(home_t *self);
void home_release(home_t **self_p);

bool home_is_of(const home_t *self, const char *pacs_name, const char *series_uid);

/* Makes the home known, in any thread: asks storage once, others wait for that meanwhile. `wanted`: the folder of
 * this file's own tags, which it becomes where nobody was first. A link that leads anywhere but to a folder of this
 * PACS that the series can have is replaced with a warning: ignored, it would send each file to the folder of its
 * own tags. Where storage lets nobody agree on a home, that is the folder wanted, with a warning. Returns 0 or an
 * errno value. */
int home_find(home_t *self, bases_t *bases, bool durable, const char *wanted) __attribute__((warn_unused_result));

/* Relative to the files root, once it is known. */
const char *home_folder(const home_t *self);

/* True once: a file's own tags name another folder than this. For the loop's thread. */
bool home_differs_first(home_t *self);

/* The path that a link, or the file in its place, holds: unchecked. Returns 0 or an errno value. */
int home_read_link(int links, const char *key, char target[PATH_MAX]) __attribute__((warn_unused_result));

/* symlinkat(2). Replaced by tests: their storage has symbolic links. */
extern int (*home_symlinkat)(const char *target, int folder, const char *name);

#endif
