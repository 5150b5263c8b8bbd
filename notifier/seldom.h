/* For complaints that could come with every message: one a second says it. */
#ifndef NOTIFIER_SELDOM_H
#define NOTIFIER_SELDOM_H

#include <stdbool.h>

#include "common/clock.h"

#define SELDOM_INTERVAL_MS 1000

/* Whether it is time to say it again; `last_ms` begins as 0 and belongs to one kind of complaint. */
static inline bool seldom(int64_t *last_ms) {
    int64_t now = clock_ms();
    if (*last_ms && now - *last_ms < SELDOM_INTERVAL_MS)
        return false;
    *last_ms = now;
    return true;
}

#endif
