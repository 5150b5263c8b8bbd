#include "listener/query.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "proto/reply.h"

/* Texts are the writer's. */
static void fill_writer(Ring__WriterStatus *status, Ring__Alive *self, const writer_t *writer) {
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
    const association_t *a;
    TAILQ_FOREACH(a, &server->associations, next)
    status->associations_waiting += a->state == STA3_AWAITING_LOCAL_RESPONSE;
    const object_t *object;
    TAILQ_FOREACH(object, &custody->objects, next)
    status->objects++;
    const ended_t *ended;
    TAILQ_FOREACH(ended, &custody->ended, next)
    status->ends++;
    status->associations_open = server->served_count;
    status->associations_most = (uint64_t)server->stage->settings.associations_max;
    status->bytes_held = atomic_load(&custody->budget->held_bytes);
    status->bytes_most = (uint64_t)server->stage->settings.buffer_size_bytes;
    status->draining = server->draining;
}

void query_on_status(const server_t *server, const custody_t *custody, const Ring__StatusQuery *query) {
    Ring__WriterStatus writers[WRITERS_MAX], *pointers[WRITERS_MAX];
    Ring__Alive selves[WRITERS_MAX], self = alive_of(server->stage, RING__STAGE__STAGE_LISTENER);
    Ring__ListenerStatus status = RING__LISTENER_STATUS__INIT;
    if (!query->reply_to)
        return;
    const writer_t *writer;
    TAILQ_FOREACH(writer, &custody->writers, next) {
        if (status.n_writers == WRITERS_MAX)
            break;
        fill_writer(&writers[status.n_writers], &selves[status.n_writers], writer);
        pointers[status.n_writers] = &writers[status.n_writers];
        status.n_writers++;
    }
    status.writers = pointers;
    status.self = &self;
    count_queues(&status, server, custody);
    Ring__Answer answer = RING__ANSWER__INIT;
    answer.number = query->reply_to->number;
    answer.listener = &status;
    reply_send(server->stage->settings.run_dir, query->reply_to->inbox, &answer);
}
