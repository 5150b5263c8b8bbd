#include "notifier/metrics/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define OPENMETRICS_TYPE "application/openmetrics-text"

/* Prometheus offers it first and with a version; "q=0" refuses a form. */
bool metrics_text_wants_openmetrics(const char *accept) {
    const char *offer = accept ? strcasestr(accept, OPENMETRICS_TYPE) : NULL;
    if (!offer)
        return false;
    size_t length = strcspn(offer, ",");
    const char *quality = memmem(offer, length, "q=0", 3);
    return !quality || quality[3] == '.';
}

typedef struct document {
    FILE *out;
    bool openmetrics;
    metric_t described; /* its head is written; METRICS_COUNT: none */
} document_t;

/* In a label a backslash, a quote and a line break are escaped. */
static void write_escaped(FILE *out, const char *text) {
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || *text == '"')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
}

static void describe(document_t *document, metric_t metric) {
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    const metric_info_t *info = &METRICS[metric];
    const char *suffix = info->type == METRIC_COUNTER && !document->openmetrics ? "_total" : "";
    if (document->described == metric)
        return;
    document->described = metric;
    fprintf(document->out, "# HELP %s%s %s\n", info->name, suffix, info->help);
    fprintf(document->out, "# TYPE %s%s %s\n", info->name, suffix, types[info->type]);
    if (document->openmetrics && info->unit)
        fprintf(document->out, "# UNIT %s %s\n", info->name, info->unit);
}

/* `bound`: the label "le" of a bucket, or NULL. */
static void write_name(FILE *out, const all_metrics_value_t *value, const char *suffix, const char *bound) {
    const metric_info_t *info = &METRICS[value->metric];
    const char *const names[] = {"stage", info->label, "le"}, *const values[] = {value->stage, value->label, bound};
    char separator = '{';
    fprintf(out, "%s%s", info->name, suffix);
    for (size_t i = 0; i < 3; i++) {
        if (!names[i] || !values[i])
            continue;
        fprintf(out, "%c%s=\"", separator, names[i]);
        write_escaped(out, values[i]);
        fputc('"', out);
        separator = ',';
    }
    fputs(separator == ',' ? "} " : " ", out);
}

static void write_value(FILE *out, const all_metrics_value_t *value) {
    const char *unit = METRICS[value->metric].unit;
    if (unit && strcmp(unit, "seconds") == 0) {
        uint64_t size = value->value < 0 ? -(uint64_t)value->value : (uint64_t)value->value;
        fprintf(out, "%s%" PRIu64 ".%06" PRIu64 "\n", value->value < 0 ? "-" : "", size / 1000000, size % 1000000);
    } else {
        fprintf(out, "%" PRId64 "\n", value->value);
    }
}

static void write_histogram(FILE *out, const all_metrics_value_t *value) {
    uint64_t count = 0;
    char bound[32];
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        count += value->buckets[i];
        double seconds = i < METRIC_BOUNDS ? (double)METRIC_BOUNDS_US[i] / 1e6 : 0;
        /* OpenMetrics has bounds as floating-point numbers. */
        snprintf(bound, sizeof bound, seconds < 1 ? "%g" : "%.1f", seconds);
        write_name(out, value, "_bucket", i < METRIC_BOUNDS ? bound : "+Inf");
        fprintf(out, "%" PRIu64 "\n", count);
    }
    write_name(out, value, "_sum", NULL);
    write_value(out, value);
    write_name(out, value, "_count", NULL);
    fprintf(out, "%" PRIu64 "\n", count);
}

static void write_sample(void *argument, const all_metrics_value_t *value) {
    document_t *document = argument;
    describe(document, value->metric);
    if (METRICS[value->metric].type == METRIC_HISTOGRAM) {
        write_histogram(document->out, value);
        return;
    }
    write_name(document->out, value, METRICS[value->metric].type == METRIC_COUNTER ? "_total" : "", NULL);
    write_value(document->out, value);
}

/* The present stages. */
static void write_stage(void *document, const all_metrics_stage_t *stage) {
    write_sample(document,
                 &(all_metrics_value_t){.metric = METRIC_STAGE_UP, .stage = stage->id, .value = stage->up});
}

char *metrics_text_of(all_metrics_t *metrics, bool openmetrics, int64_t now_ms, size_t *size) {
    char *text = NULL;
    document_t document = {must(open_memstream(&text, size)), openmetrics, METRICS_COUNT};
    all_metrics_visit(metrics, now_ms, write_sample, &document);
    all_metrics_visit_stages(metrics, now_ms, write_stage, &document);
    if (openmetrics)
        fputs("# EOF\n", document.out);
    must_hold(fclose(document.out) == 0);
    return text;
}
