/* A folder for targets whose stage needs files or sockets: in memory if possible, removed at the end of the
 * process. */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

/* Made at the first call. */
const char *scratch_folder(void);
/* Removes a folder in it, and what that holds. */
void scratch_remove(const char *name);

#endif
