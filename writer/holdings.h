/* The memory of a writer for unfinished objects: one budget for all of them. Each may hold HOLDINGS_SHARE times the
 * free part, so that a large one leaves room for the next one, and a little in any case. Bytes on their way to a
 * file are no part of it: the listener's windows bound them. */
#ifndef WRITER_HOLDINGS_H
#define WRITER_HOLDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"

/* Of a writer, for all of its objects. deploy/README.md reckons with it. */
#define HOLDINGS_MAX_BYTES (16 * 1024 * 1024)
#define HOLDINGS_SHARE     4
/* No object is refused, or has its head written to a file, that holds no more. */
#define HOLDINGS_LITTLE_BYTES (16 * 1024)

/* Begins zeroed. NULL allows everything. */
typedef struct holdings {
    size_t held;
    log_limit_t said;
} holdings_t;

/* An object holds `now` bytes instead of `*before`, which is kept up to date. */
static inline void holdings_set(holdings_t *self, size_t *before, size_t now) {
    if (!self)
        return;
    self->held = self->held - *before + now;
    *before = now;
}

/* Whether an object may hold so many bytes; `own` are counted by now. */
static inline bool holdings_allow(const holdings_t *self, size_t own, size_t wanted) {
    if (!self)
        return true;
    if (wanted <= HOLDINGS_LITTLE_BYTES)
        return true;
    size_t others = self->held - own, all = others + wanted;
    return all <= HOLDINGS_MAX_BYTES && wanted <= HOLDINGS_SHARE * (HOLDINGS_MAX_BYTES - all);
}

#endif
