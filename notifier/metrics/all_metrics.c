#include "notifier/metrics/all_metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/memory.h"

/* Values of one process, without unknown names. */
#define ALL_METRICS_VALUES_MAX 2048

/* Longest name of an inbox: "writer-" and 64 characters. */
#define STAGE_ID_BYTES 80
#define RELEASE_BYTES  32

struct value {
    metric_t metric;
    char label[METRIC_LABEL_MAX_BYTES + 1];
    int64_t value, since_us;
    uint64_t buckets[METRIC_BUCKETS];
};

/* Values in the order of their arrival, which is the table's. */
typedef struct values {
    struct value *items;
    size_t count, room;
} values_t;

typedef struct known_stage {
    TAILQ_ENTRY(known_stage) next;
    char id[STAGE_ID_BYTES], release[RELEASE_BYTES];
    Ring__Stage kind;
    uint32_t process;
    int64_t started_at, counted_since, heard_ms;
    bool lost;
    values_t now, before; /* of the process that is there; counters of those before it */
} known_stage_t;

struct all_metrics {
    pthread_mutex_t lock;
    TAILQ_HEAD(known_stages, known_stage) stages;
    size_t stages_count;
    values_t forgotten; /* counters of stages that had to make room */
    values_t sums;      /* of one visit */
    log_limit_t complained;
};

/* --- values ---------------------------------------------------------------------------------------------- */

static struct value *find(values_t *values, metric_t metric, const char *label) {
    for (size_t i = 0; i < values->count; i++)
        if (values->items[i].metric == metric && strcmp(values->items[i].label, label) == 0)
            return &values->items[i];
    return NULL;
}

static struct value *append(values_t *values, metric_t metric, const char *label) {
    if (values->count == values->room) {
        values->room = values->room ? 2 * values->room : 64;
        values->items = must(realloc(values->items, values->room * sizeof *values->items));
    }
    struct value *value = &values->items[values->count++];
    *value = (struct value){.metric = metric};
    strncpy(value->label, label, METRIC_LABEL_MAX_BYTES);
    return value;
}

/* Peers must not make it grow without end: counters of writers that come and go have few labels, and the same. */
static void add(values_t *values, const struct value *more) {
    struct value *sum = find(values, more->metric, more->label);
    if (!sum && values->count >= ALL_METRICS_VALUES_MAX)
        return;
    if (!sum)
        sum = append(values, more->metric, more->label);
    sum->value = (int64_t)((uint64_t)sum->value + (uint64_t)more->value); /* a stranger's numbers may overflow */
    if (!sum->since_us || more->since_us < sum->since_us)
        sum->since_us = more->since_us;
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        sum->buckets[i] += more->buckets[i];
}

static bool is_counted(metric_t metric) {
    return METRICS[metric].type != METRIC_GAUGE;
}

static void add_counters(values_t *values, const values_t *more) {
    for (size_t i = 0; i < more->count; i++)
        if (is_counted(more->items[i].metric))
            add(values, &more->items[i]);
}

static void take_values(values_t *values, const Ring__Metrics *message) {
    values->count = 0;
    for (size_t i = 0; i < message->n_values && values->count < ALL_METRICS_VALUES_MAX; i++) {
        const Ring__MetricValue *figure = message->values[i];
        metric_t metric = metric_named(figure->name);
        size_t buckets = metric < METRICS_COUNT && METRICS[metric].type == METRIC_HISTOGRAM ? METRIC_BUCKETS : 0;
        /* Another release has other metrics, or other buckets. */
        if (metric == METRICS_COUNT || figure->n_buckets != buckets || !METRICS[metric].label != !*figure->label)
            continue;
        struct value *value = append(values, metric, figure->label);
        value->value = figure->value;
        value->since_us = message->counted_since;
        if (buckets)
            memcpy(value->buckets, figure->buckets, sizeof value->buckets);
    }
}

/* --- stages ---------------------------------------------------------------------------------------------- */

