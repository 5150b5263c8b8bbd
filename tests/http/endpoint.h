/* A receiver that serves health and metrics. */
#ifndef TESTS_HTTP_ENDPOINT_H
#define TESTS_HTTP_ENDPOINT_H

#include "tests/ring/ring.h"
#include "tests/support/http.h"

/* Starts it with the launcher's arguments `stages` (NULL: all). The port is OXIDICOM_HTTP_PORT's. */
void endpoint_start(receiver_t *receiver, const char *queue, const char *stages, const char *const *more);
int endpoint_port(void);

/* The status of a path; 0: none. */
int status_of(const char *path);
/* Waits until the path has this status; returns how many milliseconds that took, -1: PATIENCE_MS were not enough.
 */
int64_t await_status(const char *path, int status);
/* The value of a series now. */
double metric(const char *series);
/* Waits until the series has this value. */
void await_metric(const char *series, double value);

#endif
