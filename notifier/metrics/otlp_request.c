#include "notifier/metrics/otlp_request.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/message.h"
#include "common/telemetry/otlp.h"
#include "common/telemetry/otlp_message.h"

typedef Otlp__ExportMetricsServiceRequest request_t;

typedef struct draft {
    Otlp__Metric *metrics[METRICS_COUNT]; /* NULL: has no value */
    int64_t time_ns;
} draft_t;

static bool is_seconds(const all_metrics_value_t *value) {
    const char *unit = METRICS[value->metric].unit;
    return unit && strcmp(unit, "seconds") == 0;
}

/* --- values ------------------------------------------------------------------------------------------------ */

/* Returns how many there are. */
static size_t attributes_of(const all_metrics_value_t *value, Otlp__KeyValue ***attributes) {
    const char *const names[] = {"stage", METRICS[value->metric].label};
    const char *const texts[] = {value->stage, value->label};
    size_t count = 0;
    *attributes = must(calloc(2, sizeof **attributes));
    for (size_t i = 0; i < 2; i++) {
        if (!names[i] || !texts[i])
            continue;
        (*attributes)[count] = otlp_message_attribute(names[i]);
        otlp_message_set_text((*attributes)[count++]->value, texts[i]);
    }
    return count;
}

/* The clock may have been set back since, and other stages' word is not trusted. */
static uint64_t start_of(const draft_t *draft, const all_metrics_value_t *value) {
    bool good = value->since_us > 0 && value->since_us <= draft->time_ns / 1000;
    return (uint64_t)(good ? value->since_us * 1000 : draft->time_ns);
}

static Otlp__NumberDataPoint *number_of(const draft_t *draft, const all_metrics_value_t *value) {
    Otlp__NumberDataPoint *point = message_new(&otlp__number_data_point__descriptor);
    point->time_unix_nano = (uint64_t)draft->time_ns;
    if (METRICS[value->metric].type == METRIC_COUNTER)
        point->start_time_unix_nano = start_of(draft, value);
    point->n_attributes = attributes_of(value, &point->attributes);
    if (is_seconds(value)) {
        point->value_case = OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
        point->as_double = (double)value->value / 1e6;
    } else {
        point->value_case = OTLP__NUMBER_DATA_POINT__VALUE_AS_INT;
        point->as_int = value->value;
    }
    return point;
}

static Otlp__HistogramDataPoint *histogram_of(const draft_t *draft, const all_metrics_value_t *value) {
    Otlp__HistogramDataPoint *point = message_new(&otlp__histogram_data_point__descriptor);
    point->start_time_unix_nano = start_of(draft, value);
    point->time_unix_nano = (uint64_t)draft->time_ns;
    point->n_attributes = attributes_of(value, &point->attributes);
    point->sum_or_none_case = OTLP__HISTOGRAM_DATA_POINT__SUM_OR_NONE_SUM;
    point->sum = (double)value->value / 1e6;
    point->explicit_bounds = must(calloc(METRIC_BOUNDS, sizeof *point->explicit_bounds));
    point->n_explicit_bounds = METRIC_BOUNDS;
    for (size_t i = 0; i < METRIC_BOUNDS; i++)
        point->explicit_bounds[i] = (double)METRIC_BOUNDS_US[i] / 1e6;
    point->bucket_counts = must(calloc(METRIC_BUCKETS, sizeof *point->bucket_counts));
    point->n_bucket_counts = METRIC_BUCKETS;
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        point->count += point->bucket_counts[i] = value->buckets[i];
    return point;
}

/* --- metrics ----------------------------------------------------------------------------------------------- */

/* In the words of UCUM, without non-units. */
static const char *unit_of(metric_t metric) {
    const char *unit = METRICS[metric].unit;
    return !unit ? "" : strcmp(unit, "seconds") == 0 ? "s" : strcmp(unit, "bytes") == 0 ? "By" : unit;
}

