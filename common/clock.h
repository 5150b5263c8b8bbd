/* Time that never jumps, for intervals and deadlines; and the time of day. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Milliseconds of CLOCK_MONOTONIC. */
static inline int64_t clock_ms(void) {
    return clock_read_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Microseconds of CLOCK_MONOTONIC, to measure with. */
static inline int64_t clock_us(void) {
    return clock_read_ns(CLOCK_MONOTONIC) / 1000;
}

/* Microseconds of a processor that this thread has used, however long it waited for one. */
static inline int64_t clock_used_us(void) {
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID) / 1000;
}

/* Milliseconds since 1970, for what people read. */
static inline int64_t clock_wall_ms(void) {
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

/* Nanoseconds since 1970, for spans. */
static inline int64_t clock_wall_ns(void) {
    return clock_read_ns(CLOCK_REALTIME);
}

#endif
