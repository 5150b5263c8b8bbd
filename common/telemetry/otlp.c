#include "common/telemetry/otlp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/condition.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "common/telemetry/otlp_batch.h"

/* How often a batch is sent that the collector could not take, after which pause, doubled each time, with jitter.
 */
#define OTLP_TRIES            5
#define OTLP_RETRY_FIRST_MS   500
#define OTLP_RETRY_LONGEST_MS 4000

typedef struct exporter {
    otlp_link_t *link;
    char *instance;
    double ratio; /* of traces that are sampled */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    otlp_item_t queue[OTLP_QUEUE_SPANS]; /* a ring */
    size_t first, count;
    atomic_uint_least64_t dropped;
    atomic_bool ending;
    int64_t flushed_by_ms; /* once ending */
    log_limit_t complained;
    /* of the thread: */
    otlp_item_t batch[OTLP_BATCH_SPANS];
    size_t batch_count;
} exporter_t;

static exporter_t *exporter; /* NULL: none */

bool otlp_tracing(void) {
    return exporter != NULL;
}

uint64_t otlp_dropped(void) {
    return exporter ? atomic_load(&exporter->dropped) : 0;
}

/* TraceIdRatioBased: the decision is in the trace's id, so that all make the same. */
bool otlp_samples(const trace_context_t *trace) {
    uint64_t low = 0;
    for (size_t i = TRACE_ID_BYTES - 8; i < TRACE_ID_BYTES; i++)
        low = low << 8 | trace->trace_id[i];
    double ratio = exporter->ratio;
    return ratio >= 1 || (double)(low >> 1) < ratio * 0x1p63;
}

/* --- the queue ------------------------------------------------------------------------------------------ */

static void count_dropped(exporter_t *self, size_t spans) {
    atomic_fetch_add(&self->dropped, spans);
    metric_add(METRIC_TELEMETRY_DROPPED, "spans", spans);
}

void otlp_take(Otlp__Span *span, const char *instance) {
    exporter_t *self = exporter;
    otlp_item_t item = {span, self && instance ? must(strdup(instance)) : NULL};
    bool taken = false;
    if (self) {
        pthread_mutex_lock(&self->lock);
        taken = self->count < OTLP_QUEUE_SPANS;
        if (taken) {
            self->queue[(self->first + self->count++) % OTLP_QUEUE_SPANS] = item;
            /* Fewer wait for the next look of the thread, which is cheaper than to wake it for each. */
            if (self->count == OTLP_BATCH_SPANS)
                pthread_cond_signal(&self->wake);
        }
        pthread_mutex_unlock(&self->lock);
    }
    if (taken)
        return;
    otlp_item_clear(&item);
    if (self)
        count_dropped(self, 1);
}

/* Waits until `deadline_ms` of clock_ms, or for more spans where `for_spans`, or for the end. */
static void wait_until(exporter_t *self, int64_t deadline_ms, bool for_spans) {
    pthread_mutex_lock(&self->lock);
    while (!atomic_load(&self->ending) && !(for_spans && self->count >= OTLP_BATCH_SPANS) &&
           condition_wait_until(&self->wake, &self->lock, deadline_ms))
        ;
    pthread_mutex_unlock(&self->lock);
}

static void take_batch(exporter_t *self) {
    pthread_mutex_lock(&self->lock);
    for (; self->count > 0 && self->batch_count < OTLP_BATCH_SPANS; self->count--) {
        self->batch[self->batch_count++] = self->queue[self->first];
        self->first = (self->first + 1) % OTLP_QUEUE_SPANS;
    }
    pthread_mutex_unlock(&self->lock);
}

static void forget_batch(exporter_t *self) {
    while (self->batch_count > 0)
        otlp_item_clear(&self->batch[--self->batch_count]);
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static otlp_result_t export_batch(exporter_t *self, char *why) {
    return otlp_batch_post(self->link, self->instance, self->batch, self->batch_count, why);
}

static void complain(exporter_t *self, const char *why) {
    uint64_t left_out, dropped = atomic_load(&self->dropped);
    if (log_rarely(&self->complained, &left_out))
        log_warn(NULL, "the collector of traces does not take them: %s; %llu %s dropped so far", why,
                 (unsigned long long)dropped, plural(dropped, "span", "spans"));
}

/* Exports the batch, again where that may help, until it is gone one way or the other. */
static void send_batch(exporter_t *self) {
    char why[OTLP_WHY_BYTES];
    otlp_result_t result = export_batch(self, why);
    for (int i = 1; result == OTLP_TRY_AGAIN && i < OTLP_TRIES && !atomic_load(&self->ending); i++) {
        complain(self, why);
        wait_until(self, clock_ms() + backoff_jittered(backoff_ms(OTLP_RETRY_FIRST_MS, OTLP_RETRY_LONGEST_MS, i)),
                   false);
        result = export_batch(self, why);
    }
    if (result != OTLP_TAKEN) {
        count_dropped(self, self->batch_count);
        complain(self, why);
    }
    forget_batch(self);
}

static void *run(void *argument) {
    exporter_t *self = argument;
    for (bool ending = false; !ending;) {
        wait_until(self, clock_ms() + OTLP_BATCH_MS, true);
        ending = atomic_load(&self->ending);
        for (take_batch(self); self->batch_count > 0; take_batch(self)) {
            if (ending && clock_ms() >= self->flushed_by_ms) {
                count_dropped(self, self->batch_count);
                forget_batch(self);
                continue;
            }
            send_batch(self);
            ending = atomic_load(&self->ending);
        }
    }
    return NULL;
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void destroy(exporter_t *self) {
    forget_batch(self);
    for (; self->count > 0; self->count--, self->first = (self->first + 1) % OTLP_QUEUE_SPANS)
        otlp_item_clear(&self->queue[self->first]);
    otlp_link_destroy(&self->link);
    free(self->instance);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void otlp_confine(const settings_t *settings, sandbox_t *sandbox) {
    if (!otlp_target_wanted(settings, OTLP_TRACES))
        return;
    sandbox->internet = true;
    sandbox_allow_file(sandbox, "/etc/resolv.conf");
    sandbox_allow_file(sandbox, "/etc/hosts");
}

void otlp_start(const settings_t *settings, const char *instance) {
    otlp_target_t target;
    if (!otlp_target_read(&target, settings, OTLP_TRACES, instance))
        return;
    exporter_t *self = must(calloc(1, sizeof *self));
    self->instance = must(strdup(instance));
    self->ratio = target.ratio;
    self->link = otlp_link_new(&target);
    pthread_mutex_init(&self->lock, NULL);
    condition_init(&self->wake);
    if (!self->link || pthread_create(&self->thread, NULL, run, self) != 0) {
        log_error(NULL, "there are no traces: the exporter can't be started");
        destroy(self);
        return;
    }
    exporter = self;
}

void otlp_stop(void) {
    exporter_t *self = exporter;
    if (!self)
        return;
    exporter = NULL;
    self->flushed_by_ms = clock_ms() + OTLP_FLUSH_MS;
    otlp_link_end_by(self->link, self->flushed_by_ms);
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->ending, true);
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    uint64_t dropped = atomic_load(&self->dropped);
    if (dropped)
        log_warn(NULL, "%llu %s dropped", (unsigned long long)dropped, plural(dropped, "span was", "spans were"));
    destroy(self);
}
