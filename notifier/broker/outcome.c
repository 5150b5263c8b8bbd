#include "notifier/broker/outcome.h"

#include "common/broker_schemes.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "common/telemetry/span.h"

void outcome_log(const registration_t *returned) {
    static const char *const outcomes[] = {[OUTCOME_CONFIRMED] = "confirmed",
                                           [OUTCOME_REJECTED] = "rejected",
                                           [OUTCOME_IMPOSSIBLE] = "impossible",
                                           [OUTCOME_UNSENT] = "unsent"};
    metric_add(METRIC_REGISTRATIONS, outcomes[returned->outcome], 1);
    const char *series = returned->series->series_instance_uid;
    switch (returned->outcome) {
    case OUTCOME_CONFIRMED:
        log_info(NULL, "series %s is registered: %lld %s, task %s", series, (long long)returned->ndicom,
                 plural((uint64_t)returned->ndicom, "file", "files"), returned->task_id);
        if (returned->ndicom < returned->stored)
            log_warn(NULL, "series %s: stored files were taken away; of %lld its folder has %lld", series,
                     (long long)returned->stored, (long long)returned->ndicom);
        break;
    case OUTCOME_IMPOSSIBLE:
        log_error(NULL, "series %s can't be registered: %s", series, returned->why);
        break;
    case OUTCOME_REJECTED:
        log_warn(NULL, "series %s is not registered yet: %s", series, returned->why);
        break;
    case OUTCOME_UNSENT:
        log_debug(NULL, "series %s was not sent: %s", series, returned->why);
        break;
    }
}

void outcome_say_span(const settings_t *settings, const char *name, const registration_t *returned) {
    static const char *const errors[] = {
        [OUTCOME_UNSENT] = "unsent", [OUTCOME_REJECTED] = "rejected", [OUTCOME_IMPOSSIBLE] = "impossible"};
    const trace_context_t *parent = trace_is_set(&returned->parent) ? &returned->parent : NULL;
    span_t *span = span_new(&returned->trace, parent, name, SPAN_PRODUCER, returned->sent_ns);
    span_text(span, "messaging.system", BROKERS[broker_scheme_of(settings->broker_address)].system);
    span_text(span, "messaging.operation.type", "send");
    span_text(span, "messaging.destination.name", settings->queue_name);
    span_text(span, "messaging.message.id", *returned->task_id ? returned->task_id : NULL);
    span_text(span, "dicom.series_instance_uid", returned->series->series_instance_uid);
    span_number(span, "oxidicom.files", returned->ndicom);
    if (returned->outcome != OUTCOME_CONFIRMED)
        span_fail(span, errors[returned->outcome], returned->why);
    span_end(&span, clock_wall_ns());
}
