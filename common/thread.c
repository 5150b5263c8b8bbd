#include "common/thread.h"

#include <time.h>

bool thread_join(pthread_t thread, bool idle) {
    struct timespec until;
    if (idle)
        return pthread_join(thread, NULL) == 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += THREAD_END_MS / 1000;
    return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}
