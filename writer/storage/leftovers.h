/* What dead writers left below .oxidicom/tmp/HOST/ID/RUN of a files root. */
#ifndef WRITER_STORAGE_LEFTOVERS_H
#define WRITER_STORAGE_LEFTOVERS_H

#include <stddef.h>

/* A temporary file of unknown owner (another host, no locks) is left alone until nobody has touched it for so
 * long. */
#define LEFTOVER_UNTOUCHED_S (24 * 60 * 60)
/* Temporary files removed in one go, and own ones that could not be removed and are remembered. */
#define LEFTOVERS_AT_ONCE 1000

/* The run that sweeps, which is left alone. */
typedef struct sweeper {
    const char *host, *run; /* names of folders */
} sweeper_t;

/* Removes the temporary files of dead runs, and emptied folders, at most LEFTOVERS_AT_ONCE files. A run of this
 * host is dead if its lock is free. A network file system may not show other hosts' locks here, and some storage
 * has none: there, files untouched for LEFTOVER_UNTOUCHED_S go. Returns how many files it removed. */
size_t leftovers_sweep(int root, const sweeper_t *sweeper);

/* A series' link (home.h) goes when neither it nor its folder has changed for so long: then the series is not
 * received any more on any host, and nobody was left to remove it. */
#define LINK_UNTOUCHED_S (7 * 24 * 60 * 60)

/* Removes such links, at most LEFTOVERS_AT_ONCE. Returns how many. */
size_t leftovers_sweep_links(int root);

#endif
