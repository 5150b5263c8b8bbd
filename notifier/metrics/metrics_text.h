/* The metrics of all stages for Prometheus: its text format 0.0.4, or OpenMetrics 1.0. */
#ifndef NOTIFIER_METRICS_METRICS_TEXT_H
#define NOTIFIER_METRICS_METRICS_TEXT_H

#include "notifier/metrics/all_metrics.h"

#define TEXT_FORMAT        "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_FORMAT "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Whether a request's Accept header (NULL: none) asks for OpenMetrics. */
bool metrics_text_wants_openmetrics(const char *accept);

/* Returns the document, to be freed, and its size. */
char *metrics_text_of(all_metrics_t *metrics, bool openmetrics, int64_t now_ms, size_t *size);

#endif
