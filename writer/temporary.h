/* The folder for a writer's temporary files: where it lies, whose it is, what dead runs left in others. */
#ifndef WRITER_TEMPORARY_H
#define WRITER_TEMPORARY_H

#include <stdint.h>

/* Opens `path` relative to the folder `root` without ever leaving it, not even through a symbolic link
 * (openat2(2)). Returns a descriptor, or -1 with errno. */
int open_beneath(int root, const char *path, int flags, unsigned mode);

/* Makes and opens .oxidicom/tmp/HOST/`id`/`incarnation` below the files root and removes what dead runs of the same
 * writer left. Returns a descriptor that holds a lock on it for as long as it is open, or -1 with errno. */
int temporary_open(int root, const char *id, uint64_t incarnation);

/* Closes it and removes the folder, if it is empty. */
void temporary_close(int root, int folder, const char *id, uint64_t incarnation);

#endif
