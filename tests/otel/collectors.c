/* How collectors are spoken to, and what becomes of reception where they are bad. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/ring/ring.h"
#include "tests/support/collector.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.7.3"

static void start(receiver_t *receiver, const collector_t *collector, const char *queue, const char *const *more) {
    const char *all[32] = {"OTEL_EXPORTER_OTLP_ENDPOINT", collector->url, "no_proxy", "127.0.0.1"};
    for (size_t i = 0; more && more[i]; i++)
        all[4 + i] = more[i];
    ring_start(receiver, queue, all);
}

static void receive(int port, int count) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, port, "COLLECT", SERIES, 1, count);
    cr_assert(scu_release(&scu));
}

static const char *resource_of(const json_t *span, const char *key) {
    return json_string_value(json_object_get(json_object_get(span, "resource"), key));
}

static void expect_attributes(const char *kind, const char *protocol) {
    receiver_t receiver;
    collector_t collector;
    collector_start(&collector, kind);
    start(&receiver, &collector, kind,
          (const char *const[]){"OTEL_EXPORTER_OTLP_PROTOCOL", protocol, "OTEL_RESOURCE_ATTRIBUTES",
                                "service.name=lost,site=Z%C3%BCrich%2C%20west,deployment.environment=test",
                                "OTEL_SERVICE_NAME", "won", "OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b,x-other=c",
                                NULL});
    receive(receiver.port, 1);
    json_t *spans = collector_await(&collector, "association", 1);
    cr_assert_eq(receiver_stop(&receiver), 0);
    const json_t *span = span_with(spans, "association", NULL, NULL);
    cr_assert_str_eq(resource_of(span, "service.name"), "won");
    cr_assert_str_eq(resource_of(span, "site"), "Z\xC3\xBCrich, west");
    cr_assert_str_eq(resource_of(span, "deployment.environment"), "test");
    cr_assert_str_eq(resource_of(span, "service.instance.id"), "listener");
    size_t size;
    char *headers = collector_file(&collector, "headers", &size);
    cr_assert(strstr(headers, "\"x-key\": \"a b\"") && strstr(headers, "\"x-other\": \"c\""), "%s", headers);
    cr_assert(strcmp(kind, "http") != 0 || strstr(headers, "\"path\": \"/v1/traces\""), "%s", headers);
    free(headers);
    json_decref(spans);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

Test(collectors, hear_resource_and_headers_over_grpc, .timeout = PATIENCE_S) {
    expect_attributes("grpc", "");
}

Test(collectors, hear_resource_and_headers_over_http, .timeout = PATIENCE_S) {
    expect_attributes("http", "http/protobuf");
}

static bool task_has_traceparent(queue_t *queue, const char *flags) {
    delivered_t task;
    cr_assert(queue_await(queue, &task, PATIENCE_MS));
    const char *traceparent = json_string_value(json_object_get(task.headers, "traceparent"));
    bool has = traceparent && strlen(traceparent) == 55 && strcmp(traceparent + 52, flags) == 0;
    bool none = !traceparent && !*flags;
    delivered_clear(&task);
    return has || none;
}

Test(collectors, hear_nothing_where_no_trace_is_sampled_or_the_sdk_is_disabled, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    collector_start(&collector, "grpc");
    queue_t *queue = queue_new(rabbitmq_port(), "otel-off");
    start(&receiver, &collector, "otel-off", (const char *const[]){"OTEL_TRACES_SAMPLER", "always_off", NULL});
    receive(receiver.port, 1);
    cr_assert(task_has_traceparent(queue, "-00"));
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    start(&receiver, &collector, "otel-off", (const char *const[]){"OTEL_SDK_DISABLED", "TRUE", NULL});
    receive(receiver.port, 1);
    cr_assert(task_has_traceparent(queue, ""));
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    json_t *spans = collector_spans(&collector);
    cr_assert_eq(json_array_size(spans), 0);
    json_decref(spans);
    queue_destroy(&queue);
    collector_stop(&collector);
}

/* Bad values of OpenTelemetry's variables are said, and nothing stops for them. */
Test(collectors, are_no_reason_not_to_start, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector = {.url = (char *)"collector:4317"};
    start(&receiver, &collector, "otel-bad", NULL);
    receive(receiver.port, 1);
    cr_assert(receiver_logged(&receiver, "OTEL_EXPORTER_OTLP_ENDPOINT is not used", PATIENCE_MS));
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    collector_start(&collector, "grpc");
    start(&receiver, &collector, "otel-bad",
          (const char *const[]){"OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", "OTEL_TRACES_SAMPLER", "some",
                                "OTEL_RESOURCE_ATTRIBUTES", "site=good,bad", "OTEL_EXPORTER_OTLP_TIMEOUT", "soon",
                                "OTEL_EXPORTER_OTLP_HEADERS", "a=%0D%0Ab", "OTEL_METRICS_EXPORTER", "pigeon",
                                "OTEL_METRIC_EXPORT_INTERVAL", "0", NULL});
    receive(receiver.port, 1);
    static const char *const bad[] = {
        "PROTOCOL", "SAMPLER", "ATTRIBUTES", "TIMEOUT", "HEADERS", "METRICS_EXPORTER", "METRIC_EXPORT_INTERVAL"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *line = text_of("%s is not used", bad[i]);
        cr_assert(receiver_logged(&receiver, line, PATIENCE_MS), "%s", line);
        free(line);
    }
    json_t *spans = collector_await(&collector, "association", 1);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_null(resource_of(span_with(spans, "association", NULL, NULL), "site"), "half of a list was used");
    json_decref(spans);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

/* --- bad ones -------------------------------------------------------------------------------------------- */

/* The sanitizer keeps freed memory. */
#ifdef SANITIZED
#define GROWTH_MAX_KIB (1024L * 1024)
#else
#define GROWTH_MAX_KIB (16L * 1024)
#endif

/* User and system time that the process has had, in clock ticks. */
static long ticks_of(pid_t pid) {
    size_t size;
    unsigned long user = 0, system = 0;
    char *path = text_of("/proc/%d/stat", (int)pid), *stat = file_content(path, &size);
    const char *after = stat ? strrchr(stat, ')') : NULL;
    cr_assert(after && sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2);
    free(stat);
    free(path);
    return (long)(user + system);
}

/* A stage that waits for its collector does so at rest: a tenth of a core is far more than it needs. */
static void expect_rest(const receiver_t *receiver) {
    static const char *const stages[] = {"listener", "notifier"};
    long before[2];
    for (int i = 0; i < 2; i++)
        before[i] = ticks_of(receiver_stage(receiver, stages[i], 0));
    sleep(3); /* over which it is measured */
    for (int i = 0; i < 2; i++) {
        long used = ticks_of(receiver_stage(receiver, stages[i], 0)) - before[i];
        cr_assert_lt(used, 3 * sysconf(_SC_CLK_TCK) / 10, "%s: %ld ticks in 3 s", stages[i], used);
    }
}

/* More objects than spans fit into the queue, while nobody takes them. */
static void expect_reception(const char *kind) {
    receiver_t receiver;
    collector_t collector;
    collector_start(&collector, kind);
    start(&receiver, &collector, kind,
          (const char *const[]){"OXIDICOM_OTEL_OBJECT_SPANS", "1000000", "OXIDICOM_FSYNC", "false",
                                "OTEL_METRIC_EXPORT_INTERVAL", "100", NULL});
    receive(receiver.port, 500);
    long before_kib = receiver_memory_kib(&receiver);
    for (int i = 0; i < 3; i++)
        receive(receiver.port, 1000);
    long after_kib = receiver_memory_kib(&receiver);
    cr_assert_lt(after_kib - before_kib, GROWTH_MAX_KIB, "from %ld to %ld KiB", before_kib, after_kib);
    expect_rest(&receiver);
    size_t size;
    char *accepted = collector_file(&collector, "accepted", &size);
    cr_assert(accepted, "nobody has spoken to the collector");
    free(accepted);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(receiver_logged(&receiver, "spans were dropped", 0));
    cr_assert(receiver_logged(&receiver, "the collector of metrics does not take them", 0));
    receiver_clear(&receiver);
    collector_stop(&collector);
}

Test(collectors, that_never_answer_hold_up_nothing_and_take_no_memory, .timeout = PATIENCE_S) {
    expect_reception("silent");
}

Test(collectors, that_reset_every_connection_hold_up_nothing_and_take_no_memory, .timeout = PATIENCE_S) {
    expect_reception("reset");
}
