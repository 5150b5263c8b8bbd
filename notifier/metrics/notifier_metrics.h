/* What the notifier measures about once a second: the journal, the broker's and NATS's state, queues. */
#ifndef NOTIFIER_METRICS_NOTIFIER_METRICS_H
#define NOTIFIER_METRICS_NOTIFIER_METRICS_H

#include "common/link_state.h"
#include "notifier/broker/registrar.h"
#include "notifier/journal/journal.h"
#include "notifier/journal/storage.h"
#include "notifier/progress/publisher.h"
#include "notifier/replicas/replicas.h"

typedef struct notifier_metrics {
    int64_t next_ms, next_states_ms;
    uint64_t dropped; /* progress messages, so far */
} notifier_metrics_t;

typedef struct notifier_metrics_sources {
    journal_t *journal;
    const registrar_t *registrar;
    const inquiries_t *inquiries;
    storage_t *storage;
    replicas_t *replicas;
    publisher_t *publisher;
    link_state_t *broker, *nats, *cube;
    bool has_nats, asks_cube;
} notifier_metrics_sources_t;

/* Outside of a transaction. */
void notifier_metrics_measure(notifier_metrics_t *self, const notifier_metrics_sources_t *sources, int64_t now_ms);

#endif
