/* What a collector hears of metrics: the same as /metrics. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/ring/ring.h"
#include "tests/support/collector.h"
#include "tests/support/http.h"

#define SERIES     "1.2.826.0.1.3680043.9.9999.7.4"
#define CUMULATIVE 2

static int http_port;

static void start(receiver_t *receiver, const collector_t *collector, const char *queue, const char *const *more) {
    http_port = free_port();
    char *port = text_of("%d", http_port);
    const char *all[32] = {"OTEL_EXPORTER_OTLP_ENDPOINT", collector->url, "no_proxy",           "127.0.0.1",
                           "OTEL_METRIC_EXPORT_INTERVAL", "300",          "OXIDICOM_HTTP_PORT", port};
    for (size_t i = 0; more && more[i]; i++)
        all[8 + i] = more[i];
    ring_start(receiver, queue, all);
    free(port);
}

static void receive(int port, int count) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, port, "MEASURED", SERIES, 1, count);
    cr_assert(scu_release(&scu));
}

static char *scrape(void) {
    int status;
    char *text = http_get(http_port, "/metrics", NULL, &status);
    cr_assert_eq(status, 200);
    return text;
}

static const char *text_in(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static json_int_t number_in(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

/* As /metrics has it: name{stage="…",label="…"}; free it. */
static char *series_of(const json_t *metric, const json_t *point, const char *suffix) {
    json_t *attributes = json_object_get(point, "attributes"), *value;
    const char *key, *stage = text_in(attributes, "stage");
    char *labels = stage ? text_of("stage=\"%s\"", stage) : text_of("%s", "");
    json_object_foreach(attributes, key, value) {
        if (strcmp(key, "stage") == 0)
            continue;
        char *longer = text_of("%s%s%s=\"%s\"", labels, *labels ? "," : "", key, json_string_value(value));
        free(labels);
        labels = longer;
    }
    char *series =
        text_of("%s%s%s%s%s", text_in(metric, "name"), suffix, *labels ? "{" : "", labels, *labels ? "}" : "");
    free(labels);
    return series;
}

/* Counters only rise, so the exported one lies between the values before and after. */
static void expect_between(const char *before, double value, const char *after, const char *series) {
    cr_assert_leq(metric_in(before, series), value + 1e-6, "%s", series);
    cr_assert_geq(metric_in(after, series), value - 1e-6, "%s", series);
    cr_assert_geq(metric_in(after, series), 0, "/metrics has no %s", series);
}

static void check_times(const json_t *point, bool has_start) {
    json_int_t start = number_in(point, "start"), time = number_in(point, "time");
    cr_assert_gt(time, 1600000000000000000);
    cr_assert(has_start ? start > 1600000000000000000 && start <= time : start == 0);
}

static void check_histogram(const json_t *metric, const json_t *point, const char *before, const char *after) {
    json_t *buckets = json_object_get(point, "buckets"), *bounds = json_object_get(point, "bounds"), *one;
    json_int_t total = 0;
    size_t i;
    cr_assert_eq(json_array_size(buckets), json_array_size(bounds) + 1);
    json_array_foreach(buckets, i, one) {
        total += json_integer_value(one);
        double bound = json_real_value(json_array_get(bounds, i));
        char *edge =
            i + 1 == json_array_size(buckets) ? text_of("+Inf") : text_of(bound < 1 ? "%g" : "%.1f", bound);
        char *series = text_of("%s_bucket{le=\"%s\"}", text_in(metric, "name"), edge);
        expect_between(before, (double)total, after, series);
        free(series);
        free(edge);
    }
    cr_assert_eq(number_in(point, "count"), total);
    char *sum = series_of(metric, point, "_sum");
    expect_between(before, json_number_value(json_object_get(point, "sum")), after, sum);
    free(sum);
    check_times(point, true);
}

/* Gauges that stay as they are while nothing is sent. */
static bool is_fixed(const char *name) {
    static const char *const endings[] = {"_limit", "_alive", "_writable", "_accepting", "_up", "_info"};
    bool fixed = false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        fixed |=
            strlen(name) > strlen(endings[i]) && strcmp(name + strlen(name) - strlen(endings[i]), endings[i]) == 0;
    return fixed;
}

static void check_point(const json_t *metric, const json_t *point, const char *before, const char *after) {
    const char *kind = text_in(metric, "kind");
    double value = json_number_value(json_object_get(point, "value"));
    if (strcmp(kind, "histogram") == 0) {
        check_histogram(metric, point, before, after);
        return;
    }
    bool is_sum = strcmp(kind, "sum") == 0;
    char *series = series_of(metric, point, is_sum ? "_total" : "");
    if (is_sum)
        expect_between(before, value, after, series);
    cr_assert_neq(metric_in(after, series), -1, "/metrics has no %s", series);
    if (is_fixed(text_in(metric, "name")))
        cr_assert_eq(value, metric_in(after, series), "%s is %g", series, value);
    check_times(point, is_sum);
    free(series);
}

