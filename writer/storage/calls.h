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

/* fsync(2), timed for a metric. */
int calls_force(int descriptor) __attribute__((warn_unused_result));

#endif
