/* The folder for a writer's temporary files: its place and owner. */
#ifndef WRITER_STORAGE_TEMPORARY_H
#define WRITER_STORAGE_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/open_beneath.h"

/* Below the files root; in it a folder for each HOST/ID/RUN. */
#define TEMPORARY_FOLDERS ".oxidicom/tmp"
#define RUN_NAME_BYTES    16 /* of the incarnation in hexadecimal */
/* Folders in a run's that its files are spread over, where storage is far away. */
#define TEMPORARY_SPREAD 8

/* The longest that temporary_name makes. */
#define TEMPORARY_NAME_BYTES 24

/* This host's folder; free it. It tells the pods of a cluster apart, which share the files root. */
char *host_folder(void);

void run_name(uint64_t incarnation, char name[RUN_NAME_BYTES + 1]);
bool is_run_name(const char *name);

/* Makes and opens .oxidicom/tmp/HOST/`id`/`incarnation` below the files root; the last is its user's alone. Returns
 * a descriptor that holds a lock on it until it is closed, or -1 with errno. */
int temporary_open(int root, const char *id, uint64_t incarnation);

/* Makes the folders in it that temporary_name spreads files over. Returns 0, or -1 with errno. */
int temporary_spread(int folder) __attribute__((warn_unused_result));

bool is_spread_name(const char *name);

/* Of the run's file of this number, relative to its folder. */
void temporary_name(uint64_t number, bool is_spread, char name[TEMPORARY_NAME_BYTES]);

/* Makes and opens a file in a run's folder for writing, of this mode as far as the umask allows. Returns a
 * descriptor, or -1 with errno; EEXIST: it is not new. */
int temporary_create(int folder, const char *name, bool is_nfs, mode_t mode) __attribute__((warn_unused_result));

/* Closes it and removes the folder, if it is empty. */
void temporary_close(int root, int folder, const char *id, uint64_t incarnation);

#endif
