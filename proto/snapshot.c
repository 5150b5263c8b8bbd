#include "proto/snapshot.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "proto/reply.h"

/* Snapshots that wait for an absent notifier: later ones count them in, so none need queue up. */
#define SNAPSHOT_QUEUE_MESSAGES 2

/* The values keep their memory from one snapshot to the next. */
struct item {
    Ring__MetricValue figure;
    char label[METRIC_LABEL_MAX_BYTES + 1];
    uint64_t buckets[METRIC_BUCKETS];
};

struct snapshot {
    const stage_t *stage;
    Ring__Stage kind;
    ring_inbox_t *inbox;
    zsock_t *notifier;
    int64_t measured_ms;
    Ring__Alive alive;
    Ring__Metrics message;
    struct item **items;
    Ring__MetricValue **pointers;
    size_t room;
};

snapshot_t *snapshot_new(const stage_t *stage, Ring__Stage kind, ring_inbox_t *inbox) {
    snapshot_t *self = must(calloc(1, sizeof *self));
    self->stage = stage;
    self->kind = kind;
    self->inbox = inbox;
    if (kind != RING__STAGE__STAGE_NOTIFIER)
        self->notifier = ring_outbox_new(stage->settings.run_dir, "notifier", SNAPSHOT_QUEUE_MESSAGES);
    if (kind != RING__STAGE__STAGE_NOTIFIER && !self->notifier)
        snapshot_destroy(&self);
    return self;
}

void snapshot_destroy(snapshot_t **self_p) {
    snapshot_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->room; i++)
        free(self->items[i]);
    free(self->items);
    free(self->pointers);
    zsock_destroy(&self->notifier);
    free(self);
    *self_p = NULL;
}

static void add(void *argument, const metric_sample_t *sample) {
    snapshot_t *self = argument;
    if (self->message.n_values == self->room) {
        self->items = grown(self->items, self->room, sizeof *self->items);
        self->pointers = grown(self->pointers, self->room, sizeof *self->pointers);
        self->items[self->room++] = must(malloc(sizeof **self->items));
    }
    struct item *item = self->items[self->message.n_values];
    ring__metric_value__init(&item->figure);
    item->figure.name = (char *)(uintptr_t)METRICS[sample->metric].name;
    snprintf(item->label, sizeof item->label, "%s", sample->label);
    item->figure.label = item->label;
    item->figure.value = sample->value;
    if (sample->buckets) {
        memcpy(item->buckets, sample->buckets, sizeof item->buckets);
        item->figure.buckets = item->buckets;
        item->figure.n_buckets = METRIC_BUCKETS;
    }
    self->pointers[self->message.n_values++] = &item->figure;
}

static void measure(snapshot_t *self) {
    int64_t now = clock_ms();
    if (self->measured_ms && now - self->measured_ms < MEASURE_INTERVAL_MS)
        return;
    self->measured_ms = now;
    metrics_measure_process();
    if (self->inbox) {
        metric_set(METRIC_INBOX_DEPTH, NULL, (int64_t)self->inbox->deepest);
        self->inbox->deepest = 0;
    }
}

const Ring__Metrics *snapshot_take(snapshot_t *self) {
    measure(self);
    ring__metrics__init(&self->message);
    metrics_visit(add, self);
    self->alive = alive_of(self->stage, self->kind);
    self->message.self = &self->alive;
    self->message.counted_since = metrics_began_us();
    self->message.values = self->pointers;
    return &self->message;
}

void snapshot_send(snapshot_t *self, const Ring__ListenerStatus *listener) {
    Ring__Metrics *message = (Ring__Metrics *)(uintptr_t)snapshot_take(self);
    message->listener = (Ring__ListenerStatus *)(uintptr_t)listener;
    if (ring_send(self->notifier, &RING_ENVELOPE(METRICS, metrics, message)) != 0)
        log_debug(NULL, "the notifier takes no metrics: %s", strerror(errno));
}
