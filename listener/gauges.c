#include "listener/gauges.h"

#include "common/metrics.h"

static void set_associations(const server_t *server) {
    const association_t *a;
    int64_t waiting = 0;
    TAILQ_FOREACH(a, &server->attended[ATTENTION_PLACE], attended)
    waiting++;
    metric_set(METRIC_ACCEPTING, NULL, server->accepting && !server->draining);
    metric_set(METRIC_ASSOCIATIONS_OPEN, NULL, (int64_t)server->served_count);
    metric_set(METRIC_ASSOCIATIONS_WAITING, NULL, waiting);
    metric_set(METRIC_ASSOCIATIONS_LIMIT, NULL, server->stage->settings.associations_max);
}

/* The set of writers changes, so that what was said of them before is forgotten first. */
static void set_writers(const custody_t *custody) {
    const writer_t *writer;
    int64_t alive = 0;
    metric_forget(METRIC_WRITER_OBJECTS);
    metric_forget(METRIC_WRITER_BYTES);
    TAILQ_FOREACH(writer, &custody->writers, next) {
        alive += !writer->leaving && !writer->lost;
        metric_set(METRIC_WRITER_OBJECTS, writer->id, (int64_t)writer->outstanding_objects);
        metric_set(METRIC_WRITER_BYTES, writer->id, (int64_t)writer->outstanding_bytes);
    }
    metric_set(METRIC_WRITERS_ALIVE, NULL, alive);
}

void gauges_set(const server_t *server, const custody_t *custody) {
    const ended_t *ended;
    int64_t ends = 0;
    TAILQ_FOREACH(ended, &custody->ended, next)
    ends++;
    set_associations(server);
    set_writers(custody);
    metric_set(METRIC_OBJECTS_HELD, NULL, (int64_t)zhashx_size(custody->by_number));
    metric_set(METRIC_ENDS_HELD, NULL, ends);
    metric_set(METRIC_BUFFER_HELD, NULL, (int64_t)atomic_load(&custody->budget->held_bytes));
    metric_set(METRIC_BUFFER_LIMIT, NULL, server->stage->settings.buffer_size_bytes);
}
