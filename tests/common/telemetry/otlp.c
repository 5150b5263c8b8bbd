#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/telemetry/otlp.h"
#include "common/telemetry/otlp_target.h"
#include "common/telemetry/span.h"
#include "common/trace.h"
#include "tests/support/process.h"

#define GRPC_PATH         "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define GRPC_METRICS_PATH "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

/* --- trace context --------------------------------------------------------------------------------------- */

Test(traceparent, is_written_and_read_again) {
    static const char text[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char again[TRACEPARENT_BYTES];
    trace_context_t trace;
    cr_assert(traceparent_read(&trace, text));
    cr_assert(trace.sampled && trace.trace_id[0] == 0x0A && trace.span_id[7] == 0x31);
    traceparent_write(&trace, again);
    cr_assert_str_eq(again, text);
    cr_assert(traceparent_read(&trace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
    cr_assert_not(trace.sampled);
}

Test(traceparent, that_is_none_is_not_read) {
    static const char *const bad[] = {"",
                                      "00",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
                                      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c+b7ad6b7169203331-01",
                                      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        trace_context_t trace = {.sampled = true};
        cr_assert_not(traceparent_read(&trace, bad[i]), "%s", bad[i]);
        cr_assert_not(trace_is_set(&trace) || trace.sampled, "%s", bad[i]);
    }
}

/* --- the variables ----------------------------------------------------------------------------------------- */

static void expect_url(const char *endpoint, const char *of_traces, const char *protocol, const char *url) {
    settings_t settings = {.otel_endpoint = (char *)endpoint,
                           .otel_traces_endpoint = (char *)of_traces,
                           .otel_protocol = (char *)protocol};
    otlp_target_t target;
    cr_assert_eq(otlp_target_read(&target, &settings, OTLP_TRACES, "test"), url != NULL, "%s", endpoint);
    if (!url)
        return;
    cr_assert_str_eq(target.url, url);
    otlp_target_clear(&target);
}

Test(otlp_target, is_the_endpoint_with_the_path_of_the_protocol) {
    expect_url("http://host:4317", NULL, NULL, "http://host:4317" GRPC_PATH);
    expect_url("https://host:4317/ignored?x", NULL, "grpc", "https://host:4317" GRPC_PATH);
    expect_url("HTTP://host:4317/", NULL, "grpc", "HTTP://host:4317" GRPC_PATH);
    expect_url("http://host:4318", NULL, "http/protobuf", "http://host:4318/v1/traces");
    expect_url("http://host:4318/otlp/", NULL, "http/protobuf", "http://host:4318/otlp/v1/traces");
    expect_url("http://host:4318", "http://traces:9/as/is", "http/protobuf", "http://traces:9/as/is");
    expect_url("http://host:4317", "http://traces:9", "grpc", "http://traces:9" GRPC_PATH);
}

static void expect_url_of_metrics(settings_t settings, const char *url) {
    otlp_target_t target;
    cr_assert_eq(otlp_target_read(&target, &settings, OTLP_METRICS, "test"), url != NULL);
    if (!url)
        return;
    cr_assert_str_eq(target.url, url);
    otlp_target_clear(&target);
}

Test(otlp_target, of_metrics_is_another_than_that_of_traces) {
    char base[] = "http://host:4318/", own[] = "http://own:9/as/is", http[] = "http/protobuf", none[] = "none";
    expect_url_of_metrics((settings_t){.otel_endpoint = base}, "http://host:4318" GRPC_METRICS_PATH);
    expect_url_of_metrics((settings_t){.otel_endpoint = base, .otel_protocol = http},
                          "http://host:4318/v1/metrics");
    expect_url_of_metrics((settings_t){.otel_endpoint = base, .otel_metrics_endpoint = own, .otel_protocol = http},
                          "http://own:9/as/is");
    expect_url_of_metrics((settings_t){.otel_metrics_endpoint = own}, "http://own:9" GRPC_METRICS_PATH);
    expect_url_of_metrics((settings_t){.otel_traces_endpoint = base}, NULL);
    expect_url_of_metrics((settings_t){.otel_endpoint = base, .otel_metrics_exporter = none}, NULL);
}

static int64_t interval_of(const char *text) {
    otlp_target_t target;
    settings_t settings = {.otel_endpoint = (char *)"http://host:4317", .otel_metric_interval = (char *)text};
    cr_assert(otlp_target_read(&target, &settings, OTLP_METRICS, "test"));
    int64_t interval_ms = target.interval_ms;
    otlp_target_clear(&target);
    return interval_ms;
}

Test(otlp_target, sends_metrics_each_minute_unless_told_otherwise) {
    cr_assert_eq(interval_of(NULL), 60000);
    cr_assert_eq(interval_of("1500"), 1500);
    static const char *const bad[] = {"0", "-1", "1s", "86400001", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(interval_of(bad[i]), 60000, "%s", bad[i]);
}

Test(otlp_target, is_none_without_a_good_endpoint) {
    expect_url(NULL, NULL, NULL, NULL);
    expect_url("host:4317", NULL, NULL, NULL);
    expect_url("ftp://host:4317", NULL, NULL, NULL);
    expect_url("http://", NULL, NULL, NULL);
}

static double ratio_of(const char *sampler, const char *argument) {
    settings_t settings = {.otel_endpoint = (char *)"http://host:4317",
                           .otel_sampler = (char *)sampler,
                           .otel_sampler_arg = (char *)argument};
    otlp_target_t target;
    cr_assert(otlp_target_read(&target, &settings, OTLP_TRACES, "test"));
    double ratio = target.ratio;
    otlp_target_clear(&target);
    return ratio;
}

Test(otlp_target, samples_as_the_sampler_says) {
    cr_assert_eq(ratio_of(NULL, "0.1"), 1);
    cr_assert_eq(ratio_of("always_off", NULL), 0);
    cr_assert_eq(ratio_of("parentbased_always_off", NULL), 0);
    cr_assert_eq(ratio_of("always_on", "0"), 1);
    cr_assert_eq(ratio_of("traceidratio", "0.25"), 0.25);
    cr_assert_eq(ratio_of("parentbased_traceidratio", "0.25"), 0.25);
    cr_assert_eq(ratio_of("parentbased_traceidratio", NULL), 1);
    cr_assert_eq(ratio_of("traceidratio", "2"), 1);
    cr_assert_eq(ratio_of("jaeger_remote", "0"), 1);
}

/* --- spans ------------------------------------------------------------------------------------------------- */

Test(spans, are_none_where_there_is_no_exporter) {
    otlp_start(&(settings_t){0}, "test");
    trace_context_t trace = trace_begin();
    cr_assert_not(trace_is_set(&trace));
    trace.sampled = true;
    cr_assert_null(span_new(&trace, NULL, "none", SPAN_INTERNAL, 1));
    span_text(NULL, "key", "value");
    span_t *none = NULL;
    span_fail(none, "error", NULL);
    span_end(&none, 2);
    otlp_stop();
}

/* Nobody listens there; spans wait or are dropped, and the end comes in time. */
static void start_exporter(const char *ratio) {
    static char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", free_port());
    otlp_start(&(settings_t){.otel_endpoint = url,
                             .otel_sampler = (char *)"traceidratio",
                             .otel_sampler_arg = (char *)ratio},
               "test");
    cr_assert(otlp_tracing());
}

Test(spans, keep_their_form_whatever_they_are_given) {
    start_exporter("1");
    trace_context_t root = trace_begin(), child = trace_child(&root), read;
    cr_assert(root.sampled && child.sampled);
    cr_assert_arr_eq(root.trace_id, child.trace_id, TRACE_ID_BYTES);
    cr_assert_arr_neq(root.span_id, child.span_id, SPAN_ID_BYTES);
    char traceparent[TRACEPARENT_BYTES];
    traceparent_write(&root, traceparent);
    cr_assert(trace_of_object(&read, traceparent, trace_span_number(&child)));
    cr_assert_arr_eq(read.span_id, child.span_id, SPAN_ID_BYTES);
    cr_assert_not(trace_of_object(&read, traceparent, 0), "it has no span of its own");
    span_t *span = span_new(&child, &root, "form", SPAN_INTERNAL, 100);
    span_text(span, "latin", "caf\xE9");
    cr_assert_str_eq(span->attributes[0]->value->string_value, "caf\xC3\xA9");
    span_peer(span, "[::1]:11111");
    cr_assert_str_eq(span->attributes[1]->value->string_value, "::1");
    cr_assert_eq(span->attributes[2]->value->int_value, 11111);
    span_peer(span, "10.0.0.1:104");
    cr_assert_str_eq(span->attributes[3]->value->string_value, "10.0.0.1");
    span_peer(span, "unknown");
    span_peer(span, "[:");
    for (int i = 0; i < 2 * SPAN_ATTRIBUTES_MAX; i++)
        span_number(span, "many", i);
    cr_assert_eq(span->n_attributes, SPAN_ATTRIBUTES_MAX);
    span_end(&span, 50);
    cr_assert_null(span);
    otlp_stop();
}

Test(spans, are_sampled_in_the_part_that_was_asked_for) {
    start_exporter("0.5");
    int sampled = 0;
    for (int i = 0; i < 4000; i++)
        sampled += trace_begin().sampled;
    cr_assert(sampled > 1600 && sampled < 2400, "%d of 4000", sampled);
    otlp_stop();
}

Test(spans, that_nobody_takes_are_dropped_at_the_limit, .timeout = PATIENCE_S) {
    start_exporter("1");
    trace_context_t root = trace_begin();
    for (int i = 0; i < 10 * OTLP_QUEUE_SPANS; i++)
        span_say(&root, "flood", 1, 2);
    /* The spans in the queue, and in the thread's hands. */
    cr_assert_geq(otlp_dropped(), 9 * OTLP_QUEUE_SPANS - OTLP_BATCH_SPANS);
    cr_assert_lt(otlp_dropped(), 10 * OTLP_QUEUE_SPANS);
    otlp_stop();
    cr_assert_not(otlp_tracing());
}
