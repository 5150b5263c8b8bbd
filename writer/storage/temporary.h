/* The folder for a writer's temporary files: where it lies and whose it is. */
#ifndef WRITER_STORAGE_TEMPORARY_H
#define WRITER_STORAGE_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>

/* Below the files root; in it a folder for each HOST/ID/RUN. */
#define TEMPORARY_FOLDERS ".oxidicom/tmp"
#define RUN_NAME_BYTES    16 /* of the incarnation in hexadecimal */

/* Opens `path` relative to the folder `root` without ever leaving it, not even through a symbolic link
 * (openat2(2)). Returns a descriptor, or -1 with errno. */
int open_beneath(int root, const char *path, int flags, unsigned mode);

/* This host's folder; free it. It tells the pods of a cluster apart, which share the files root. */
char *host_folder(void);

void run_name(uint64_t incarnation, char name[RUN_NAME_BYTES + 1]);
bool is_run_name(const char *name);

/* Makes and opens .oxidicom/tmp/HOST/`id`/`incarnation` below the files root. Returns a descriptor that holds a
 * lock on it for as long as it is open, or -1 with errno. */
int temporary_open(int root, const char *id, uint64_t incarnation);

/* Closes it and removes the folder, if it is empty. */
void temporary_close(int root, int folder, const char *id, uint64_t incarnation);

#endif
