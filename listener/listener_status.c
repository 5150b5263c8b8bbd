#include "listener/listener_status.h"

#include <stdlib.h>

#include "common/clock.h"
#include "listener/dimse/operations.h"
#include "proto/reply.h"

/* Texts are the writer's. */
static void fill_writer(Ring__WriterStatus *status, Ring__Alive *self, const writer_link_t *writer) {
    ring__writer_status__init(status);
    ring__alive__init(self);
    self->stage = RING__STAGE__STAGE_WRITER;
    self->id = writer->id;
    self->incarnation = writer->incarnation;
    self->release = (char *)(uintptr_t)writer->release;
    self->process = writer->process;
    self->started_at = writer->started_at;
    status->self = self;
    status->leaving = writer->leaving;
    status->objects = writer->outstanding_objects;
    status->bytes = writer->outstanding_bytes;
    status->silent_ms = (uint64_t)(clock_ms() - writer->alive_ms);
}

static void count_queues(Ring__ListenerStatus *status, const server_t *server, const custody_t *custody) {
    status->associations_waiting = roster_count(&server->site.roster, ATTENTION_PLACE);
    status->objects_unacknowledged = zhashx_size(custody->by_number);
    status->ends_unacknowledged = custody->ended_count;
    status->associations_open = server->site.roster.served_count;
    status->associations_most = (uint64_t)server->site.stage->settings.associations_max;
    status->bytes_held = atomic_load(&custody->budget->held_bytes);
    status->bytes_most = (uint64_t)server->site.stage->settings.buffer_size_bytes;
    status->draining = server->site.draining;
}

/* --- associations ---------------------------------------------------------------------------------------- */

static const char *state_of(const association_t *a) {
    if (a->state == STA3_AWAITING_LOCAL_RESPONSE)
        return "waiting";
    if (a->state == STA8_AWAITING_RELEASE_RESPONSE)
        return "releasing";
    if (a->receiving)
        return "receiving";
    return a->unanswered_count > 0 ? "answering" : "idle";
}

static void fill_association(Ring__OpenAssociation *open, const association_t *a, int64_t now_ms) {
    ring__open_association__init(open);
    open->number = a->context.association;
    open->calling_ae = a->calling_ae;
    open->called_ae = a->called_ae;
    open->peer = a->peer;
    open->state = (char *)(uintptr_t)state_of(a);
    open->stored = a->stored;
    open->refused = a->refused;
    open->unanswered = a->unanswered_count;
    open->bytes = a->bytes;
    open->object_bytes = a->receiving && a->receiving->object ? a->receiving->object->received : 0;
    open->open_ms = (uint64_t)(now_ms - a->since_ms);
    open->silent_ms = a->patience.window_since_ms ? 0 : (uint64_t)(now_ms - a->patience.quiet_since_ms);
}

/* Stops where enough are listed, so that it costs no more where there are very many. */
static void list_associations(listener_view_t *view, const server_t *server) {
    Ring__ListenerStatus *status = &view->status;
    int64_t now = clock_ms();
    const association_t *a;
    status->associations = view->association_pointers;
    TAILQ_FOREACH(a, &server->site.roster.all, next) {
        if (a->state != STA3_AWAITING_LOCAL_RESPONSE && !association_is_served(a->state))
            continue;
        if (status->n_associations == ASSOCIATIONS_SHOWN_MAX)
            break;
        fill_association(&view->associations[status->n_associations], a, now);
        view->association_pointers[status->n_associations] = &view->associations[status->n_associations];
        status->n_associations++;
    }
    uint64_t all = status->associations_open + status->associations_waiting;
    status->associations_left_out = a && all > status->n_associations ? all - status->n_associations : 0;
}

static void list_refusals(listener_view_t *view, const recent_t *recent) {
    const refused_t *r;
    Ring__ListenerStatus *status = &view->status;
    status->refusals = view->refusal_pointers;
    for (; (r = recent_nth(recent, status->n_refusals)); status->n_refusals++) {
        Ring__Refusal *refusal = &view->refusals[status->n_refusals];
        ring__refusal__init(refusal);
        refusal->at = r->at;
        refusal->association = r->association;
        refusal->calling_ae = (char *)(uintptr_t)r->calling_ae;
        refusal->peer = (char *)(uintptr_t)r->peer;
        refusal->what = (char *)(uintptr_t)r->what;
        refusal->sop_instance_uid = (char *)(uintptr_t)r->sop_instance_uid;
        refusal->why = (char *)(uintptr_t)r->why;
        refusal->times = r->times;
        view->refusal_pointers[status->n_refusals] = refusal;
    }
}

/* --- the whole ------------------------------------------------------------------------------------------- */

static void list_writers(listener_view_t *view, const custody_t *custody) {
    const writer_link_t *writer;
    Ring__ListenerStatus *status = &view->status;
    status->writers = view->writer_pointers;
    TAILQ_FOREACH(writer, &custody->writers, next) {
        if (status->n_writers == WRITERS_MAX)
            break;
        fill_writer(&view->writers[status->n_writers], &view->writer_selves[status->n_writers], writer);
        view->writer_pointers[status->n_writers] = &view->writers[status->n_writers];
        status->n_writers++;
    }
}

const Ring__ListenerStatus *listener_status_view(listener_view_t *view, const server_t *server,
                                                 const custody_t *custody) {
    ring__listener_status__init(&view->status);
    view->self = alive_of(server->site.stage, RING__STAGE__STAGE_LISTENER);
    view->status.self = &view->self;
    view->status.objects_stored = server->site.stored_count;
    view->status.bytes_received = server->site.received_bytes;
    list_writers(view, custody);
    count_queues(&view->status, server, custody);
    list_associations(view, server);
    list_refusals(view, &server->site.recent);
    return &view->status;
}

void listener_status_on_query(const server_t *server, const custody_t *custody, const Ring__StatusQuery *query) {
    listener_view_t view;
    if (!query->reply_to)
        return;
    Ring__Answer answer = RING__ANSWER__INIT;
    answer.number = query->reply_to->number;
    answer.listener = (Ring__ListenerStatus *)(uintptr_t)listener_status_view(&view, server, custody);
    reply_send(server->site.stage->settings.run_dir, query->reply_to->inbox, &answer);
}
