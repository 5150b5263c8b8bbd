/* The OTEL_ variables: the collectors of spans and metrics, headers, resource, sampling, and the interval of
 * metrics. https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and
 * …/configuration/sdk-environment-variables/ */
#ifndef COMMON_TELEMETRY_OTLP_TARGET_H
#define COMMON_TELEMETRY_OTLP_TARGET_H

#include <curl/curl.h>

#include "common/settings.h"
#include "common/telemetry/otlp.pb-c.h"

typedef enum otlp_signal { OTLP_TRACES, OTLP_METRICS } otlp_signal_t;

typedef struct otlp_target {
    char *url;                  /* of the signal */
    bool grpc;                  /* else HTTP with protobuf */
    bool tls;                   /* https */
    struct curl_slist *headers; /* of the protocol and of OTEL_EXPORTER_OTLP_HEADERS */
    int64_t timeout_ms;
    double ratio;        /* of traces that are sampled */
    int64_t interval_ms; /* from one export of metrics to the next */
    Otlp__Resource *resource;
} otlp_target_t;

/* Whether the signal is to be exported: there is an endpoint, and nothing that says no. */
bool otlp_target_wanted(const settings_t *settings, otlp_signal_t signal);
/* False if the signal is not exported, or its endpoint is none. Otherwise clear it. A bad variable is logged,
 * once, and counts as unset. `instance`: for service.instance.id. */
bool otlp_target_read(otlp_target_t *target, const settings_t *settings, otlp_signal_t signal,
                      const char *instance);
void otlp_target_clear(otlp_target_t *target);

#endif
