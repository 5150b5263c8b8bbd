#include "listener/listener_metrics.h"

#include "common/metrics.h"

/* The set of writers changes, so their old values are forgotten first. */
static void set_writers(const custody_t *custody) {
    const writer_link_t *writer;
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

void listener_metrics_set(const server_t *server, const custody_t *custody) {
    const roster_t *roster = &server->site.roster;
    const settings_t *settings = &server->site.stage->settings;
    metric_set(METRIC_ACCEPTING, NULL, server->accepting && !server->site.draining);
    metric_set(METRIC_ASSOCIATIONS_OPEN, NULL, (int64_t)roster->served_count);
    metric_set(METRIC_ASSOCIATIONS_WAITING, NULL, (int64_t)roster_count(roster, ATTENTION_PLACE));
    metric_set(METRIC_ASSOCIATIONS_LIMIT, NULL, settings->associations_max);
    set_writers(custody);
    metric_set(METRIC_OBJECTS_HELD, NULL, (int64_t)zhashx_size(custody->by_number));
    metric_set(METRIC_ENDS_HELD, NULL, (int64_t)custody->ended_count);
    metric_set(METRIC_BUFFER_HELD, NULL, (int64_t)atomic_load(&custody->budget->held_bytes));
    metric_set(METRIC_BUFFER_LIMIT, NULL, settings->buffer_size_bytes);
}
