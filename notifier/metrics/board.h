/* The metrics of all stages, from their snapshots over the ring, and their sums. Counters never go back: a dead
 * process' counts are added to its successor's. Only the counts since its last snapshot are lost.
 *
 * Written by the loop, read by the threads that answer HTTP: every function takes the lock. */
#ifndef NOTIFIER_METRICS_BOARD_H
#define NOTIFIER_METRICS_BOARD_H

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
#define BOARD_STAGES_MAX (WRITERS_MAX + 16)

typedef struct board board_t;

board_t *board_new(void);
void board_destroy(board_t **self_p);

/* A message of the ring, or the notifier's own snapshot. Unusable parts are left out. */
void board_on_figures(board_t *board, const Ring__Figures *figures, int64_t now_ms);
/* The connection to this stage is broken: it is gone until its figures come again. */
void board_lost(board_t *board, const char *id);

/* A value of all present stages; counters and histograms also of gone ones. */
typedef struct board_value {
    metric_t metric;
    const char *label; /* "" where the metric has none */
    const char *stage; /* id; NULL where the stages' values are added up */
    int64_t value;     /* of a histogram the sum */
    uint64_t buckets[METRIC_BUCKETS];
    int64_t since_us; /* counters and histograms: the start of the first process counted in it, since 1970 */
} board_value_t;

/* In the order of the table, the values of one metric one after the other. The texts are valid during the call;
 * `visit` must not call this module. */
void board_visit(board_t *board, int64_t now_ms, void (*visit)(void *self, const board_value_t *value), void *self);

/* The value of a gauge that has no label and is added up; `absent` where no stage that is there has it. */
int64_t board_gauge(board_t *board, metric_t metric, int64_t now_ms, int64_t absent);

typedef struct board_stage {
    const char *id, *release;
    Ring__Stage kind;
    uint32_t process;
    int64_t started_at; /* milliseconds since 1970 */
    int64_t silent_ms;  /* since its last figures */
    bool up;
} board_stage_t;

/* The stages that are there, or were until lately. The same rules. */
void board_visit_stages(board_t *board, int64_t now_ms, void (*visit)(void *self, const board_stage_t *stage),
                        void *self);

#endif
