/* A collector of OpenTelemetry traces and metrics beside a test: collector.py. */
#ifndef SUPPORT_COLLECTOR_H
#define SUPPORT_COLLECTOR_H

#include <jansson.h>

#include "tests/support/process.h"

typedef struct collector {
    char *folder;
    char *url; /* http://127.0.0.1:port */
    pid_t pid;
} collector_t;

/* `kind`: grpc, http, silent or reset. Waits until it listens; aborts the test where it does not. */
void collector_start(collector_t *collector, const char *kind);
void collector_stop(collector_t *collector);

/* All spans so far, an array: objects with trace, span, parent (hex), name, kind, start, end, status, attributes,
 * resource. */
json_t *collector_spans(const collector_t *collector);
/* Waits until there are `count` spans with this name; returns all, as above. Fails the test after 60 s. */
json_t *collector_await(const collector_t *collector, const char *name, size_t count);
/* How many of them have the name. */
size_t spans_named(const json_t *spans, const char *name);
/* The span of this name with this text as the attribute's value; NULL: none. `attribute` NULL: the first. */
json_t *span_with(const json_t *spans, const char *name, const char *attribute, const char *text);
/* Waits for an export of metrics that was made after this call; returns it, an object: resource; metrics, an array
 * of objects with name, description, unit, kind (sum, gauge, histogram), temporality, monotonic, points. Fails the
 * test after 60 s. */
json_t *collector_next_metrics(const collector_t *collector);
/* The last that it has; NULL: none. */
json_t *collector_metrics(const collector_t *collector);
/* A file of its folder; free it. NULL: there is none. */
char *collector_file(const collector_t *collector, const char *name, size_t *size);

#endif
