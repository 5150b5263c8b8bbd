#include "writer/storage/calls.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/metrics.h"

store_calls_t store_calls = {writev, fsync, close, renameat, unlinkat};

int calls_force(int descriptor) {
    int64_t begun_us = clock_us();
    int result = store_calls.fsync(descriptor);
    metric_observe(METRIC_FSYNC_TIME, clock_us() - begun_us);
    return result;
}
