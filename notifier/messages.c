/* What the ring tells the notifier: one handler for each message. */
#include "common/clock.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "common/telemetry/span.h"
#include "notifier/journal/reception.h"
#include "notifier/notifier.h"

static void complain(notifier_t *notifier, const char *message) {
    if (log_seldom(&notifier->complained, NULL))
        log_warn(NULL, "an incomplete %s message is ignored", message);
}

static log_context_t context_of(const Ring__ObjectId *id) {
    return (log_context_t){.association = id->association, .object = id->object};
}

static void on_stored(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__Stored *stored = envelope->stored;
    if (!reception_stored_usable(stored)) {
        complain(notifier, "Stored");
        return;
    }
    log_context_t context = {.association = stored->association};
    metric_add(METRIC_EVENTS, "stored", stored->n_objects);
    log_debug(&context, "%zu %s from %llu on by %s", stored->n_objects,
              plural(stored->n_objects, "object was stored", "objects were stored"),
              (unsigned long long)stored->objects[0]->object, stored->writer);
    notifier->strangers |= stored->listener != notifier->current_listener;
    traced_say_stored(stored);
    if (reception_on_stored(&notifier->journal, notifier->owed, stored))
        traced_on_stored(notifier->traced, stored);
}

static void on_refused(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__Refused *refused = envelope->refused;
    if (!reception_refused_usable(refused)) {
        complain(notifier, "Refused");
        return;
    }
    log_context_t context = context_of(refused->object);
    metric_add(METRIC_EVENTS, "refused", 1);
    log_debug(&context, "refused with %04X: %s", refused->status, refused->reason);
    notifier->strangers |= refused->object->listener != notifier->current_listener;
    traced_say_refused(refused);
    if (reception_on_refused(&notifier->journal, notifier->owed, refused))
        traced_on_refused(notifier->traced, refused);
}

static void on_association_ended(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__AssociationEnded *ended = envelope->association_ended;
    log_context_t context = {.association = ended->association};
    metric_add(METRIC_EVENTS, "association_ended", 1);
    log_debug(&context, "ended");
    reception_on_association_ended(&notifier->journal, notifier->owed, ended);
}

static void on_association_traced(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    traced_on_association(((notifier_t *)self)->traced, envelope->association_traced);
}

static void on_alive(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    const Ring__Alive *alive = envelope->alive;
    if (alive->stage != RING__STAGE__STAGE_LISTENER || !alive->incarnation)
        return;
    if (alive->incarnation == notifier->current_listener) {
        notifier->listener_heard_ns = clock_wall_ns();
        return;
    }
    notifier->listener_died_ns = notifier->listener_heard_ns ? notifier->listener_heard_ns : clock_wall_ns();
    notifier->listener_heard_ns = clock_wall_ns();
    log_info(NULL, "the listener is there, release %s", alive->release);
    notifier->current_listener = alive->incarnation;
    commit_renew_grace(notifier);
}

static void on_metrics(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    notifier_t *notifier = self;
    notifier->metrics_heard++;
    if (envelope->metrics->listener)
        notifier->listener_drains = envelope->metrics->listener->draining;
    all_metrics_on_message(notifier->metrics, envelope->metrics, clock_ms());
    view_on_metrics(notifier->live.view, envelope->metrics);
}

static void on_status_query(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    answers_on_status(((notifier_t *)self)->answers, envelope->status_query);
}

static void on_series_query(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    answers_on_series(((notifier_t *)self)->answers, envelope->series_query);
}

static void on_resend(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    answers_on_resend(((notifier_t *)self)->answers, envelope->resend);
}

static void on_register(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    answers_on_register(((notifier_t *)self)->answers, envelope->register_);
}

static void on_audit(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    (void)data;
    audits_on_audit(((notifier_t *)self)->audits, envelope->audit);
}

static ring_handler_fn *const HANDLERS[] = {
    [RING__ENVELOPE__BODY_ALIVE] = on_alive,
    [RING__ENVELOPE__BODY_STORED] = on_stored,
    [RING__ENVELOPE__BODY_REFUSED] = on_refused,
    [RING__ENVELOPE__BODY_ASSOCIATION_ENDED] = on_association_ended,
    [RING__ENVELOPE__BODY_METRICS] = on_metrics,
    [RING__ENVELOPE__BODY_ASSOCIATION_TRACED] = on_association_traced,
    [RING__ENVELOPE__BODY_STATUS_QUERY] = on_status_query,
    [RING__ENVELOPE__BODY_SERIES_QUERY] = on_series_query,
    [RING__ENVELOPE__BODY_RESEND] = on_resend,
    [RING__ENVELOPE__BODY_REGISTER] = on_register,
    [RING__ENVELOPE__BODY_AUDIT] = on_audit,
};

void messages_start(notifier_t *notifier) {
    notifier->inbox =
        (ring_inbox_t){.handlers = HANDLERS, .handlers_size = sizeof HANDLERS / sizeof *HANDLERS, .self = notifier};
}
