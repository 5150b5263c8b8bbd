#include "notifier/metrics/otlp_export.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/condition.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/plural.h"
#include "common/telemetry/otlp.h"
#include "common/telemetry/otlp_link.h"
#include "common/telemetry/span.h"
#include "notifier/metrics/otlp_request.h"

struct otlp_export {
    otlp_link_t *link;
    all_metrics_t *metrics;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending; /* under the lock */
    log_limit_t complained;
    uint64_t dropped; /* exports; of the thread */
};

static void export_once(otlp_export_t *self) {
    char why[OTLP_WHY_BYTES];
    uint64_t left_out;
    Otlp__ExportMetricsServiceRequest *request =
        otlp_request_new(self->metrics, otlp_link_target(self->link)->resource, clock_ms(), clock_wall_ns());
    otlp_result_t result = otlp_link_post(self->link, &request->base, why);
    otlp_request_destroy(&request);
    if (result == OTLP_TAKEN)
        return;
    self->dropped++;
    metric_add(METRIC_TELEMETRY_DROPPED, "metrics", 1);
    if (log_rarely(&self->complained, &left_out))
        log_warn(NULL, "the collector of metrics does not take them: %s; %llu %s dropped so far", why,
                 (unsigned long long)self->dropped, plural(self->dropped, "export", "exports"));
}

/* Waits until `until_ms` of clock_ms; false where the end came before. */
static bool wait_until(otlp_export_t *self, int64_t until_ms) {
    pthread_mutex_lock(&self->lock);
    while (!self->ending && condition_wait_until(&self->wake, &self->lock, until_ms))
        ;
    bool ending = self->ending;
    pthread_mutex_unlock(&self->lock);
    return !ending;
}

static void *run(void *argument) {
    otlp_export_t *self = argument;
    int64_t interval_ms = otlp_link_target(self->link)->interval_ms, next_ms = clock_ms() + interval_ms;
    while (wait_until(self, next_ms)) {
        export_once(self);
        /* An export longer than the interval makes the next ones later, not more. */
        next_ms = next_ms + interval_ms > clock_ms() ? next_ms + interval_ms : clock_ms() + interval_ms;
    }
    export_once(self);
    return NULL;
}

static void destroy(otlp_export_t *self) {
    otlp_link_destroy(&self->link);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

otlp_export_t *otlp_export_new(const settings_t *settings, all_metrics_t *metrics, const char *instance) {
    otlp_target_t target;
    if (!otlp_target_read(&target, settings, OTLP_METRICS, instance))
        return NULL;
    otlp_export_t *self = must(calloc(1, sizeof *self));
    self->metrics = metrics;
    self->link = otlp_link_new(&target);
    pthread_mutex_init(&self->lock, NULL);
    condition_init(&self->wake);
    if (self->link && pthread_create(&self->thread, NULL, run, self) == 0)
        return self;
    log_error(NULL, "no metrics are sent: the exporter can't be started");
    destroy(self);
    return NULL;
}

void otlp_export_end(otlp_export_t *self) {
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    if (!self->ending)
        otlp_link_end_by(self->link, clock_ms() + OTLP_FLUSH_MS);
    self->ending = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
}

void otlp_export_destroy(otlp_export_t **self_p) {
    otlp_export_t *self = *self_p;
    if (!self)
        return;
    otlp_export_end(self);
    pthread_join(self->thread, NULL);
    destroy(self);
    *self_p = NULL;
}
