/* The metrics in OpenTelemetry's protocol (opentelemetry-proto, metrics.proto): the same as /metrics.
 */
#ifndef NOTIFIER_METRICS_OTLP_REQUEST_H
#define NOTIFIER_METRICS_OTLP_REQUEST_H

#include "common/telemetry/otlp.pb-c.h"
#include "notifier/metrics/all_metrics.h"

/* Counters are cumulative, monotonic sums, gauges gauges, histograms have explicit bounds; seconds are numbers of
 * floating point, the label and the stage are attributes. `time_ns`: now, since 1970. Its resource stays the
 * caller's. Free it with otlp_request_destroy. */
Otlp__ExportMetricsServiceRequest *otlp_request_new(all_metrics_t *metrics, Otlp__Resource *resource,
                                                    int64_t now_ms, int64_t time_ns);
void otlp_request_destroy(Otlp__ExportMetricsServiceRequest **self_p);

#endif
