/* Durations and sizes as people write them. */
#ifndef COMMON_DURATION_H
#define COMMON_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a duration in the form of Rust's humantime: one or more `number unit`, spaces optional ("5ms",
 * "1h 30m", "2days"); "0" needs no unit. Fractions of a millisecond are rounded up. Returns false where the
 * text is not of that form or does not fit. */
bool duration_parse(const char *text, int64_t *milliseconds) __attribute__((warn_unused_result));

/* Reads a size in bytes: a number with an optional unit B, kB, MB, GB (powers of 1000) or KiB, MiB, GiB
 * (powers of 1024). */
bool size_parse(const char *text, int64_t *bytes) __attribute__((warn_unused_result));

#endif
