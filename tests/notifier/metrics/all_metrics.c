/* The metrics of all stages and Prometheus' text of them, from messages of stages and strangers. */
#include "notifier/metrics/all_metrics.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "notifier/metrics/metrics_text.h"
#include "tests/support/http.h"

#define NOW 1000000

static all_metrics_t *metrics;

static void init(void) {
    log_start("test", "off", NULL);
    metrics = all_metrics_new();
}

static void fini(void) {
    all_metrics_destroy(&metrics);
}
TestSuite(all_metrics, .init = init, .fini = fini);

/* One figure of a process of that id that counts from `since` on. */
static void hear_histogram(const char *id, int64_t since, const char *name, const char *label, int64_t value,
                           uint64_t *buckets, size_t buckets_count, int64_t now_ms) {
    Ring__MetricValue figure = RING__METRIC_VALUE__INIT, *pointer = &figure;
    figure.name = (char *)(uintptr_t)name;
    figure.label = (char *)(uintptr_t)label;
    figure.value = value;
    figure.buckets = buckets;
    figure.n_buckets = buckets_count;
    Ring__Alive self = RING__ALIVE__INIT;
    self.id = (char *)(uintptr_t)id;
    self.stage = strcmp(id, "listener") == 0 ? RING__STAGE__STAGE_LISTENER : RING__STAGE__STAGE_WRITER;
    self.release = (char *)"0.0.1";
    Ring__Metrics message = RING__METRICS__INIT;
    message.self = &self;
    message.counted_since = since;
    message.values = &pointer;
    message.n_values = 1;
    all_metrics_on_message(metrics, &message, now_ms);
}

static void hear(const char *id, int64_t since, const char *name, const char *label, int64_t value,
                 int64_t now_ms) {
    hear_histogram(id, since, name, label, value, NULL, 0, now_ms);
}

static double told(const char *series, int64_t now_ms) {
    size_t size;
    char *text = metrics_text_of(metrics, false, now_ms, &size);
    cr_assert_eq(strlen(text), size);
    double value = metric_in(text, series);
    free(text);
    return value;
}

Test(all_metrics, adds_up_what_stages_count) {
    hear("writer-0", 1, "oxidicom_files_written", "", 3, NOW);
    hear("writer-1", 2, "oxidicom_files_written", "", 4, NOW);
    cr_expect_eq(told("oxidicom_files_written_total", NOW), 7);
    hear("writer-1", 2, "oxidicom_files_written", "", 9, NOW);
    cr_expect_eq(told("oxidicom_files_written_total", NOW), 12, "a snapshot replaces the one before");
}

Test(all_metrics, keeps_what_a_dead_process_had_counted_and_adds_what_the_next_one_counts) {
    hear("writer-0", 1, "oxidicom_files_written", "", 3, NOW);
    hear("writer-0", 2, "oxidicom_files_written", "", 1, NOW);
    hear("writer-0", 3, "oxidicom_files_written", "", 2, NOW);
    cr_expect_eq(told("oxidicom_files_written_total", NOW), 6);
    cr_expect_eq(told("oxidicom_files_written_total", NOW + STAGE_SHOWN_MS), 6, "nobody is there any more");
}

Test(all_metrics, adds_up_histograms_bucket_by_bucket) {
    uint64_t first[METRIC_BUCKETS] = {1, 2, [METRIC_BOUNDS] = 3}, second[METRIC_BUCKETS] = {10};
    hear_histogram("writer-0", 1, "oxidicom_fsync_seconds", "", 1500000, first, METRIC_BUCKETS, NOW);
    hear_histogram("writer-0", 2, "oxidicom_fsync_seconds", "", 250, second, METRIC_BUCKETS, NOW);
    cr_expect_eq(told("oxidicom_fsync_seconds_bucket{le=\"0.0005\"}", NOW), 11);
    cr_expect_eq(told("oxidicom_fsync_seconds_bucket{le=\"0.001\"}", NOW), 13);
    cr_expect_eq(told("oxidicom_fsync_seconds_bucket{le=\"60.0\"}", NOW), 13);
    cr_expect_eq(told("oxidicom_fsync_seconds_bucket{le=\"+Inf\"}", NOW), 16);
    cr_expect_eq(told("oxidicom_fsync_seconds_count", NOW), 16);
    cr_expect_float_eq(told("oxidicom_fsync_seconds_sum", NOW), 1.50025, 1e-9);
}

