/* `oxidicom series` and `oxidicom resend`. */
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "common/limits.h"
#include "deploy/tool/outcome.h"
#include "deploy/tool/print.h"
#include "deploy/tool/tool.h"
#include "proto/message_json.h"

/* --- one reception ------------------------------------------------------------------------------------- */

static bool has_state(const Ring__Reception *r, const char *state) {
    return strcmp(r->state, state) == 0;
}

const char *reception_state(const Ring__Reception *r) {
    return has_state(r, "due") ? "waiting" : r->state;
}

const char *reception_details(const Ring__Reception *r) {
    if (has_state(r, "waiting"))
        return cell("waiting until %s, %s", cell_clock(r->quiet_until), r->why);
    if (has_state(r, "receiving"))
        return cell("%s it", cell_many(r->associations, "association sends", "associations send"));
    if (has_state(r, "registered") || has_state(r, "confirmed"))
        return cell("%s, task %s", cell_many((uint64_t)r->ndicom, "file", "files"), r->task_id);
    if (!has_state(r, "due"))
        return cell("%s", r->why);
    if (r->held)
        return "until another association has sent it";
    if (r->attempts)
        return cell("rejected %s, again in %" PRIu64 " s: %s", cell_many(r->attempts, "time", "times"),
                    r->retry_in_ms / 1000, r->why);
    return "for its turn with the broker";
}

static const char *details_and_elsewhere(const Ring__Reception *r) {
    const char *details = reception_details(r);
    return r->elsewhere ? cell("%s%s%s in other folders", details, *details ? "; " : "",
                               cell_many(r->elsewhere, "file", "files"))
                        : details;
}

static void rename_key(json_t *json, const char *from, const char *to) {
    json_object_set(json, to, json_object_get(json, from));
    json_object_del(json, from);
}

static json_t *reception_json(const Ring__Reception *r, bool with_folder) {
    json_t *json = message_json(&r->base, MESSAGE_JSON_READABLE);
    rename_key(json, "series_instance_uid", "SeriesInstanceUID");
    rename_key(json, "attempts", "rejected");
    json_object_set_new(json, "state", json_string(reception_state(r)));
    if (!r->ndicom)
        json_object_set_new(json, "ndicom", json_null());
    if (!with_folder)
        json_object_del(json, "folder");
    return json;
}

/* --- series -------------------------------------------------------------------------------------------- */

static bool is_uid(const char *text) {
    return strchr(text, '.') && text[strspn(text, "0123456789.")] == 0;
}

/* What the bare argument means. */
static void take_name(Ring__SeriesQuery *query, char *name) {
    if (is_uid(name))
        query->series_instance_uid = name;
    else if (!when_parse(name, &query->since))
        query->calling_ae = name;
}

static Ring__SeriesQuery make_query(const options_t *options) {
    Ring__SeriesQuery query = RING__SERIES_QUERY__INIT;
    if (options->names_count)
        take_name(&query, options->names[0]);
    if (options->uid)
        query.series_instance_uid = (char *)(uintptr_t)options->uid;
    if (options->ae)
        query.calling_ae = (char *)(uintptr_t)options->ae;
    if (options->since >= 0)
        query.since = options->since;
    query.with_folder = options->show_phi;
    return query;
}