static size_t check_metric(const json_t *metric, const char *before, const char *after) {
    const char *kind = text_in(metric, "kind");
    size_t i;
    json_t *point;
    char *help = text_of("# HELP %s%s %s\n", text_in(metric, "name"), strcmp(kind, "sum") == 0 ? "_total" : "",
                         text_in(metric, "description"));
    cr_assert(strstr(after, help), "%s", help);
    free(help);
    cr_assert_eq(number_in(metric, "temporality"), strcmp(kind, "gauge") == 0 ? 0 : CUMULATIVE);
    cr_assert_eq(json_is_true(json_object_get(metric, "monotonic")), strcmp(kind, "sum") == 0);
    json_array_foreach(json_object_get(metric, "points"), i, point) check_point(metric, point, before, after);
    return i;
}

/* Lines with a value, a histogram's counted once. */
static size_t series_in(const char *text) {
    size_t count = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        size_t name = strcspn(line, "{ \n");
        count += *line != '#' && !memmem(line, name, "_bucket", 7) && !memmem(line, name, "_sum", 4);
    }
    return count;
}

static const json_t *metric_named(const json_t *export, const char *name) {
    size_t i;
    json_t *metric;
    json_array_foreach(json_object_get(export, "metrics"), i,
                       metric) if (strcmp(text_in(metric, "name"), name) == 0) return metric;
    return NULL;
}

/* The value, or count, of the metric's point with this text in its attribute; -1: none. `attribute` NULL: the
 * first. */
static json_int_t value_of(const json_t *export, const char *name, const char *attribute, const char *text) {
    size_t i;
    json_t *point;
    json_array_foreach(json_object_get(metric_named(export, name), "points"), i, point) {
        const char *had = attribute ? text_in(json_object_get(point, "attributes"), attribute) : NULL;
        json_t *value = json_object_get(point, "value");
        if (!attribute || (had && strcmp(had, text) == 0))
            return value ? json_integer_value(value) : number_in(point, "count");
    }
    return -1;
}

static void expect_exported(const json_t *export, const char *before, const char *after) {
    size_t i, points = 0;
    json_t *metric;
    json_array_foreach(json_object_get(export, "metrics"), i, metric) points += check_metric(metric, before, after);
    cr_assert_eq(points, series_in(after), "%zu points, %zu series", points, series_in(after));
    cr_assert_eq(value_of(export, "oxidicom_objects_stored", "calling_ae", "MEASURED"), 3);
    cr_assert_eq(value_of(export, "oxidicom_c_store_responses", "status", "0000"), 3);
    cr_assert_eq(value_of(export, "oxidicom_associations", "outcome", "released"), 1);
    cr_assert_geq(value_of(export, "oxidicom_files_written", NULL, NULL), 3); /* one may be sent again */
    cr_assert_eq(value_of(export, "oxidicom_c_store_seconds", NULL, NULL), 3);
    cr_assert_eq(value_of(export, "oxidicom_stage_up", "stage", "writer-0"), 1);
    cr_assert_str_eq(text_in(metric_named(export, "oxidicom_stored_bytes"), "unit"), "By");
    cr_assert_str_eq(text_in(metric_named(export, "oxidicom_c_store_seconds"), "unit"), "s");
}

/* Until all stages have told the notifier, each in its time. */
static void await_metrics(const collector_t *collector) {
    bool told = false;
    for (int64_t end_ms = clock_ms() + PATIENCE_MS; !told && clock_ms() < end_ms;) {
        json_t *export = collector_next_metrics(collector);
        told = value_of(export, "oxidicom_files_written", NULL, NULL) >= 3 &&
               value_of(export, "oxidicom_journal_receptions", "state", "registered") == 1 &&
               value_of(export, "oxidicom_associations", "outcome", "released") == 1;
        json_decref(export);
    }
    cr_assert(told, "not told in time: %s", json_dumps(collector_metrics(collector), JSON_COMPACT));
}

/* Whether no stage was silent for a while, as on a busy machine, which /metrics has less of. */
static bool has_all_up(const json_t *export, const char *text) {
    size_t i;
    json_t *point, *points = json_object_get(metric_named(export, "oxidicom_stage_up"), "points");
    bool all = json_array_size(points) == 3;
    json_array_foreach(points, i, point) {
        char *series =
            text_of("oxidicom_stage_up{stage=\"%s\"}", text_in(json_object_get(point, "attributes"), "stage"));
        all = all && json_integer_value(json_object_get(point, "value")) == 1 && metric_in(text, series) == 1;
        free(series);
    }
    return all;
}

