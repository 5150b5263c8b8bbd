/* Folders below the files root: found or made, and durable. */
#ifndef WRITER_STORAGE_FOLDER_H
#define WRITER_STORAGE_FOLDER_H

#include <stdbool.h>

#include "writer/storage/base.h"

/* Opens a folder below the root, and makes its missing parts. `durable`: its entries in all folders above survive
 * a power loss afterwards. Returns a descriptor, or -1 with errno; O_PATH if it need not be forced to the disk. */
int folder_open(bases_t *bases, base_t *base, const char *folder, bool durable) __attribute__((warn_unused_result));

/* Whether a change of a folder survives a power loss only after an fsync of it. */
bool folder_needs_force(const base_t *base, bool durable);

#endif
