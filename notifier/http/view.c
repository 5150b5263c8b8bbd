#include "notifier/http/view.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/utf8.h"
#include "common/version.h"
#include "notifier/operator/query.h"

struct view {
    view_sources_t sources;
    uint8_t *listener; /* its last ListenerStatus, packed: it is looked at far more rarely than it comes */
    size_t listener_size, listener_room;
};

view_t *view_new(const view_sources_t *sources) {
    view_t *view = calloc(1, sizeof *view);
    if (!view)
        abort();
    view->sources = *sources;
    return view;
}

void view_destroy(view_t **self_p) {
    if (!*self_p)
        return;
    free((*self_p)->listener);
    free(*self_p);
    *self_p = NULL;
}

void view_on_figures(view_t *view, const Ring__Figures *figures) {
    if (!figures->listener)
        return;
    size_t size = ring__listener_status__get_packed_size(figures->listener);
    if (size > view->listener_room) {
        free(view->listener);
        if (!(view->listener = malloc(size)))
            abort();
        view->listener_room = size;
    }
    view->listener_size = ring__listener_status__pack(figures->listener, view->listener);
}

/* --- JSON ---------------------------------------------------------------------------------------------- */

/* What peers say need not be UTF-8. */
static json_t *text_json(const char *text) {
    if (!text || !*text)
        return json_string("");
    if (utf8_valid(text, strlen(text)))
        return json_string(text);
    char *latin1 = utf8_from_latin1(text, strlen(text), NULL);
    json_t *json = json_string(latin1);
    free(latin1);
    return json;
}

