/* What storage is asked by system calls that tests make fail. */
#ifndef WRITER_STORAGE_CALLS_H
#define WRITER_STORAGE_CALLS_H

#include <sys/types.h>
#include <sys/uio.h>

/* Replaced by tests to make storage fail. */
typedef struct store_calls {
    ssize_t (*writev)(int descriptor, const struct iovec *parts, int parts_count);
    int (*fsync)(int descriptor);
    int (*close)(int descriptor);
    int (*renameat)(int from_folder, const char *from, int to_folder, const char *to);
    int (*unlinkat)(int folder, const char *name, int flags);
} store_calls_t;
extern store_calls_t store_calls;

/* Reads until `bytes` is full or the file ends. Returns how many. `reason`: 0, or the errno value of a failed read,
 * which ends it; NULL: unwanted. */
size_t calls_read(int descriptor, void *bytes, size_t size, int *reason);

/* fsync(2), timed for a metric. */
int calls_force(int descriptor) __attribute__((warn_unused_result));

#endif