typedef struct seen {
    const collector_t *collector;
    char *before, *after; /* /metrics */
    json_t *export;       /* between them */
} seen_t;

static bool sees_all_up(void *argument) {
    seen_t *seen = argument;
    free(seen->before);
    free(seen->after);
    json_decref(seen->export);
    seen->before = scrape();
    seen->export = collector_next_metrics(seen->collector);
    seen->after = scrape();
    return has_all_up(seen->export, seen->after);
}

static void expect_metrics(const char *kind, const char *protocol) {
    receiver_t receiver;
    collector_t collector;
    char *queue = text_of("otel-metrics-%s", kind);
    collector_start(&collector, kind);
    start(&receiver, &collector, queue,
          (const char *const[]){"OTEL_EXPORTER_OTLP_PROTOCOL", protocol, "OTEL_RESOURCE_ATTRIBUTES",
                                "site=west,service.name=lost", "OTEL_SERVICE_NAME", "won", NULL});
    receive(receiver.port, 3);
    await_metrics(&collector);
    seen_t seen = {.collector = &collector};
    cr_assert(await(sees_all_up, &seen, PATIENCE_MS), "%s", seen.after);
    expect_exported(seen.export, seen.before, seen.after);
    const json_t *resource = json_object_get(seen.export, "resource");
    cr_assert_str_eq(text_in(resource, "service.name"), "won");
    cr_assert_str_eq(text_in(resource, "service.instance.id"), "notifier");
    cr_assert_str_eq(text_in(resource, "site"), "west");
    cr_assert_eq(receiver_stop(&receiver), 0);
    json_decref(seen.export);
    free(seen.before);
    free(seen.after);
    free(queue);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

Test(metrics, over_grpc_are_those_of_prometheus, .timeout = PATIENCE_S) {
    expect_metrics("grpc", "");
}

Test(metrics, over_http_are_those_of_prometheus, .timeout = PATIENCE_S) {
    expect_metrics("http", "http/protobuf");
}

/* The interval is an hour: all comes at the end. Returns whether it came: the collector of a busy machine may not
 * have answered a notifier that ends as soon as it has to. */
static bool measures_to_the_end(const collector_t *collector, size_t round) {
    receiver_t receiver;
    start(&receiver, collector, "otel-last", (const char *const[]){"OTEL_METRIC_EXPORT_INTERVAL", "3600000", NULL});
    receive(receiver.port, 3);
    json_decref(collector_await(collector, "send otel-last", round)); /* the broker may have come late */
    cr_assert_eq(receiver_stop(&receiver), 0);
    bool came = receiver_times_logged(&receiver, "the collector of metrics does not take them") == 0;
    receiver_clear(&receiver);
    return came;
}

Test(metrics, are_sent_once_more_when_the_notifier_ends, .timeout = PATIENCE_S) {
    collector_t collector;
    collector_start(&collector, "grpc");
    for (size_t round = 1; !measures_to_the_end(&collector, round);)
        round++;
    json_t *export = collector_metrics(&collector);
    cr_assert_not_null(export);
    cr_assert_eq(value_of(export, "oxidicom_objects_stored", "calling_ae", "MEASURED"), 3);
    cr_assert_geq(value_of(export, "oxidicom_files_written", NULL, NULL), 3); /* one may be sent again */
    cr_assert_eq(value_of(export, "oxidicom_registrations", "outcome", "confirmed"), 1);
    json_decref(export);
    collector_stop(&collector);
}

/* Spans go elsewhere, and come there: so the receiver did speak to collectors. */
Test(metrics, have_an_endpoint_of_their_own_and_are_not_sent_where_none_are_wanted, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector, own;
    size_t size;
    collector_start(&collector, "grpc");
    collector_start(&own, "grpc");
    start(&receiver, &collector, "otel-own",
          (const char *const[]){"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", own.url, NULL});
    receive(receiver.port, 3);
    json_decref(collector_next_metrics(&own));
    json_decref(collector_await(&collector, "association", 1));
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    start(&receiver, &collector, "otel-own", (const char *const[]){"OTEL_METRICS_EXPORTER", "none", NULL});
    receive(receiver.port, 3);
    json_decref(collector_await(&collector, "association", 2));
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_null(collector_file(&collector, "metrics", &size));
    cr_assert_null(collector_file(&own, "spans", &size));
    receiver_clear(&receiver);
    collector_stop(&own);
    collector_stop(&collector);
}