all_metrics_t *all_metrics_new(void) {
    all_metrics_t *metrics = must(calloc(1, sizeof *metrics));
    pthread_mutex_init(&metrics->lock, NULL);
    TAILQ_INIT(&metrics->stages);
    return metrics;
}

static void forget(all_metrics_t *metrics, known_stage_t *stage) {
    TAILQ_REMOVE(&metrics->stages, stage, next);
    metrics->stages_count--;
    free(stage->now.items);
    free(stage->before.items);
    free(stage);
}

void all_metrics_destroy(all_metrics_t **self_p) {
    all_metrics_t *metrics = *self_p;
    if (!metrics)
        return;
    while (!TAILQ_EMPTY(&metrics->stages))
        forget(metrics, TAILQ_FIRST(&metrics->stages)); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    free(metrics->forgotten.items);
    free(metrics->sums.items);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
    *self_p = NULL;
}

static known_stage_t *find_stage(all_metrics_t *metrics, const char *id) {
    known_stage_t *stage;
    TAILQ_FOREACH(stage, &metrics->stages, next) {
        if (strcmp(stage->id, id) == 0)
            break;
    }
    return stage;
}

static void make_room(all_metrics_t *metrics) {
    known_stage_t *stage, *oldest = TAILQ_FIRST(&metrics->stages);
    if (!oldest || metrics->stages_count < ALL_METRICS_STAGES_MAX)
        return;
    TAILQ_FOREACH(stage, &metrics->stages, next) {
        if (stage->heard_ms < oldest->heard_ms)
            oldest = stage;
    }
    add_counters(&metrics->forgotten, &oldest->before);
    add_counters(&metrics->forgotten, &oldest->now);
    forget(metrics, oldest);
}

static known_stage_t *add_stage(all_metrics_t *metrics, const Ring__Alive *self) {
    make_room(metrics);
    known_stage_t *stage = must(calloc(1, sizeof *stage));
    snprintf(stage->id, sizeof stage->id, "%s", self->id);
    TAILQ_INSERT_TAIL(&metrics->stages, stage, next);
    metrics->stages_count++;
    return stage;
}

/* What stages call their inboxes; it becomes a label and a text in JSON. */
static bool is_stage(const Ring__Alive *self) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return self && *self->id && strlen(self->id) < STAGE_ID_BYTES &&
           strspn(self->id, letters) == strlen(self->id) && self->stage >= RING__STAGE__STAGE_LISTENER &&
           self->stage <= RING__STAGE__STAGE_NOTIFIER;
}

void all_metrics_on_message(all_metrics_t *metrics, const Ring__Metrics *message, int64_t now_ms) {
    const Ring__Alive *self = message->self;
    if (!is_stage(self)) {
        if (log_seldom(&metrics->complained, NULL))
            log_warn(NULL, "a Metrics message without its stage is ignored");
        return;
    }
    pthread_mutex_lock(&metrics->lock);
    known_stage_t *stage = find_stage(metrics, self->id);
    if (!stage)
        stage = add_stage(metrics, self);
    if (stage->counted_since != message->counted_since)
        add_counters(&stage->before, &stage->now);
    snprintf(stage->release, sizeof stage->release, "%s", self->release);
    stage->kind = self->stage;
    stage->process = self->process;
    stage->started_at = self->started_at;
    stage->counted_since = message->counted_since;
    stage->heard_ms = now_ms;
    stage->lost = false;
    take_values(&stage->now, message);
    pthread_mutex_unlock(&metrics->lock);
}

void all_metrics_lost(all_metrics_t *metrics, const char *id) {
    pthread_mutex_lock(&metrics->lock);
    known_stage_t *stage = find_stage(metrics, id);
    if (stage)
        stage->lost = true;
    pthread_mutex_unlock(&metrics->lock);
}

/* --- sums ---------------------------------------------------------------------------------------------- */

