/* The way to a collector: one request of OTLP at a time, over gRPC or HTTP
 * (https://opentelemetry.io/docs/specs/otlp/). For one thread, which waits for the answer; only otlp_link_end_by is
 * for any. */
#ifndef COMMON_TELEMETRY_OTLP_LINK_H
#define COMMON_TELEMETRY_OTLP_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "common/telemetry/otlp_target.h"

typedef struct otlp_link otlp_link_t;

typedef enum otlp_result {
    OTLP_TAKEN,
    OTLP_TRY_AGAIN, /* the same request may be taken later */
    OTLP_REFUSED,
} otlp_result_t;

/* Room for what otlp_link_post says. */
#define OTLP_WHY_BYTES (CURL_ERROR_SIZE + 64)

/* The target becomes the link's. NULL, and the target is cleared, where libcurl can't do it. */
otlp_link_t *otlp_link_new(otlp_target_t *target);
void otlp_link_destroy(otlp_link_t **self_p);

const otlp_target_t *otlp_link_target(const otlp_link_t *self);

/* Sends the request and waits for the answer, as long as the target's timeout. `why`: it was not taken. */
otlp_result_t otlp_link_post(otlp_link_t *self, const ProtobufCMessage *request, char why[OTLP_WHY_BYTES]);

/* The process ends: break off everything at this time of clock_ms. */
void otlp_link_end_by(otlp_link_t *self, int64_t end_ms);

#endif
