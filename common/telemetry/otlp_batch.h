/* Spans on their way in one request: grouped by the process that they are of. */
#ifndef COMMON_TELEMETRY_OTLP_BATCH_H
#define COMMON_TELEMETRY_OTLP_BATCH_H

#include "common/telemetry/otlp_link.h"

typedef struct otlp_item {
    Otlp__Span *span; /* owned */
    char *instance;   /* service.instance.id of its process, owned; NULL: of this one */
} otlp_item_t;

void otlp_item_clear(otlp_item_t *item);

/* Sends them, in one request; they stay the caller's, in another order perhaps. `instance`: of this process. See
 * otlp_link_post. */
otlp_result_t otlp_batch_post(otlp_link_t *link, const char *instance, otlp_item_t *items, size_t count,
                              char why[OTLP_WHY_BYTES]);

#endif