Test(all_metrics, believes_gauges_only_of_stages_that_are_there) {
    hear("listener", 1, "oxidicom_writers_alive", "", 2, NOW);
    cr_expect_eq(all_metrics_gauge(metrics, METRIC_WRITERS_ALIVE, NOW, -1), 2);
    cr_expect_eq(all_metrics_gauge(metrics, METRIC_WRITERS_ALIVE, NOW + STAGE_SILENCE_MS, -1), -1);
    cr_expect_eq(told("oxidicom_writers_alive", NOW + STAGE_SILENCE_MS), -1);
    cr_expect_eq(told("oxidicom_stage_up{stage=\"listener\"}", NOW + STAGE_SILENCE_MS), 0);
    cr_expect_eq(told("oxidicom_stage_up{stage=\"listener\"}", NOW + STAGE_SHOWN_MS), -1);
    all_metrics_lost(metrics, "listener");
    cr_expect_eq(all_metrics_gauge(metrics, METRIC_WRITERS_ALIVE, NOW, -1), -1, "its connection is broken");
    hear("listener", 1, "oxidicom_writers_alive", "", 1, NOW);
    cr_expect_eq(all_metrics_gauge(metrics, METRIC_WRITERS_ALIVE, NOW, -1), 1);
}

Test(all_metrics, tells_values_of_each_stage_apart_where_that_matters) {
    hear("writer-0", 1, "oxidicom_process_open_descriptors", "", 20, NOW);
    hear("writer-1", 1, "oxidicom_process_open_descriptors", "", 30, NOW);
    cr_expect_eq(told("oxidicom_process_open_descriptors{stage=\"writer-0\"}", NOW), 20);
    cr_expect_eq(told("oxidicom_process_open_descriptors{stage=\"writer-1\"}", NOW), 30);
    hear("writer-0", 1, "oxidicom_log_lines", "warn", 5, NOW);
    cr_expect_eq(told("oxidicom_log_lines_total{stage=\"writer-0\",level=\"warn\"}", NOW), 5);
}

Test(all_metrics, leaves_out_what_it_does_not_know_or_what_does_not_fit) {
    uint64_t few[3] = {1, 1, 1};
    hear("writer-0", 1, "oxidicom_from_the_future", "", 1, NOW);
    hear_histogram("writer-1", 1, "oxidicom_fsync_seconds", "", 5, few, 3, NOW);
    hear_histogram("writer-2", 1, "oxidicom_files_written", "", 5, few, 3, NOW);
    hear("writer-3", 1, "oxidicom_files_written", "a label", 5, NOW);
    hear("writer-4", 1, "oxidicom_objects_stored", "", 5, NOW);
    hear("../listener", 1, "oxidicom_files_written", "", 5, NOW);
    hear("", 1, "oxidicom_files_written", "", 5, NOW);
    all_metrics_on_message(metrics, &(Ring__Metrics)RING__METRICS__INIT, NOW);
    size_t size;
    char *text = metrics_text_of(metrics, false, NOW, &size);
    cr_expect_null(strstr(text, "future"));
    cr_expect_null(strstr(text, "fsync"));
    cr_expect_null(strstr(text, "files_written"), "%s", text);
    cr_expect_null(strstr(text, "objects_stored"));
    cr_expect_null(strstr(text, "../"));
    free(text);
}

Test(all_metrics, remembers_a_bounded_number_of_stages_and_what_the_forgotten_ones_counted) {
    char id[32];
    size_t size;
    for (int i = 0; i < 2 * ALL_METRICS_STAGES_MAX; i++) {
        snprintf(id, sizeof id, "writer-%d", i);
        hear(id, 1, "oxidicom_files_written", "", 1, NOW + i);
    }
    cr_expect_eq(told("oxidicom_files_written_total", NOW), 2 * ALL_METRICS_STAGES_MAX);
    char *text = metrics_text_of(metrics, false, NOW + 2 * ALL_METRICS_STAGES_MAX, &size);
    cr_expect_null(strstr(text, "\"writer-0\""));
    cr_expect_not_null(strstr(text, id));
    free(text);
}

Test(metrics_text, is_openmetrics_only_for_those_who_ask) {
    static const struct {
        const char *accept;
        bool openmetrics;
    } cases[] = {
        {NULL, false},
        {"*/*", false},
        {"text/plain;version=0.0.4", false},
        {"application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", true},
        {"text/plain, Application/OpenMetrics-Text", true},
        {"application/openmetrics-text;q=0,text/plain", false},
        {"application/openmetrics-text;q=0.75", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(metrics_text_wants_openmetrics(cases[i].accept), cases[i].openmetrics, "%s", cases[i].accept);
}
