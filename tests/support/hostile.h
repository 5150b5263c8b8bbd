/* A receiver under hostile peers: it must go on serving honest ones, and neither memory nor descriptors may grow.
 */
#ifndef SUPPORT_HOSTILE_H
#define SUPPORT_HOSTILE_H

#include <stdint.h>
#include <stdio.h>

#include "tests/support/mutation.h"

typedef struct hostile {
    session_t (*session)(uint64_t number);
    uint64_t seed; /* the number of session i is seed + i */
    size_t sessions;
} hostile_t;

/* Starts a receiver, holds the sessions, several open at a time, and looks at the rest. Returns whether all checks
 * held; reports the failures, and the numbers, to `report`. */
bool hostile_run(const hostile_t *hostile, FILE *report);

#endif
