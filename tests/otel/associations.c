/* What a collector hears of associations: one span for each, however it ends, and one tree over all stages. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/ring/ring.h"
#include "tests/support/collector.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.7.1"
#define OTHER  "1.2.826.0.1.3680043.9.9999.7.2"

static const char *text_in(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static json_int_t number_in(const json_t *span, const char *attribute) {
    const json_t *value = json_object_get(json_object_get(span, "attributes"), attribute);
    return value ? json_integer_value(value) : -1;
}

static const char *attribute_in(const json_t *span, const char *attribute) {
    return text_in(json_object_get(span, "attributes"), attribute);
}

static void start_with(receiver_t *receiver, const collector_t *collector, const char *queue,
                       const char *const *more) {
    const char *all[32] = {"OTEL_EXPORTER_OTLP_ENDPOINT", NULL, "no_proxy", "127.0.0.1"};
    for (size_t i = 0; more && more[i]; i++)
        all[4 + i] = more[i];
    all[1] = collector->url;
    ring_start(receiver, queue, all);
}

static void start(receiver_t *receiver, collector_t *collector, const char *queue, const char *const *more) {
    collector_start(collector, "grpc");
    start_with(receiver, collector, queue, more);
}

/* That there is exactly one span of the association with this outcome. */
static const json_t *the_association(const json_t *spans, const char *outcome) {
    size_t i, count = 0;
    json_t *span;
    json_array_foreach(spans, i, span) {
        const char *had = attribute_in(span, "oxidicom.outcome");
        count += had && strcmp(had, outcome) == 0;
    }
    cr_assert_eq(count, 1, "%zu spans with outcome %s: %s", count, outcome, json_dumps(spans, JSON_INDENT(1)));
    const json_t *found = span_with(spans, "association", "oxidicom.outcome", outcome);
    cr_assert_str_eq(text_in(found, "parent"), "");
    cr_assert_str_eq(attribute_in(found, "network.peer.address"), "127.0.0.1");
    cr_assert_gt(number_in(found, "network.peer.port"), 0);
    cr_assert_geq(json_integer_value(json_object_get(found, "end")),
                  json_integer_value(json_object_get(found, "start")));
    bool released = strcmp(outcome, "released") == 0;
    cr_assert_eq(json_integer_value(json_object_get(found, "status")), released ? 0 : 2);
    const char *error = attribute_in(found, "error.type");
    cr_assert(released ? error == NULL : error && strcmp(error, outcome) == 0);
    return found;
}

/* Every parent was exported in the same trace, and no id twice. */
static void expect_trees(const json_t *spans) {
    size_t i, k;
    json_t *span, *other;
    json_array_foreach(spans, i, span) {
        const char *parent = text_in(span, "parent");
        bool found = !*parent;
        json_array_foreach(spans, k, other) {
            cr_assert(i == k || strcmp(text_in(span, "span"), text_in(other, "span")) != 0);
            found |= strcmp(text_in(other, "span"), parent) == 0 &&
                     strcmp(text_in(other, "trace"), text_in(span, "trace")) == 0;
        }
        cr_assert(found, "%s has a parent that nobody has seen", text_in(span, "name"));
    }
}

static size_t spans_of(const json_t *spans, const char *trace, const char *name, const char *instance) {
    size_t i, count = 0;
    json_t *span;
    json_array_foreach(spans, i, span) count +=
        strcmp(text_in(span, "trace"), trace) == 0 && strcmp(text_in(span, "name"), name) == 0 &&
        strcmp(text_in(json_object_get(span, "resource"), "service.instance.id"), instance) == 0;
    return count;
}

/* The end of a process does not wait long for a collector on a loaded machine. */
static void await_spans(const collector_t *collector, const char *const *names) {
    for (; *names; names++) {
        bool each = strcmp(*names, "write") == 0;
        json_decref(collector_await(collector, *names, each ? 2 : 1));
    }
}

/* --- ends ------------------------------------------------------------------------------------------------ */

static void abort_one(int port) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, port, "ABORTS", OTHER, 1, 1);
    scu_abort(&scu);
}

static void break_off_one(int port) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, port, "VANISHES", OTHER, 2, 1);
    scu_reset(&scu);
}

static void be_aborted(int port) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, port, "NONSENSE", EXPLICIT_LE));
    scu_send_pdu(&scu, 0x55, "what", 4);
    cr_assert_geq(scu_aborted(&scu), 0);
    scu_close(&scu);
}

static void be_rejected(int port) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE}};
    cr_assert_not(scu_associate(
        &scu, port,
        &(scu_request_t){
            .calling = "REJECTED", .contexts = &context, .contexts_count = 1, .application_context = "1.2.3"}));
    scu_close(&scu);
}

