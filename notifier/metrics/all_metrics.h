/* The metrics of all stages, from their snapshots over the ring, and their sums. Counters never go back: a dead
 * process' counts are added to its successor's. Only the counts since its last snapshot are lost.
 *
 * Written by the loop, read by the threads that answer HTTP: every function takes the lock. */
#ifndef NOTIFIER_METRICS_ALL_METRICS_H
#define NOTIFIER_METRICS_ALL_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/metrics.h"
#include "proto/ring.h"

/* A stage without a snapshot for so long counts as gone outside … */
#define STAGE_SILENCE_MS 2000
/* … and is shown as such for so long. */
#define STAGE_SHOWN_MS (5 * 60 * 1000)
/* Processes remembered; the one silent for longest makes room. */
#define ALL_METRICS_STAGES_MAX (WRITERS_MAX + 16)

typedef struct all_metrics all_metrics_t;

all_metrics_t *all_metrics_new(void);
void all_metrics_destroy(all_metrics_t **self_p);

/* A message of the ring, or the notifier's own snapshot. Unusable parts are left out. */
void all_metrics_on_message(all_metrics_t *metrics, const Ring__Metrics *message, int64_t now_ms);
/* The connection to this stage is broken: it is gone until its next message. */
void all_metrics_lost(all_metrics_t *metrics, const char *id);

/* A value of all present stages; counters and histograms also of gone ones. */
typedef struct all_metrics_value {
    metric_t metric;
    const char *label; /* "" where the metric has none */
    const char *stage; /* id; NULL where the stages' values are added up */
    int64_t value;     /* of a histogram the sum */
    uint64_t buckets[METRIC_BUCKETS];
    int64_t since_us; /* counters and histograms: the start of the first process counted in it, since 1970 */
} all_metrics_value_t;

/* In the order of the table, the values of one metric one after the other. The texts are valid during the call;
 * `visit` must not call this module. */
void all_metrics_visit(all_metrics_t *metrics, int64_t now_ms,
                       void (*visit)(void *self, const all_metrics_value_t *value), void *self);

/* The value of a gauge that has no label and is added up; `absent` where no stage that is there has it. */
int64_t all_metrics_gauge(all_metrics_t *metrics, metric_t metric, int64_t now_ms, int64_t absent);

typedef struct all_metrics_stage {
    const char *id, *release;
    Ring__Stage kind;
    uint32_t process;
    int64_t started_at; /* milliseconds since 1970 */
    int64_t silent_ms;  /* since its last message */
    bool up;
} all_metrics_stage_t;

/* The stages that are there, or were until lately. The same rules. */
void all_metrics_visit_stages(all_metrics_t *metrics, int64_t now_ms,
                              void (*visit)(void *self, const all_metrics_stage_t *stage), void *self);

#endif
