#include "tests/support/collector.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/receiver.h"

static bool is_ready(void *argument) {
    char *path = text_of("%s/ready", ((const collector_t *)argument)->folder);
    bool ready = access(path, F_OK) == 0;
    free(path);
    return ready;
}

void collector_start(collector_t *collector, const char *kind) {
    int port = free_port();
    char *number = text_of("%d", port), *log;
    collector->folder = temporary_folder("collector");
    collector->url = text_of("http://127.0.0.1:%d", port);
    log = text_of("%s/log", collector->folder);
    collector->pid = process_start(log, NULL,
                                   (const char *const[]){"/usr/bin/python3", "tests/support/collector.py", kind,
                                                         number, collector->folder, NULL});
    if (!await(is_ready, collector, PATIENCE_MS)) {
        size_t size;
        fprintf(stderr, "the collector does not start:\n%s\n", file_content(log, &size));
        abort();
    }
    free(number);
    free(log);
}

void collector_stop(collector_t *collector) {
    process_stop(collector->pid, SIGTERM, PATIENCE_MS);
    remove_folder(collector->folder);
    free(collector->folder);
    free(collector->url);
}

char *collector_file(const collector_t *collector, const char *name, size_t *size) {
    char *path = text_of("%s/%s", collector->folder, name), *content = file_content(path, size);
    free(path);
    return content;
}

/* The lines of a file, each an object. */
static json_t *lines_of(const collector_t *collector, const char *name) {
    size_t size;
    json_t *objects = json_array();
    char *lines = collector_file(collector, name, &size), *rest = lines;
    for (char *line; rest && (line = strsep(&rest, "\n")) && rest;)
        json_array_append_new(objects, json_loads(line, 0, NULL)); /* the last may not be whole yet */
    free(lines);
    return objects;
}

json_t *collector_spans(const collector_t *collector) {
    return lines_of(collector, "spans");
}

json_t *collector_metrics(const collector_t *collector) {
    json_t *exports = lines_of(collector, "metrics");
    json_t *last = json_incref(json_array_get(exports, json_array_size(exports) - 1));
    json_decref(exports);
    return last;
}

static size_t exports_of(const collector_t *collector) {
    json_t *exports = lines_of(collector, "metrics");
    size_t count = json_array_size(exports);
    json_decref(exports);
    return count;
}

json_t *collector_next_metrics(const collector_t *collector) {
    int64_t end_ms = clock_ms() + PATIENCE_MS;
    /* One may have been made before and is on its way. */
    size_t wanted = exports_of(collector) + 2;
    while (exports_of(collector) < wanted && clock_ms() < end_ms)
        usleep(20000);
    cr_assert_geq(exports_of(collector), wanted, "no metrics come");
    return collector_metrics(collector);
}

size_t spans_named(const json_t *spans, const char *name) {
    size_t i, count = 0;
    json_t *span;
    json_array_foreach(spans, i, span) count += strcmp(json_string_value(json_object_get(span, "name")), name) == 0;
    return count;
}

json_t *collector_await(const collector_t *collector, const char *name, size_t count) {
    int64_t end_ms = clock_ms() + PATIENCE_MS;
    json_t *spans = collector_spans(collector);
    while (spans_named(spans, name) < count && clock_ms() < end_ms) {
        json_decref(spans);
        usleep(20000);
        spans = collector_spans(collector);
    }
    cr_assert_geq(spans_named(spans, name), count, "%zu spans %s: %s", spans_named(spans, name), name,
                  json_dumps(spans, JSON_INDENT(1)));
    return spans;
}

json_t *span_with(const json_t *spans, const char *name, const char *attribute, const char *text) {
    size_t i;
    json_t *span;
    json_array_foreach(spans, i, span) {
        const char *value =
            attribute ? json_string_value(json_object_get(json_object_get(span, "attributes"), attribute)) : NULL;
        if (strcmp(json_string_value(json_object_get(span, "name")), name) == 0 &&
            (!attribute || (value && strcmp(value, text) == 0)))
            return span;
    }
    return NULL;
}
