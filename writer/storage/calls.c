#include "writer/storage/calls.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/metrics.h"

store_calls_t store_calls = {writev, fsync, close, renameat, unlinkat};

size_t calls_read(int descriptor, void *bytes, size_t size, int *reason) {
    size_t filled = 0;
    int failed = 0;
    for (ssize_t got = 1; filled < size && got != 0 && failed == 0;) {
        got = read(descriptor, (char *)bytes + filled, size - filled);
        filled += got > 0 ? (size_t)got : 0;
        failed = got < 0 && errno != EINTR ? errno : 0;
    }
    if (reason)
        *reason = failed;
    return filled;
}

int calls_force(int descriptor) {
    int64_t begun_us = clock_us();
    int result = store_calls.fsync(descriptor);
    metric_observe(METRIC_FSYNC_TIME, clock_us() - begun_us);
    return result;
}