/* Asks page by page, until there are enough or no more. Returns 0 or an exit status. */
static int ask_pages(const options_t *options, ask_t *ask, Ring__SeriesQuery *query, table_t *table, json_t *list) {
    size_t wanted = options->all ? SIZE_MAX : SERIES_PAGE_ROWS;
    do {
        query->reply_to = ask_reply_to(ask);
        query->most = (uint32_t)(wanted < SERIES_PAGE_ROWS ? wanted : SERIES_PAGE_ROWS);
        Ring__Answer *answer = ask_notifier(ask, &RING_ENVELOPE(SERIES_QUERY, series_query, query));
        if (!answer)
            return EX_UNAVAILABLE;
        const Ring__SeriesPage *page = answer->series;
        for (size_t i = 0; i < page->n_receptions && wanted > 0; i++, wanted--) {
            const Ring__Reception *r = page->receptions[i];
            int64_t last = r->settled_at ? r->settled_at : r->ended_at ? r->ended_at : r->began_at;
            table_add(table, cell_time(last), r->series_instance_uid, r->calling_ae, reception_state(r),
                      cell("%" PRIu64, r->files), cell("%" PRIu64, r->errors), details_and_elsewhere(r),
                      options->show_phi ? r->folder : NULL, NULL);
            json_array_append_new(list, reception_json(r, options->show_phi));
        }
        query->before = page->before;
        ring__answer__free_unpacked(answer, NULL);
    } while (query->before > 0 && wanted > 0);
    return 0;
}

int series_command(const options_t *options, ask_t *ask) {
    Ring__SeriesQuery query = make_query(options);
    table_t *table = table_new(options->show_phi ? "LAST|SERIES|AE|STATE|FILES|ERRORS|DETAILS|FOLDER"
                                                 : "LAST|SERIES|AE|STATE|FILES|ERRORS|DETAILS");
    json_t *list = json_array();
    int status = ask_pages(options, ask, &query, table, list);
    if (status == 0 && *query.series_instance_uid && table_lines(table) == 0) {
        fprintf(stderr, "oxidicom series: the journal knows no series %s\n", query.series_instance_uid);
        status = TOOL_LACKING;
    }
    if (status == 0 && !options->json)
        table_print(&table, stdout);
    else if (status == 0)
        json_print(json_pack("{s:O, s:b}", "series", list, "more", query.before > 0), stdout);
    if (status == 0 && !options->json && query.before > 0)
        fputs("There are more; --all shows them.\n", stderr);
    table_clear(&table);
    json_decref(list);
    return status;
}

/* --- resend -------------------------------------------------------------------------------------------- */

/* Returns the exit status of this one. */
static int resend_one(const options_t *options, ask_t *ask, char *uid, outcomes_t *outcomes) {
    Ring__Resend resend = RING__RESEND__INIT;
    resend.reply_to = ask_reply_to(ask);
    resend.series_instance_uid = uid;
    if (options->ae)
        resend.calling_ae = (char *)(uintptr_t)options->ae;
    Ring__Answer *answer = ask_notifier(ask, &RING_ENVELOPE(RESEND, resend, &resend));
    if (!answer)
        return EX_UNAVAILABLE;
    int status = answer->registrations->n_registrations ? TOOL_FINE : TOOL_LACKING;
    if (status == TOOL_LACKING)
        outcome_add(outcomes,
                    &(outcome_line_t){.series_uid = uid,
                                      .outcome = "unknown",
                                      .why = "the journal knows nothing stored of it; see `oxidicom reconcile`"});
    for (size_t i = 0; i < answer->registrations->n_registrations; i++) {
        const Ring__Registration *r = answer->registrations->registrations[i];
        if (r->outcome == RING__OUTCOME__OUTCOME_REFUSED)
            status = TOOL_LACKING;
        outcome_add(outcomes, &(outcome_line_t){.series_uid = uid,
                                                .calling_ae = r->calling_ae,
                                                .outcome = outcome_name(r->outcome, false),
                                                .why = r->why});
    }
    ring__answer__free_unpacked(answer, NULL);
    return status;
}

int resend_command(const options_t *options, ask_t *ask) {
    outcomes_t outcomes = outcomes_new(false);
    int status = TOOL_FINE;
    for (size_t i = 0; i < options->names_count && status != EX_UNAVAILABLE; i++) {
        int one = resend_one(options, ask, options->names[i], &outcomes);
        status = one > status ? one : status;
    }
    outcomes_print(&outcomes, options->json);
    return status;
}
