#include "deploy/tool/outcome.h"

#include "proto/message_json.h"

const char *outcome_name(Ring__Outcome outcome, bool dry_run) {
    switch (outcome) {
    case RING__OUTCOME__OUTCOME_DUE:
        return dry_run ? "would be registered" : "due";
    case RING__OUTCOME__OUTCOME_UNDER_WAY:
        return "under way already";
    case RING__OUTCOME__OUTCOME_REGISTERED:
        return "registered already";
    case RING__OUTCOME__OUTCOME_REFUSED:
        return "refused";
    default:
        return "unknown";
    }
}

outcomes_t outcomes_new(bool with_folder) {
    return (outcomes_t){
        table_new(with_folder ? "SERIES|AE|FILES|OUTCOME|WHY|FOLDER" : "SERIES|AE|FILES|OUTCOME|WHY"), json_array(),
        with_folder};
}

static const char *or_dash(const char *text) {
    return text && *text ? text : "-";
}

static json_t *or_null(const char *text) {
    return message_json_text(text, MESSAGE_JSON_READABLE);
}

void outcome_add(outcomes_t *outcomes, const outcome_line_t *line) {
    table_add(outcomes->table, or_dash(line->series_uid), or_dash(line->calling_ae),
              line->files ? cell("%lld", (long long)line->files) : "-", line->outcome, line->why ? line->why : "",
              outcomes->with_folder ? or_dash(line->folder) : NULL, NULL);
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:s, s:o}", "SeriesInstanceUID", or_null(line->series_uid), "calling_ae",
                  or_null(line->calling_ae), "files", line->files ? json_integer(line->files) : json_null(),
                  "outcome", line->outcome, "why", or_null(line->why));
    if (outcomes->with_folder)
        json_object_set_new(json, "folder", or_null(line->folder));
    json_array_append_new(outcomes->json, json);
}

void outcomes_print(outcomes_t *outcomes, bool json) {
    if (json)
        json_print(json_pack("{s:O}", "series", outcomes->json), stdout);
    else if (table_lines(outcomes->table) > 0)
        table_print(&outcomes->table, stdout);
    table_clear(&outcomes->table);
    json_decref(outcomes->json);
}