/* At a receiver of its own: others may need longer than that on a busy machine. */
static void be_late(const collector_t *collector) {
    receiver_t receiver;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    start_with(&receiver, collector, "otel-late", (const char *const[]){"OXIDICOM_HANDSHAKE_TIMEOUT", "1s", NULL});
    cr_assert(scu_connect(&scu, receiver.port) &&
              scu_send(&scu, "\1\0\0\0", 4)); /* and no more, until it is over */
    json_decref(collector_await(collector, "association", 6));
    scu_close(&scu);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(association_spans, are_one_for_each_however_it_ends, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    start(&receiver, &collector, "otel-ends", NULL);
    scu_t probe = {0}, scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_connect(&probe, receiver.port));
    scu_close(&probe);
    store_some(&scu, receiver.port, "RELEASES", SERIES, 1, 3);
    cr_assert(scu_release(&scu));
    abort_one(receiver.port);
    break_off_one(receiver.port);
    be_aborted(receiver.port);
    be_rejected(receiver.port);
    json_decref(collector_await(&collector, "association", 5));
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    be_late(&collector);
    json_t *spans = collector_spans(&collector);
    const json_t *released = the_association(spans, "released");
    cr_assert_eq(number_in(released, "oxidicom.objects.stored"), 3);
    cr_assert_eq(number_in(released, "oxidicom.objects.refused"), 0);
    cr_assert_gt(number_in(released, "oxidicom.bytes"), 0);
    cr_assert_str_eq(attribute_in(released, "dicom.calling_ae_title"), "RELEASES");
    cr_assert_str_eq(attribute_in(released, "network.protocol.name"), "dicom");
    cr_assert_eq(number_in(the_association(spans, "aborted_by_peer"), "oxidicom.objects.stored"), 1);
    cr_assert_str_eq(attribute_in(the_association(spans, "connection_lost"), "dicom.calling_ae_title"), "VANISHES");
    cr_assert_not_null(attribute_in(the_association(spans, "aborted_by_oxidicom"), "oxidicom.outcome.reason"));
    cr_assert_str_eq(attribute_in(the_association(spans, "rejected"), "oxidicom.outcome.reason"),
                     "unknown application context");
    the_association(spans, "timed_out");
    cr_assert_eq(spans_named(spans, "association"), 6, "a probe is no association");
    expect_trees(spans);
    json_decref(spans);
    collector_stop(&collector);
}

static bool is_restarted(void *argument) {
    return receiver_stage(argument, "listener", 0) != 0;
}

Test(association_spans, are_said_by_the_notifier_where_the_listener_is_killed, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    start(&receiver, &collector, "otel-killed", NULL);
    scu_t first = {.timeout_ms = PATIENCE_MS}, scu = first, idle = first;
    /* By its registration the listener is heard, and the notifier knows the next associations before their objects.
     */
    store_some(&first, receiver.port, "FIRST", SERIES ".1", 1, 1);
    cr_assert(scu_release(&first));
    json_decref(collector_await(&collector, "send otel-killed", 1));
    cr_assert(scu_associate_mr(&idle, receiver.port, "IDLE", EXPLICIT_LE));
    store_some(&scu, receiver.port, "KILLED", SERIES, 1, 2);
    json_decref(collector_await(&collector, "C-STORE", 3));
    kill(receiver_stage(&receiver, "listener", 0), SIGKILL);
    json_decref(collector_await(&collector, "association", 3));
    json_decref(collector_await(&collector, "send otel-killed", 2));
    await_spans(&collector, (const char *const[]){"write", "journal", NULL});
    cr_assert(await(is_restarted, &receiver, PATIENCE_MS));
    scu_close(&scu);
    scu_close(&idle);
    cr_assert_eq(receiver_stop(&receiver), 0);
    json_t *spans = collector_spans(&collector);
    cr_assert_eq(spans_named(spans, "association"), 3);
    const json_t *killed = span_with(spans, "association", "dicom.calling_ae_title", "KILLED");
    cr_assert_str_eq(attribute_in(killed, "oxidicom.outcome"), "listener_died");
    cr_assert_eq(number_in(killed, "oxidicom.objects.stored"), 2);
    cr_assert_str_eq(attribute_in(killed, "network.peer.address"), "127.0.0.1");
    cr_assert_str_eq(attribute_in(span_with(spans, "association", "dicom.calling_ae_title", "IDLE"), "error.type"),
                     "listener_died");
    cr_assert_eq(spans_named(spans, "send otel-killed"), 2);
    expect_trees(spans);
    json_decref(spans);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

/* A notifier that takes another's place is told of open associations anew. */
Test(association_spans, are_said_once_where_notifier_and_listener_are_killed_in_turn, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    start(&receiver, &collector, "otel-both", NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "BOTH", EXPLICIT_LE));
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    kill(notifier, SIGKILL);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 1), 1, 100);
    /* Stored only when the new one is there. */
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 1), &set), 0);
    json_decref(collector_await(&collector, "C-STORE", 1));
    kill(receiver_stage(&receiver, "listener", 0), SIGKILL);
    json_decref(collector_await(&collector, "association", 1));
    cr_assert_eq(receiver_stop(&receiver), 0);
    json_t *spans = collector_spans(&collector);
    the_association(spans, "listener_died");
    cr_assert_eq(spans_named(spans, "association"), 1);
    json_decref(spans);
    bytes_free(&set);
    scu_close(&scu);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

