/* Why something at a broker failed. */
#ifndef NOTIFIER_BROKER_FAILURE_H
#define NOTIFIER_BROKER_FAILURE_H

#include <stdbool.h>

typedef struct failure {
    char text[256]; /* never a secret */
    bool refused;   /* the broker is there, and does not let this user in: people must help */
} failure_t;

/* Writes the text, in place of the one before, which the arguments may hold. Returns -1. */
int failure_set(failure_t *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
