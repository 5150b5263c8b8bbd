/* What glibc has and other C libraries, such as musl, have not: the only place that knows which. */
#ifndef COMMON_PORTABILITY_H
#define COMMON_PORTABILITY_H

#include <stddef.h>
#ifdef __GLIBC__
#include <malloc.h>
#include <string.h>
#endif

/* The name of an errno value, "ENOSPC"; NULL where the library knows none. */
static inline const char *errno_name(int reason) {
#ifdef __GLIBC__
    return strerrorname_np(reason);
#else
    (void)reason;
    return NULL;
#endif
}

/* How the heap grows and shrinks: blocks of `map_bytes` or more are mapped by themselves, free memory at its end
 * above `keep_bytes` is given back, and it grows by `step_bytes`. Other allocators have their own rules. */
static inline void heap_tune(int map_bytes, int keep_bytes, int step_bytes) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, map_bytes);
    mallopt(M_TRIM_THRESHOLD, keep_bytes);
    mallopt(M_TOP_PAD, step_bytes);
#else
    (void)map_bytes;
    (void)keep_bytes;
    (void)step_bytes;
#endif
}

/* Gives free pages back to the kernel. */
static inline void heap_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

#endif