static void set_number(json_t *object, const char *key, uint64_t value) {
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_text(json_t *object, const char *key, const char *text) {
    json_object_set_new(object, key, text_json(text));
}

/* --- the listener -------------------------------------------------------------------------------------- */

static json_t *association_json(const Ring__OpenAssociation *a) {
    json_t *json = json_object();
    set_number(json, "number", a->number);
    set_text(json, "calling_ae", a->calling_ae);
    set_text(json, "called_ae", a->called_ae);
    set_text(json, "peer", a->peer);
    set_text(json, "state", a->state);
    set_number(json, "stored", a->stored);
    set_number(json, "refused", a->refused);
    set_number(json, "unanswered", a->unanswered);
    set_number(json, "bytes", a->bytes);
    set_number(json, "object_bytes", a->object_bytes);
    set_number(json, "open_ms", a->open_ms);
    set_number(json, "silent_ms", a->silent_ms);
    return json;
}

static json_t *refusal_json(const Ring__Refusal *r) {
    json_t *json = json_object();
    set_number(json, "at", (uint64_t)r->at);
    set_number(json, "association", r->association);
    set_text(json, "calling_ae", r->calling_ae);
    set_text(json, "peer", r->peer);
    set_text(json, "what", r->what);
    set_text(json, "sop_instance_uid", r->sop_instance_uid);
    set_text(json, "why", r->why);
    set_number(json, "times", r->times);
    return json;
}

static json_t *writer_json(const Ring__WriterStatus *w) {
    json_t *json = json_object();
    set_text(json, "id", w->self ? w->self->id : "");
    json_object_set_new(json, "leaving", json_boolean(w->leaving));
    set_number(json, "objects", w->objects);
    set_number(json, "bytes", w->bytes);
    set_number(json, "silent_ms", w->silent_ms);
    return json;
}

static void add_listener_lists(json_t *json, const Ring__ListenerStatus *l) {
    json_t *writers = json_array(), *associations = json_array(), *refusals = json_array();
    for (size_t i = 0; i < l->n_writers; i++)
        json_array_append_new(writers, writer_json(l->writers[i]));
    for (size_t i = 0; i < l->n_associations; i++)
        json_array_append_new(associations, association_json(l->associations[i]));
    for (size_t i = 0; i < l->n_refusals; i++)
        json_array_append_new(refusals, refusal_json(l->refusals[i]));
    json_object_set_new(json, "writers", writers);
    json_object_set_new(json, "associations", associations);
    json_object_set_new(json, "refusals", refusals);
}

static json_t *listener_json(const view_t *view) {
    Ring__ListenerStatus *l =
        view->listener ? ring__listener_status__unpack(NULL, view->listener_size, view->listener) : NULL;
    if (!l)
        return json_null();
    json_t *json = json_object();
    set_number(json, "open", l->associations_open);
    set_number(json, "waiting", l->associations_waiting);
    set_number(json, "most", l->associations_most);
    set_number(json, "left_out", l->associations_left_out);
    set_number(json, "objects_held", l->objects);
    set_number(json, "ends_held", l->ends);
    set_number(json, "bytes_held", l->bytes_held);
    set_number(json, "bytes_most", l->bytes_most);
    set_number(json, "objects_stored", l->objects_stored);
    set_number(json, "bytes_received", l->bytes_received);
    json_object_set_new(json, "draining", json_boolean(l->draining));
    add_listener_lists(json, l);
    ring__listener_status__free_unpacked(l, NULL);
    return json;
}

/* --- series -------------------------------------------------------------------------------------------- */

/* Who it is of, from what the journal keeps for the registration (column 17 of RECEPTION_PAGE). */
static void add_patient(json_t *json, const Ring__Reception *r, sqlite3_stmt *row) {
    const void *bytes = sqlite3_column_blob(row, 17);
    Ring__Series *series = bytes ? ring__series__unpack(NULL, (size_t)sqlite3_column_bytes(row, 17), bytes) : NULL;
    set_text(json, "folder", r->folder);
    if (!series)
        return;
    set_text(json, "patient_name", series->patient_name);
    set_text(json, "patient_id", series->patient_id);
    ring__series__free_unpacked(series, NULL);
}

static json_t *reception_json(const Ring__Reception *r) {
    json_t *json = json_object();
    set_number(json, "number", (uint64_t)r->number);
    set_text(json, "series", r->series_instance_uid);
    set_text(json, "calling_ae", r->calling_ae);
    set_text(json, "state", r->state);
    set_number(json, "files", r->files);
    set_number(json, "errors", r->errors);
    set_number(json, "began_at", (uint64_t)r->began_at);
    set_number(json, "ended_at", (uint64_t)r->ended_at);
    set_number(json, "settled_at", (uint64_t)r->settled_at);
    set_number(json, "associations", r->associations);
    json_object_set_new(json, "held", json_boolean(r->held));
    set_number(json, "attempts", r->attempts);
    set_number(json, "retry_in_ms", r->retry_in_ms);
    set_text(json, "task_id", r->task_id);
    set_number(json, "ndicom", (uint64_t)r->ndicom);
    set_text(json, "why", r->why);
    return json;
}

/* `text`: NULL, the latest. */
static json_t *series_json(const view_t *view, sql_t sql, const char *text, size_t most) {
    journal_t *journal = view->sources.journal;
    bool phi = view->sources.settings->http_show_phi;
    json_t *list = json_array();
    int64_t before = journal_number(journal, SQL_RECEPTION_LAST, NULL, 0, 0) + 1;
    int64_t lowest =
        sql == SQL_PAGE_OF_SERIES || before <= SERIES_PAGE_SEARCHED_ROWS ? 0 : before - SERIES_PAGE_SEARCHED_ROWS;
    sqlite3_stmt *row = journal_query(journal, sql,
                                      VALUES(NUMBER(before), NUMBER(lowest), TEXT(""), NUMBER(0), NUMBER(most),
                                             NUMBER(phi), NUMBER(clock_ms()), TEXT(text ? text : "")));
    while (journal_row(journal, row)) {
        Ring__Reception *reception = query_reception(row);
        json_t *json = reception_json(reception);
        if (phi)
            add_patient(json, reception, row);
        json_array_append_new(list, json);
        ring__reception__free_unpacked(reception, NULL);
    }
    (void)!journal_commit(journal); /* of nothing; a failure was logged */
    return list;
}

static char *dumped(json_t *json) {
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (!text)
        abort();
    return text;
}

char *view_search(void *self, const char *text) {
    const view_t *view = self;
    json_t *list = series_json(view, SQL_PAGE_OF_SERIES, text, SERIES_PAGE_ROWS);
    if (json_array_size(list) == 0) {
        json_decref(list);
        list = series_json(view, SQL_PAGE_MATCHING, text, SERIES_PAGE_ROWS);
    }
    return dumped(json_pack("{s:o}", "series", list));
}

/* --- figures ------------------------------------------------------------------------------------------- */

/* Values without a label under the metric's name, others in an object under it; those of a stage of its own under
 * the stage. */
static void add_value(void *argument, const board_value_t *value) {
    json_t *into = argument;
    const metric_info_t *info = &METRICS[value->metric];
    if (info->type == METRIC_HISTOGRAM)
        return;
    const char *key = value->stage ? value->stage : value->label;
    if (!*key) {
        json_object_set_new(into, info->name, json_integer(value->value));
        return;
    }
    json_t *object = json_object_get(into, info->name);
    if (!object)
        json_object_set_new(into, info->name, object = json_object());
    /* By both stage and label: added up. */
    json_int_t before = json_integer_value(json_object_get(object, key));
    json_object_set_new(object, key, json_integer(before + value->value));
}

/* The scheme alone: the rest of the address may have a password in it. */
static json_t *broker_kind(const settings_t *settings) {
    size_t size = strcspn(settings->broker_address, ":");
    return json_stringn(settings->broker_address, size);
}

char *view_now(view_t *view, int64_t now_ms) {
    const view_sources_t *sources = &view->sources;
    char *health = health_json(sources->health, now_ms);
    json_t *json = json_object(), *figures = json_object();
    json_object_set_new(json, "health", json_loads(health, 0, NULL));
    free(health);
    board_visit(sources->health->board, now_ms, add_value, figures);
    json_object_set_new(json, "figures", figures);
    set_number(json, "now", (uint64_t)clock_wall_ms());
    set_text(json, "release", OXIDICOM_VERSION);
    json_object_set_new(json, "broker_kind", broker_kind(sources->settings));
    json_object_set_new(json, "phi", json_boolean(sources->settings->http_show_phi));
    json_object_set_new(json, "listener", listener_json(view));
    json_object_set_new(json, "series", series_json(view, SQL_PAGE_IN_RANGE, NULL, VIEW_RECEPTIONS));
    return dumped(json);
}
