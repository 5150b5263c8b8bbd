/* The metrics as a collector gets them; end to end in tests/otel. */
#include "notifier/metrics/otlp_request.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/log.h"
#include "common/utf8.h"

#define NOW_MS   1000000
#define NOW_NS   INT64_C(1800000000000000000)
#define LONG_AGO INT64_C(1700000000000000) /* microseconds */

static all_metrics_t *metrics;

static void init(void) {
    log_start("test", "off", NULL);
    metrics = all_metrics_new();
}

static void fini(void) {
    all_metrics_destroy(&metrics);
}
TestSuite(otlp_request, .init = init, .fini = fini);

static void hear(int64_t since_us, const char *name, const char *label, int64_t value) {
    Ring__MetricValue figure = RING__METRIC_VALUE__INIT, *pointer = &figure;
    figure.name = (char *)(uintptr_t)name;
    figure.label = (char *)(uintptr_t)label;
    figure.value = value;
    Ring__Alive self = RING__ALIVE__INIT;
    self.id = (char *)"listener";
    self.stage = RING__STAGE__STAGE_LISTENER;
    Ring__Metrics message = RING__METRICS__INIT;
    message.self = &self;
    message.counted_since = since_us;
    message.values = &pointer;
    message.n_values = 1;
    all_metrics_on_message(metrics, &message, NOW_MS);
}

/* The only metric but oxidicom_stage_up, and its only point, which is a number. */
static void with_point(void (*check)(const Otlp__Metric *metric, const Otlp__NumberDataPoint *point)) {
    Otlp__Resource resource = OTLP__RESOURCE__INIT;
    Otlp__ExportMetricsServiceRequest *request = otlp_request_new(metrics, &resource, NOW_MS, NOW_NS);
    const Otlp__ScopeMetrics *scope = request->resource_metrics[0]->scope_metrics[0];
    cr_assert_eq(scope->n_metrics, 2);
    const Otlp__Metric *metric = scope->metrics[0];
    bool is_sum = metric->data_case == OTLP__METRIC__DATA_SUM;
    cr_assert_eq(is_sum ? metric->sum->n_data_points : metric->gauge->n_data_points, 1);
    check(metric, is_sum ? metric->sum->data_points[0] : metric->gauge->data_points[0]);
    otlp_request_destroy(&request);
    cr_assert_null(request);
}

static void is_one_sum_since_long_ago(const Otlp__Metric *metric, const Otlp__NumberDataPoint *point) {
    cr_expect(metric->sum->is_monotonic);
    cr_expect_eq(point->as_int, 7);
    cr_expect_eq(point->start_time_unix_nano, (uint64_t)LONG_AGO * 1000);
    cr_expect_eq(point->time_unix_nano, (uint64_t)NOW_NS);
}

Test(otlp_request, counts_since_the_first_process_whose_count_is_in_the_sum) {
    hear(LONG_AGO, "oxidicom_redeliveries", "", 5);
    hear(LONG_AGO + 1000, "oxidicom_redeliveries", "", 2);
    with_point(is_one_sum_since_long_ago);
}

static void begins_now(const Otlp__Metric *metric, const Otlp__NumberDataPoint *point) {
    (void)metric;
    cr_expect_eq(point->start_time_unix_nano, (uint64_t)NOW_NS);
}

Test(otlp_request, does_not_believe_a_beginning_that_is_to_come) {
    hear(INT64_MAX, "oxidicom_redeliveries", "", 5);
    with_point(begins_now);
}

Test(otlp_request, does_not_believe_a_beginning_before_time) {
    hear(-1, "oxidicom_redeliveries", "", 5);
    with_point(begins_now);
}

static void has_a_text(const Otlp__Metric *metric, const Otlp__NumberDataPoint *point) {
    (void)metric;
    cr_assert_eq(point->n_attributes, 1);
    cr_expect_str_eq(point->attributes[0]->key, "calling_ae");
    const char *text = point->attributes[0]->value->string_value;
    cr_expect_str_eq(text, "CAF\xC3\x89");
    cr_expect(utf8_valid(text, strlen(text)));
}

/* No collector takes a request with a text that is not UTF-8, nor anything else that is in it. */
Test(otlp_request, says_labels_in_utf8_whatever_came_over_the_ring) {
    hear(LONG_AGO, "oxidicom_objects_stored", "CAF\xC9", 1);
    with_point(has_a_text);
}

static void is_seconds(const Otlp__Metric *metric, const Otlp__NumberDataPoint *point) {
    cr_expect_str_eq(metric->unit, "s");
    cr_expect_eq(point->value_case, OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE);
    cr_expect_float_eq(point->as_double, 1.5, 1e-9);
    cr_expect_eq(point->start_time_unix_nano, 0, "a gauge has no beginning");
}

Test(otlp_request, has_durations_in_seconds) {
    hear(LONG_AGO, "oxidicom_oldest_unregistered_seconds", "", 1500000);
    with_point(is_seconds);
}
