/* What operators see of the vectors, in all places at once: no patient. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ring/cases.h"
#include "tests/support/collector.h"
#include "tests/support/http.h"

#define WATCHED_MS 600000

/* A viewer of the page; everything that he is told. */
typedef struct watcher {
    int port;
    pthread_t thread;
    char *heard;
} watcher_t;

static void *watch(void *argument) {
    watcher_t *watcher = argument;
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    watcher->heard = http_exchange(watcher->port, request, strlen(request), WATCHED_MS);
    return NULL;
}

/* What monitors ask for, the page, and its search for a part that every UID has. */
static void look(int port, FILE *seen) {
    static const char *const paths[] = {"/", "/metrics", "/livez?verbose", "/readyz?verbose", "/series?q=1."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int status;
        char *body = http_get(port, paths[i], NULL, &status);
        cr_assert_neq(status, 0, "%s", paths[i]);
        fputs(body, seen);
        free(body);
    }
}

static void send_and_look(const json_t *cases, int port, int http_port, FILE *seen) {
    size_t i;
    json_t *the_case;
    json_array_foreach(cases, i, the_case) {
        bytes_t sets[CASE_OBJECTS];
        size_t count = 0;
        json_t *statuses = json_array();
        (void)case_send(the_case, port, sets, &count, statuses);
        json_decref(statuses);
        while (count > 0)
            bytes_free(&sets[--count]);
        if (i % 20 == 0)
            look(http_port, seen);
    }
    look(http_port, seen);
}

/* `sign`: what shows that it has something to say. */
static void expect_no_patient(const json_t *cases, const char *where, const char *bytes, size_t size,
                              const char *sign) {
    cr_assert(bytes && memmem(bytes, size, sign, strlen(sign)), "%s lacks %s", where, sign);
    cr_expect_eq(cases_patients_in(cases, where, bytes, size), 0, "%s", where);
}

/* The bodies of the tasks are for CUBE; people see the rest. */
static void expect_no_patient_in_headers(const json_t *cases, queue_t *queue) {
    json_t *headers = json_array();
    for (delivered_t task; queue_take(queue, &task); delivered_clear(&task))
        json_array_append(headers, task.headers);
    char *text = json_dumps(headers, 0);
    expect_no_patient(cases, "the tasks' headers", text, strlen(text), "'SeriesInstanceUID': '");
    free(text);
    json_decref(headers);
}

Test(vectors, are_seen_in_log_spans_metrics_health_page_and_headers_without_any_patient, .timeout = PATIENCE_S) {
    json_t *cases = cases_load();
    receiver_t receiver;
    collector_t collector;
    watcher_t watcher = {.port = free_port()};
    char *port = text_of("%d", watcher.port), *seen = NULL;
    size_t seen_size, size;
    queue_t *queue = queue_new(rabbitmq_port(), "privacy");
    collector_start(&collector, "grpc");
    ring_start(&receiver, "privacy",
               (const char *const[]){"OXIDICOM_SCP_PROMISCUOUS", "true", "OXIDICOM_HTTP_PORT", port,
                                     "OTEL_EXPORTER_OTLP_ENDPOINT", collector.url, "OTEL_METRIC_EXPORT_INTERVAL",
                                     "1000", "no_proxy", "127.0.0.1", NULL});
    cr_assert_eq(pthread_create(&watcher.thread, NULL, watch, &watcher), 0);
    FILE *into = open_memstream(&seen, &seen_size);
    send_and_look(cases, receiver.port, watcher.port, into);
    fclose(into);
    json_decref(collector_next_metrics(&collector));
    json_decref(collector_await(&collector, "send privacy", 100));
    cr_assert_eq(receiver_stop(&receiver), 0);
    pthread_join(watcher.thread, NULL);
    expect_no_patient(cases, "HTTP", seen, seen_size, "oxidicom_objects_stored_total{");
    expect_no_patient(cases, "HTTP", seen, seen_size, "\"journal\"");
    expect_no_patient(cases, "the event stream", watcher.heard, strlen(watcher.heard), "registered");
    char *texts = collector_file(&collector, "texts", &size), *log = file_content(receiver.log, &seen_size);
    expect_no_patient(cases, "OTLP", texts, size, "C-STORE");
    expect_no_patient(cases, "OTLP", texts, size, "oxidicom_objects_stored");
    expect_no_patient(cases, "the log", log, seen_size, " info ");
    expect_no_patient_in_headers(cases, queue);
    free(texts);
    free(log);
    free(seen);
    free(watcher.heard);
    free(port);
    json_decref(cases);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    collector_stop(&collector);
}
