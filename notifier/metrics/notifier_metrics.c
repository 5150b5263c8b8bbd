#include "notifier/metrics/notifier_metrics.h"

#include "common/clock.h"
#include "common/limits.h"
#include "common/metrics.h"
#include "notifier/journal/rows.h"

/* Receptions are counted by state, then for so many times as long not again. */
#define JOURNAL_COUNT_PAUSE 100

static void count_states(journal_t *journal) {
    static const char *const always[] = {"receiving", "waiting",   "due",   "left", "registered",
                                         "refused",   "confirmed", "short", "lost"};
    metric_forget(METRIC_JOURNAL_RECEPTIONS);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        metric_set(METRIC_JOURNAL_RECEPTIONS, always[i], 0);
    sqlite3_stmt *rows = journal_query(journal, SQL_STATUS_STATES, VALUES(NUMBER(RECEPTION_STATES_MAX)));
    for (Ring__StateCount *count; (count = rows_next_message(journal, rows, &ring__state_count__descriptor));) {
        metric_set(METRIC_JOURNAL_RECEPTIONS, count->state, (int64_t)count->receptions);
        ring__state_count__free_unpacked(count, NULL);
    }
}

static void measure_oldest(journal_t *journal) {
    reception_row_t due = {0};
    int64_t ended_at = 0;
    sqlite3_stmt *rows = journal_query(journal, SQL_STATUS_OLDEST_DUE, NULL, 0);
    while (rows_next_reception(journal, rows, &due))
        ended_at = due.ended_at;
    int64_t waits_ms = ended_at ? journal_now() - ended_at : 0;
    metric_set(METRIC_OLDEST_UNREGISTERED, NULL, waits_ms > 0 ? waits_ms * 1000 : 0);
}

/* A week of receptions takes a moment to be counted: the larger the journal, the more rarely. Where the thread
 * waits for a busy processor, the journal is no larger. */
static void measure_journal(notifier_metrics_t *self, journal_t *journal, int64_t now_ms) {
    metric_set(METRIC_JOURNAL_SIZE, NULL, journal_size(journal));
    if (now_ms < self->next_states_ms)
        return;
    int64_t begun_us = clock_used_us();
    count_states(journal);
    measure_oldest(journal);
    (void)!journal_commit(journal); /* of nothing; a failure was logged */
    int64_t took_ms = (clock_used_us() - begun_us) / 1000;
    self->next_states_ms = now_ms + MEASURE_INTERVAL_MS + took_ms * JOURNAL_COUNT_PAUSE;
}

static void measure_connection(metric_t metric, link_state_t *state) {
    bool connected;
    int64_t since;
    char why[LINK_WHY_BYTES];
    link_state_read(state, &connected, &since, why);
    metric_set(metric, NULL, connected);
}

static void measure_progress(notifier_metrics_t *self, publisher_t *publisher) {
    uint64_t waiting, dropped;
    publisher_count(publisher, &waiting, &dropped);
    metric_set(METRIC_PROGRESS_WAITING, NULL, (int64_t)waiting);
    metric_add(METRIC_PROGRESS_DROPPED, NULL, dropped - self->dropped);
    self->dropped = dropped;
}

static void measure_cube(const notifier_metrics_sources_t *sources) {
    int64_t waiting, still_ms, since, now = journal_now();
    if (!sources->asks_cube)
        return;
    measure_connection(METRIC_CUBE_CONNECTED, sources->cube);
    if (inquiries_queue(sources->inquiries, &waiting, &still_ms))
        metric_set(METRIC_QUEUE_WAITING, NULL, waiting);
    metric_set(METRIC_QUEUE_STILL, NULL, still_ms * 1000);
    since = journal_number(sources->journal, SQL_INQUIRY_OLDEST, NULL, 0, now);
    (void)!journal_commit(sources->journal); /* of nothing; a failure was logged */
    metric_set(METRIC_OLDEST_UNCONFIRMED, NULL, now > since ? (now - since) * 1000 : 0);
}

void notifier_metrics_measure(notifier_metrics_t *self, const notifier_metrics_sources_t *sources, int64_t now_ms) {
    if (now_ms < self->next_ms)
        return;
    self->next_ms = now_ms + MEASURE_INTERVAL_MS;
    measure_journal(self, sources->journal, now_ms);
    measure_connection(METRIC_BROKER_CONNECTED, sources->broker);
    if (sources->has_nats)
        measure_connection(METRIC_NATS_CONNECTED, sources->nats);
    measure_cube(sources);
    measure_progress(self, sources->publisher);
    metric_set(METRIC_REGISTRATIONS_UNDER_WAY, NULL, (int64_t)registrar_with_broker(sources->registrar));
    char why[REPLICAS_WHY_BYTES];
    metric_set(METRIC_REPLICA_LOCKS, NULL, replicas_have_locks(sources->replicas, why, sizeof why));
    metric_set(METRIC_STORAGE_SILENT, NULL, storage_silent_ms(sources->storage) * 1000);
}