static Otlp__Metric *metric_new(metric_t metric) {
    Otlp__Metric *self = message_new(&otlp__metric__descriptor);
    self->name = must(strdup(METRICS[metric].name));
    self->description = must(strdup(METRICS[metric].help));
    self->unit = must(strdup(unit_of(metric)));
    switch (METRICS[metric].type) {
    case METRIC_COUNTER:
        self->data_case = OTLP__METRIC__DATA_SUM;
        self->sum = message_new(&otlp__sum__descriptor);
        self->sum->is_monotonic = true;
        self->sum->aggregation_temporality = OTLP__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE;
        break;
    case METRIC_GAUGE:
        self->data_case = OTLP__METRIC__DATA_GAUGE;
        self->gauge = message_new(&otlp__gauge__descriptor);
        break;
    case METRIC_HISTOGRAM:
        self->data_case = OTLP__METRIC__DATA_HISTOGRAM;
        self->histogram = message_new(&otlp__histogram__descriptor);
        self->histogram->aggregation_temporality =
            OTLP__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE;
        break;
    }
    return self;
}

#define ADD_POINT(list, point)                                                                                     \
    do {                                                                                                           \
        (list)->data_points = grown((list)->data_points, (list)->n_data_points, sizeof *(list)->data_points);      \
        (list)->data_points[(list)->n_data_points++] = (point);                                                    \
    } while (0)

static void add_value(void *argument, const all_metrics_value_t *value) {
    draft_t *draft = argument;
    Otlp__Metric **metric = &draft->metrics[value->metric];
    if (!*metric)
        *metric = metric_new(value->metric);
    if (METRICS[value->metric].type == METRIC_HISTOGRAM)
        ADD_POINT((*metric)->histogram, histogram_of(draft, value));
    else if (METRICS[value->metric].type == METRIC_COUNTER)
        ADD_POINT((*metric)->sum, number_of(draft, value));
    else
        ADD_POINT((*metric)->gauge, number_of(draft, value));
}

static void add_stage(void *draft, const all_metrics_stage_t *stage) {
    add_value(draft, &(all_metrics_value_t){.metric = METRIC_STAGE_UP, .stage = stage->id, .value = stage->up});
}

/* --- the request ------------------------------------------------------------------------------------------- */

static Otlp__ScopeMetrics *scope_metrics_of(const draft_t *draft) {
    Otlp__ScopeMetrics *self = message_new(&otlp__scope_metrics__descriptor);
    self->scope = message_new(&otlp__instrumentation_scope__descriptor);
    self->scope->name = must(strdup(otlp_message_scope().name));
    self->scope->version = must(strdup(otlp_message_scope().version));
    self->metrics = must(calloc(METRICS_COUNT, sizeof(Otlp__Metric *)));
    for (int metric = 0; metric < METRICS_COUNT; metric++)
        if (draft->metrics[metric])
            self->metrics[self->n_metrics++] = draft->metrics[metric];
    return self;
}

request_t *otlp_request_new(all_metrics_t *metrics, Otlp__Resource *resource, int64_t now_ms, int64_t time_ns) {
    draft_t draft = {.time_ns = time_ns};
    all_metrics_visit(metrics, now_ms, add_value, &draft);
    all_metrics_visit_stages(metrics, now_ms, add_stage, &draft);
    Otlp__ResourceMetrics *of_resource = message_new(&otlp__resource_metrics__descriptor);
    of_resource->resource = resource;
    of_resource->scope_metrics = must(malloc(sizeof(Otlp__ScopeMetrics *)));
    of_resource->scope_metrics[of_resource->n_scope_metrics++] = scope_metrics_of(&draft);
    request_t *self = message_new(&otlp__export_metrics_service_request__descriptor);
    self->resource_metrics = must(malloc(sizeof(Otlp__ResourceMetrics *)));
    self->resource_metrics[self->n_resource_metrics++] = of_resource;
    return self;
}

void otlp_request_destroy(request_t **self_p) {
    request_t *self = *self_p;
    if (!self)
        return;
    self->resource_metrics[0]->resource = NULL; /* not ours */
    otlp__export_metrics_service_request__free_unpacked(self, NULL);
    *self_p = NULL;
}
