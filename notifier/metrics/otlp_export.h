/* Sends what the metrics knows to a collector of metrics, once in OTEL_METRIC_EXPORT_INTERVAL and once more at the
 * end, from a thread of its own. What the collector does not take is not sent again: the next time says the same
 * and more. */
#ifndef NOTIFIER_METRICS_OTLP_EXPORT_H
#define NOTIFIER_METRICS_OTLP_EXPORT_H

#include "common/settings.h"
#include "notifier/metrics/all_metrics.h"

typedef struct otlp_export otlp_export_t;

/* NULL where the settings name no collector, or after logging why there is none. `metrics` must outlive it.
 * `instance`: for service.instance.id. */
otlp_export_t *otlp_export_new(const settings_t *settings, all_metrics_t *metrics, const char *instance);
/* Begins to send the last metrics, and does not wait. NULL: nothing. */
void otlp_export_end(otlp_export_t *self);
/* Waits for that, at most OTLP_FLUSH_MS since it was begun. */
void otlp_export_destroy(otlp_export_t **self_p);

#endif
