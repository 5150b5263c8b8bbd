/* What a process counts and measures: one table (metrics_table.c) and the values of this process. Cheap: a value
 * without a label is one atomic addition, one with a label is found under a lock that nobody holds for long; memory
 * is taken only for a label value that is new. Safe from any thread.
 *
 * Who reads: metrics_visit, for the notifier (proto/snapshot.h) and every exporter. */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A label's value: an AE title in UTF-8, a writer's id. */
#define METRIC_LABEL_MAX_BYTES 80
/* AE titles with a label of their own; further ones are counted together as "other". */
#define METRIC_AE_TITLES_MAX 50

typedef enum metric {
    /* every process */
    METRIC_BUILD,
    METRIC_START_TIME,
    METRIC_MEMORY,
    METRIC_DESCRIPTORS,
    METRIC_LOG_LINES,
    METRIC_LOG_SUPPRESSED,
    METRIC_TELEMETRY_DROPPED,
    METRIC_INBOX_MESSAGES,
    METRIC_INBOX_UNUSABLE,
    METRIC_INBOX_DEPTH,
    /* listener */
    METRIC_ACCEPTING,
    METRIC_CONNECTIONS,
    METRIC_ASSOCIATIONS,
    METRIC_ASSOCIATIONS_OPEN,
    METRIC_ASSOCIATIONS_WAITING,
    METRIC_ASSOCIATIONS_LIMIT,
    METRIC_OBJECTS_STORED,
    METRIC_OBJECT_BYTES_STORED,
    METRIC_RECEIVED_BYTES,
    METRIC_C_STORE_RESPONSES,
    METRIC_RECEIVE_TIME,
    METRIC_C_STORE_TIME,
    METRIC_OBJECTS_HELD,
    METRIC_ENDS_HELD,
    METRIC_BUFFER_HELD,
    METRIC_BUFFER_LIMIT,
    METRIC_WRITERS_ALIVE,
    METRIC_WRITERS_LOST,
    METRIC_WRITER_OBJECTS,
    METRIC_WRITER_BYTES,
    METRIC_REDELIVERIES,
    METRIC_OBJECTS_DEADLY,
    /* writer */
    METRIC_FILES_WRITTEN,
    METRIC_FILE_BYTES_WRITTEN,
    METRIC_WRITE_TIME,
    METRIC_FSYNC_TIME,
    METRIC_STORAGE_FAILURES,
    METRIC_STORAGE_FAILING,
    METRIC_FILES_MOVED_HOME,
    METRIC_OBJECTS_OPEN,
    /* notifier */
    METRIC_EVENTS,
    METRIC_FILES_ELSEWHERE,
    METRIC_JOURNAL_COMMIT_TIME,
    METRIC_JOURNAL_FAILURES,
    METRIC_JOURNALING,
    METRIC_JOURNAL_SIZE,
    METRIC_JOURNAL_RECEPTIONS,
    METRIC_OLDEST_UNREGISTERED,
    METRIC_REGISTRATIONS,
    METRIC_SERIES_LEFT,
    METRIC_REPLICA_LOCKS,
    METRIC_REGISTRATIONS_UNDER_WAY,
    METRIC_STORAGE_SILENT,
    METRIC_OLDEST_UNCONFIRMED,
    METRIC_INQUIRIES,
    METRIC_RESENDS,
    METRIC_CUBE_CONNECTED,
    METRIC_QUEUE_WAITING,
    METRIC_QUEUE_STILL,
    METRIC_BROKER_CONNECTED,
    METRIC_NATS_CONNECTED,
    METRIC_PROGRESS_WAITING,
    METRIC_PROGRESS_DROPPED,
    /* nobody's own: the notifier knows it */
    METRIC_STAGE_UP,
    METRICS_COUNT,
} metric_t;

typedef enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type_t;

typedef struct metric_info {
    const char *name; /* as Prometheus has it, without _total */
    metric_type_t type;
    const char *unit; /* "seconds" (kept in microseconds), "bytes"; NULL: a number of what the name says */
    const char *help;
    const char *label;         /* name of its label; NULL: it has none */
    const char *const *values; /* of the label that are there from the start, up to NULL; NULL: none */
    size_t values_max;         /* of the label; further ones are "other" */
    unsigned stages;           /* FOR_ values of the stages that have it */
    bool by_stage;             /* a label "stage" tells the stages' values apart; otherwise they are added up */
} metric_info_t;

extern const metric_info_t METRICS[METRICS_COUNT];

/* Upper bounds of the buckets of every histogram, in microseconds; one more bucket has the rest. */
#define METRIC_BOUNDS  16
#define METRIC_BUCKETS (METRIC_BOUNDS + 1)
extern const uint64_t METRIC_BOUNDS_US[METRIC_BOUNDS];

/* Of the table, by name; METRICS_COUNT where there is none. */
metric_t metric_named(const char *name);

/* Begins all counters and histograms of the stage, a FOR_ value, at 0, and says what build this is. */
void metrics_start(unsigned stage);
/* Microseconds since 1970 at which this process' counters began: differs between two that count from 0. */
int64_t metrics_began_us(void);

/* `label` is the value of the metric's label, copied and cut to METRIC_LABEL_MAX_BYTES; NULL without one. */
void metric_add(metric_t metric, const char *label, uint64_t more); /* counters */
void metric_set(metric_t metric, const char *label, int64_t value); /* gauges */
void metric_observe(metric_t metric, int64_t microseconds);         /* histograms; below 0 counts as 0 */
/* Forgets every value of a gauge, since its label values come and go. */
void metric_forget(metric_t metric);

typedef struct metric_sample {
    metric_t metric;
    const char *label;       /* "" where it has none */
    int64_t value;           /* of a histogram the sum; microseconds where the unit is seconds */
    const uint64_t *buckets; /* METRIC_BUCKETS counts, each of its bucket alone; NULL but for histograms */
} metric_sample_t;

/* All values that there are, in the order of the table. `visit` must not call this module. */
void metrics_visit(void (*visit)(void *self, const metric_sample_t *sample), void *self);

/* Measures what every process tells of itself: memory, descriptors. To be called about once a second. */
void metrics_measure_process(void);

#endif
