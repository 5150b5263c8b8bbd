/* Whether the receiver lives and is ready, for HTTP: by the loop's own signs of life and the metrics of all stages.
 */
#ifndef NOTIFIER_HTTP_HEALTH_H
#define NOTIFIER_HTTP_HEALTH_H

#include <stdatomic.h>

#include "common/link_state.h"
#include "notifier/journal/storage.h"
#include "notifier/metrics/all_metrics.h"

/* A loop that has not come round for so long hangs. */
#define LOOP_SILENCE_MS 10000

typedef struct health {
    all_metrics_t *metrics;
    storage_t *storage; /* NULL: nobody asks it */
    link_state_t *broker;
    link_state_t *nats;           /* NULL: none is configured */
    link_state_t *cube;           /* NULL: it is not asked */
    _Atomic int64_t loop_ms;      /* when the loop last came round (clock_ms) */
    atomic_bool journal_writable; /* the last transaction of events was committed */
} health_t;

/* The loop came round. */
void health_beat(health_t *health);

/* Whether the loop of this process comes round. */
bool health_alive(health_t *health, int64_t now_ms);

typedef enum readiness { UNREADY, DEGRADED, READY } readiness_t;

/* Room for what a health_report says. */
#define HEALTH_WHY_BYTES 1024

/* Whether new associations are served: a listener accepts, a writer is there, the journal takes events. Without
 * storage, broker or NATS it is degraded: nothing gets lost, registrations and progress wait. `why` is "" if it is
 * ready. */
readiness_t health_ready(health_t *health, int64_t now_ms, char why[HEALTH_WHY_BYTES]);

/* The same with all there is to know, as JSON to free. */
char *health_json(health_t *health, int64_t now_ms);

#endif
