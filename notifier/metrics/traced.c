#include "notifier/metrics/traced.h"

#include <sys/queue.h>

#include "common/memory.h"
#include "common/telemetry/span.h"

/* Associations with a span that the notifier sends if the listener dies. */
#define TRACED_ASSOCIATIONS_MAX 10000

typedef struct open_association {
    TAILQ_ENTRY(open_association) next;
    uint64_t listener, association;
    trace_context_t trace;
    int64_t started_ns;
    char *calling_ae, *called_ae, *peer; /* owned */
    int64_t stored, refused, bytes;
} open_association_t;

struct traced {
    TAILQ_HEAD(open_list, open_association) open;
    size_t count;
};

traced_t *traced_new(void) {
    traced_t *self = must(calloc(1, sizeof *self));
    TAILQ_INIT(&self->open);
    return self;
}

static void forget(traced_t *self, open_association_t *open) {
    TAILQ_REMOVE(&self->open, open, next);
    self->count--;
    free(open->calling_ae);
    free(open->called_ae);
    free(open->peer);
    free(open);
}

void traced_destroy(traced_t **self_p) {
    traced_t *self = *self_p;
    if (!self)
        return;
    while (self->count > 0)
        forget(self, TAILQ_FIRST(&self->open)); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    free(self);
    *self_p = NULL;
}

static open_association_t *find(traced_t *self, uint64_t listener, uint64_t association) {
    open_association_t *open;
    TAILQ_FOREACH(open, &self->open, next)
    if (open->association == association && open->listener == listener)
        break;
    return open;
}

void traced_on_association(traced_t *self, const Ring__AssociationTraced *message) {
    open_association_t *open = find(self, message->listener, message->association);
    trace_context_t trace;
    if (open && message->over)
        forget(self, open);
    if (open || message->over || self->count == TRACED_ASSOCIATIONS_MAX ||
        !traceparent_read(&trace, message->traceparent))
        return;
    open = must(calloc(1, sizeof *open));
    *open = (open_association_t){.listener = message->listener,
                                 .association = message->association,
                                 .trace = trace,
                                 .started_ns = message->started_at_ns,
                                 .calling_ae = copy_text(message->calling_ae),
                                 .called_ae = copy_text(message->called_ae),
                                 .peer = copy_text(message->peer)};
    TAILQ_INSERT_TAIL(&self->open, open, next);
    self->count++;
}

void traced_on_stored(traced_t *self, const Ring__Stored *stored) {
    open_association_t *open = find(self, stored->listener, stored->association);
    if (!open)
        return;
    open->stored += (int64_t)stored->n_objects;
    for (size_t i = 0; i < stored->n_objects; i++)
        open->bytes += (int64_t)stored->objects[i]->bytes;
}

void traced_on_refused(traced_t *self, const Ring__Refused *refused) {
    open_association_t *open = find(self, refused->object->listener, refused->object->association);
    if (open)
        open->refused++;
}

/* --- for writers ------------------------------------------------------------------------------------------- */

/* `error`: NULL if it is stored. */
static void say_writer(const Ring__WriterSpans *times, const trace_context_t *parent, const char *writer,
                       uint32_t attempt, const char *error) {
    trace_context_t queued = trace_child(parent), written = trace_child(parent);
    span_t *span = span_new(&queued, parent, "queue", SPAN_INTERNAL, times->sent_at_ns);
    span_end_of(&span, times->begun_at_ns, writer);
    span = span_new(&written, parent, "write", SPAN_INTERNAL, times->begun_at_ns);
    span_number(span, "oxidicom.attempt", attempt);
    span_number(span, "oxidicom.bytes", (int64_t)times->bytes);
    span_text(span, "oxidicom.writer", writer);
    if (error)
        span_fail(span, error, NULL);
    span_end_of(&span, times->ended_at_ns, writer);
}

void traced_say_stored(const Ring__Stored *stored) {
    trace_context_t parent;
    for (size_t i = 0; i < stored->n_objects; i++) {
        const Ring__StoredObject *object = stored->objects[i];
        if (object->spans && trace_of_object(&parent, stored->traceparent, object->span))
            say_writer(object->spans, &parent, stored->writer, object->attempt, NULL);
    }
}

void traced_say_refused(const Ring__Refused *refused) {
    trace_context_t parent;
    char status[5];
    if (!refused->spans || !trace_of_object(&parent, refused->traceparent, refused->span))
        return;
    snprintf(status, sizeof status, "%04X", (unsigned)(refused->status & 0xFFFF));
    say_writer(refused->spans, &parent, refused->writer, refused->attempt, status);
}

/* --- for a listener that died ------------------------------------------------------------------------------ */

static void say_span(const open_association_t *open, int64_t ended_ns) {
    span_t *span = span_new(&open->trace, NULL, "association", SPAN_SERVER, open->started_ns);
    span_text(span, "network.transport", "tcp");
    span_text(span, "network.protocol.name", "dicom");
    span_peer(span, open->peer);
    span_text(span, "dicom.calling_ae_title", open->calling_ae);
    span_text(span, "dicom.called_ae_title", open->called_ae);
    span_number(span, "oxidicom.association", (int64_t)open->association);
    span_number(span, "oxidicom.objects.stored", open->stored);
    span_number(span, "oxidicom.objects.refused", open->refused);
    span_number(span, "oxidicom.bytes", open->bytes);
    span_text(span, "oxidicom.outcome", "listener_died");
    span_fail(span, "listener_died", "the listener ended without closing the association");
    span_end(&span, ended_ns);
}

void traced_close_others(traced_t *self, uint64_t listener, int64_t died_ns) {
    open_association_t *open, *following;
    for (open = TAILQ_FIRST(&self->open); open; open = following) {
        following = TAILQ_NEXT(open, next);
        if (open->listener == listener)
            continue;
        say_span(open, died_ns);
        forget(self, open);
    }
}
