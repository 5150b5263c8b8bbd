/* What the OTEL_ variables say: where spans go, with which headers, of which resource, and which are sampled.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and …/configuration/sdk-environment-variables/ */
#ifndef PROTO_OTLP_TARGET_H
#define PROTO_OTLP_TARGET_H

#include <curl/curl.h>

#include "common/settings.h"
#include "proto/otlp.pb-c.h"

typedef struct otlp_target {
    char *url;                  /* of traces */
    bool grpc;                  /* else HTTP with protobuf */
    bool tls;                   /* https */
    struct curl_slist *headers; /* those of the protocol and those of OTEL_EXPORTER_OTLP_HEADERS */
    int64_t timeout_ms;
    double ratio; /* of traces that are sampled */
    Otlp__Resource *resource;
} otlp_target_t;

/* False where there is nothing to export: no endpoint, a bad one, or OTEL_SDK_DISABLED. Otherwise clear it. */
bool otlp_target_read(otlp_target_t *target, const settings_t *settings, const char *instance);
void otlp_target_clear(otlp_target_t *target);

/* Decodes %XX in place; false where a % is not followed by two digits or a NUL would come out. */
bool otlp_percent_decode(char *text);

#endif
