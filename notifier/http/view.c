#include "notifier/http/view.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/broker_schemes.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/version.h"
#include "notifier/journal/rows.h"
#include "notifier/operator/answers.h"
#include "proto/message_json.h"

/* Receptions on the live page. */
#define VIEW_RECEPTIONS 60

struct view {
    view_sources_t sources;
    uint8_t *listener; /* its last ListenerStatus, packed: it is looked at far more rarely than it comes */
    size_t listener_size, listener_room;
};

view_t *view_new(const view_sources_t *sources) {
    view_t *view = must(calloc(1, sizeof *view));
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

void view_on_metrics(view_t *view, const Ring__Metrics *message) {
    if (!message->listener)
        return;
    size_t size = ring__listener_status__get_packed_size(message->listener);
    if (size > view->listener_room) {
        free(view->listener);
        view->listener = must(malloc(size));
        view->listener_room = size;
    }
    view->listener_size = ring__listener_status__pack(message->listener, view->listener);
}

/* --- the listener -------------------------------------------------------------------------------------- */

static json_t *listener_json(const view_t *view) {
    Ring__ListenerStatus *listener =
        view->listener ? ring__listener_status__unpack(NULL, view->listener_size, view->listener) : NULL;
    json_t *json = message_json(listener ? &listener->base : NULL, MESSAGE_JSON_PLAIN);
    ring__listener_status__free_unpacked(listener, NULL);
    return json;
}

/* --- series -------------------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *text) {
    json_object_set_new(object, key, message_json_text(text, MESSAGE_JSON_PLAIN));
}

/* Who it is of, from what the journal keeps for the registration. */
static void add_patient(json_t *json, journal_t *journal, int64_t reception) {
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(journal, SQL_RECEPTION_READ, VALUES(NUMBER(reception)));
    while (rows_next_reception(journal, rows, &row)) {
        Ring__Series *series = rows_series(&row);
        if (series) {
            set_text(json, "patient_name", series->patient_name);
            set_text(json, "patient_id", series->patient_id);
        }
        ring__series__free_unpacked(series, NULL);
    }
}

/* `text`: "", the latest. */
static json_t *series_json(const view_t *view, sql_t sql, const char *text, uint32_t most) {
    journal_t *journal = view->sources.journal;
    Ring__SeriesQuery wish = RING__SERIES_QUERY__INIT;
    wish.series_instance_uid = (char *)text;
    wish.most = most;
    wish.with_folder = view->sources.settings->http_show_phi;
    json_t *list = json_array();
    int64_t lowest;
    sqlite3_stmt *rows = answers_page(journal, sql, &wish, &lowest);
    for (Ring__Reception *r; (r = rows_next_message(journal, rows, &ring__reception__descriptor));) {
        answers_say_silence(r, view->sources.health->storage);
        json_t *json = message_json(&r->base, MESSAGE_JSON_PLAIN);
        if (wish.with_folder)
            add_patient(json, journal, r->number);
        json_array_append_new(list, json);
        ring__reception__free_unpacked(r, NULL);
    }
    (void)!journal_commit(journal); /* of nothing; a failure was logged */
    return list;
}

static char *dumped(json_t *json) {
    char *text = must(json_dumps(json, JSON_COMPACT));
    json_decref(json);
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

/* --- metrics ------------------------------------------------------------------------------------------- */

/* Values without a label under the metric's name, others in an object under it; a stage's own values under the
 * stage. */
static void add_value(void *argument, const all_metrics_value_t *value) {
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

char *view_now(view_t *view, int64_t now_ms) {
    const view_sources_t *sources = &view->sources;
    char *health = health_json(sources->health, now_ms);
    json_t *json = json_object(), *metrics = json_object();
    json_object_set_new(json, "health", json_loads(health, 0, NULL));
    free(health);
    all_metrics_visit(sources->health->metrics, now_ms, add_value, metrics);
    json_object_set_new(json, "metrics", metrics);
    json_object_set_new(json, "now", json_integer(clock_wall_ms()));
    set_text(json, "release", OXIDICOM_VERSION);
    set_text(json, "broker_kind", BROKERS[broker_scheme_of(sources->settings->broker_address)].name);
    json_object_set_new(json, "phi", json_boolean(sources->settings->http_show_phi));
    json_object_set_new(json, "listener", listener_json(view));
    json_object_set_new(json, "series", series_json(view, SQL_PAGE_IN_RANGE, "", VIEW_RECEPTIONS));
    return dumped(json);
}