/* --- one tree -------------------------------------------------------------------------------------------- */

Test(traces, are_one_tree_over_three_stages_that_the_task_belongs_to, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    delivered_t task;
    queue_t *queue = queue_new(rabbitmq_port(), "otel-tree");
    start(&receiver, &collector, "otel-tree", NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, receiver.port, "TREE", SERIES, 1, 2);
    cr_assert(scu_release(&scu));
    cr_assert(queue_await(queue, &task, PATIENCE_MS));
    await_spans(&collector, (const char *const[]){"association", "write", "journal", "send otel-tree", NULL});
    cr_assert_eq(receiver_stop(&receiver), 0);
    json_t *spans = collector_spans(&collector);
    const json_t *root = the_association(spans, "released");
    const char *trace = text_in(root, "trace");
    cr_assert_eq(spans_of(spans, trace, "A-ASSOCIATE", "listener"), 1);
    cr_assert_eq(spans_of(spans, trace, "C-STORE", "listener"), 2);
    cr_assert_eq(spans_of(spans, trace, "receive", "listener"), 2);
    cr_assert_eq(spans_of(spans, trace, "queue", "writer-0"), 2);
    cr_assert_eq(spans_of(spans, trace, "write", "writer-0"), 2);
    cr_assert_eq(spans_of(spans, trace, "journal", "notifier"), 1, "a series is opened once");
    cr_assert_eq(spans_of(spans, trace, "send otel-tree", "notifier"), 1);
    cr_assert_eq(json_array_size(spans), 12);
    expect_trees(spans);
    const json_t *store = span_with(spans, "C-STORE", "dicom.sop_instance_uid", instance_of(SERIES, 2));
    cr_assert_str_eq(attribute_in(store, "dicom.status"), "0000");
    cr_assert_str_eq(text_in(store, "parent"), text_in(root, "span"));
    const json_t *sent = span_with(spans, "send otel-tree", "messaging.system", "rabbitmq");
    cr_assert_str_eq(text_in(sent, "parent"), text_in(root, "span"));
    cr_assert_str_eq(attribute_in(sent, "messaging.message.id"), text_in(task.headers, "id"));
    cr_assert_str_eq(attribute_in(sent, "dicom.series_instance_uid"), SERIES);
    char *traceparent = text_of("00-%s-%s-01", trace, text_in(sent, "span"));
    cr_assert_str_eq(text_in(task.headers, "traceparent"), traceparent);
    free(traceparent);
    json_decref(spans);
    delivered_clear(&task);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

Test(traces, have_spans_of_so_many_objects_and_sums_of_the_rest, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    start(&receiver, &collector, "otel-many", (const char *const[]){"OXIDICOM_OTEL_OBJECT_SPANS", "2", NULL});
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, receiver.port, "MANY", SERIES, 1, 7);
    cr_assert(scu_release(&scu));
    await_spans(&collector, (const char *const[]){"association", "write", "journal", NULL});
    cr_assert_eq(receiver_stop(&receiver), 0);
    json_t *spans = collector_spans(&collector);
    const json_t *root = the_association(spans, "released");
    cr_assert_eq(spans_named(spans, "C-STORE"), 2);
    cr_assert_eq(spans_named(spans, "write"), 2);
    cr_assert_eq(spans_named(spans, "journal"), 1);
    cr_assert_eq(number_in(root, "oxidicom.objects.stored"), 7);
    cr_assert_eq(number_in(root, "oxidicom.objects.summed"), 5);
    cr_assert_gt(number_in(root, "oxidicom.objects.summed.duration_us"), 0);
    json_decref(spans);
    receiver_clear(&receiver);
    collector_stop(&collector);
}

/* What dataset_instance puts into each object. */
static const char *const PATIENT[] = {"Doe", "Jane", "1449c1d", "20090701"};

Test(traces, hold_nothing_of_a_patient, .timeout = PATIENCE_S) {
    receiver_t receiver;
    collector_t collector;
    start(&receiver, &collector, "otel-privacy", NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, receiver.port, "PRIVATE", SERIES, 1, 2);
    cr_assert(scu_release(&scu));
    await_spans(&collector, (const char *const[]){"association", "write", "journal", "send otel-privacy", NULL});
    cr_assert_eq(receiver_stop(&receiver), 0);
    size_t size;
    char *texts = collector_file(&collector, "texts", &size);
    cr_assert(texts && memmem(texts, size, "PRIVATE", 7) && memmem(texts, size, SERIES, strlen(SERIES)));
    for (size_t i = 0; i < sizeof PATIENT / sizeof *PATIENT; i++)
        cr_assert_null(memmem(texts, size, PATIENT[i], strlen(PATIENT[i])), "%s", PATIENT[i]);
    free(texts);
    receiver_clear(&receiver);
    collector_stop(&collector);
}