static bool is_up(const known_stage_t *stage, int64_t now_ms) {
    return !stage->lost && now_ms - stage->heard_ms < STAGE_SILENCE_MS;
}

/* Values of this stage that count: gauges only while it is there. */
static void sum_stage(values_t *sums, metric_t metric, const known_stage_t *stage, bool up) {
    for (size_t i = 0; i < stage->now.count; i++)
        if (stage->now.items[i].metric == metric && (up || is_counted(metric)))
            add(sums, &stage->now.items[i]);
    for (size_t i = 0; i < stage->before.count; i++)
        if (stage->before.items[i].metric == metric)
            add(sums, &stage->before.items[i]);
}

static void show(values_t *sums, const char *stage, void (*visit)(void *, const all_metrics_value_t *),
                 void *self) {
    for (size_t i = 0; i < sums->count; i++) {
        all_metrics_value_t value = {.metric = sums->items[i].metric,
                                     .label = sums->items[i].label,
                                     .stage = stage,
                                     .value = sums->items[i].value,
                                     .since_us = sums->items[i].since_us};
        memcpy(value.buckets, sums->items[i].buckets, sizeof value.buckets);
        visit(self, &value);
    }
    sums->count = 0;
}

static void visit_metric(all_metrics_t *metrics, metric_t metric, int64_t now_ms,
                         void (*visit)(void *, const all_metrics_value_t *), void *self) {
    const known_stage_t *stage;
    values_t *sums = &metrics->sums;
    sums->count = 0;
    TAILQ_FOREACH(stage, &metrics->stages, next) {
        bool shown = now_ms - stage->heard_ms < STAGE_SHOWN_MS;
        if (!METRICS[metric].by_stage || shown)
            sum_stage(sums, metric, stage, is_up(stage, now_ms));
        if (METRICS[metric].by_stage)
            show(sums, stage->id, visit, self);
    }
    if (METRICS[metric].by_stage)
        return;
    for (size_t i = 0; i < metrics->forgotten.count; i++)
        if (metrics->forgotten.items[i].metric == metric)
            add(sums, &metrics->forgotten.items[i]);
    show(sums, NULL, visit, self);
}

void all_metrics_visit(all_metrics_t *metrics, int64_t now_ms,
                       void (*visit)(void *self, const all_metrics_value_t *value), void *self) {
    pthread_mutex_lock(&metrics->lock);
    for (int metric = 0; metric < METRICS_COUNT; metric++)
        visit_metric(metrics, (metric_t)metric, now_ms, visit, self);
    pthread_mutex_unlock(&metrics->lock);
}

int64_t all_metrics_gauge(all_metrics_t *metrics, metric_t metric, int64_t now_ms, int64_t absent) {
    const known_stage_t *stage;
    bool found = false;
    int64_t sum = 0;
    pthread_mutex_lock(&metrics->lock);
    TAILQ_FOREACH(stage, &metrics->stages, next)
    for (size_t i = 0; i < stage->now.count && is_up(stage, now_ms); i++)
        if (stage->now.items[i].metric == metric) {
            sum = (int64_t)((uint64_t)sum + (uint64_t)stage->now.items[i].value);
            found = true;
        }
    pthread_mutex_unlock(&metrics->lock);
    return found ? sum : absent;
}

void all_metrics_visit_stages(all_metrics_t *metrics, int64_t now_ms,
                              void (*visit)(void *self, const all_metrics_stage_t *stage), void *self) {
    const known_stage_t *stage;
    pthread_mutex_lock(&metrics->lock);
    TAILQ_FOREACH(stage, &metrics->stages, next)
    if (now_ms - stage->heard_ms < STAGE_SHOWN_MS)
        visit(self, &(all_metrics_stage_t){stage->id, stage->release, stage->kind, stage->process,
                                           stage->started_at, now_ms - stage->heard_ms, is_up(stage, now_ms)});
    pthread_mutex_unlock(&metrics->lock);
}
