/* Sends what the board knows to a collector of metrics, once in OTEL_METRIC_EXPORT_INTERVAL and once more at the
 * end, from a thread of its own. What the collector does not take is not sent again: the next time says the same
 * and more. */
#ifndef NOTIFIER_METRICS_METRICS_EXPORT_H
#define NOTIFIER_METRICS_METRICS_EXPORT_H

#include "common/settings.h"
#include "notifier/metrics/board.h"

typedef struct metrics_export metrics_export_t;

/* NULL where the settings name no collector, or after logging why there is none. `board` must outlive it.
 * `instance`: for service.instance.id. */
metrics_export_t *metrics_export_new(const settings_t *settings, board_t *board, const char *instance);
/* Begins to send the last figures, and does not wait. NULL: nothing. */
void metrics_export_end(metrics_export_t *self);
/* Waits for that, at most OTLP_FLUSH_MS since it was begun. */
void metrics_export_destroy(metrics_export_t **self_p);

#endif
