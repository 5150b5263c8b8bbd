#include "tests/tool/tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether this command waits for 2 s at most, unless told otherwise: too short for a busy machine. */
static bool is_hasty(const char *const *arguments) {
    static const char *const hasty[] = {"status", "series", "resend", "top"};
    bool is = false;
    for (size_t i = 0; i < sizeof hasty / sizeof *hasty; i++)
        is |= strcmp(arguments[0], hasty[i]) == 0;
    for (size_t i = 0; arguments[i]; i++)
        is = is && strcmp(arguments[i], "--timeout") != 0;
    return is;
}

char *tool_run(int *status, const char *const *arguments) {
    char *program = text_of("%s/oxidicom", binaries()), *folder = temporary_folder("tool"),
         *log = text_of("%s/said", folder), *patience = text_of("%dms", PATIENCE_MS);
    const char *argv[20] = {program};
    size_t count = 1;
    for (size_t i = 0; arguments[i]; i++)
        argv[count++] = arguments[i];
    if (is_hasty(arguments)) {
        argv[count++] = "--timeout";
        argv[count] = patience;
    }
    *status = process_run(log, NULL, argv, 2 * PATIENCE_MS);
    size_t size;
    char *said = file_content(log, &size);
    remove_folder(folder);
    free(program);
    free(folder);
    free(log);
    free(patience);
    return said ? said : strdup("");
}

char *tool_run_until(int wanted_status, const char *wanted, const char *const *arguments) {
    for (int ms = 300;; ms *= 2) {
        int status;
        char *timeout = text_of("%dms", ms);
        const char *with_timeout[16] = {arguments[0], "--timeout", timeout};
        for (size_t i = 1; arguments[i]; i++)
            with_timeout[i + 2] = arguments[i];
        char *said = tool_run(&status, with_timeout);
        free(timeout);
        if (status == wanted_status && strstr(said, wanted))
            return said;
        cr_assert_lt(ms, PATIENCE_MS / 4, "status %d: %s", status, said);
        free(said);
    }
}

json_t *tool_json(int *status, const char *const *arguments) {
    const char *with_json[16];
    size_t count = 0;
    for (; arguments[count]; count++)
        with_json[count] = arguments[count];
    with_json[count] = "--json";
    with_json[count + 1] = NULL;
    char *said = tool_run(status, with_json);
    json_t *json = json_loads(said, 0, NULL);
    cr_assert_not_null(json, "status %d: %s", *status, said);
    free(said);
    return json;
}

/* --- looking --------------------------------------------------------------------------------------------- */

const char *value_at(const json_t *json, const char *path) {
    static char texts[12][256];
    static size_t at;
    char *text = texts[at = (at + 1) % 12];
    char *keys = strdup(path), *rest = keys;
    for (char *key; (key = strsep(&rest, "."));)
        json = json_object_get(json, key);
    if (json_is_string(json))
        snprintf(text, sizeof *texts, "%s", json_string_value(json));
    else if (json_is_integer(json))
        snprintf(text, sizeof *texts, "%lld", (long long)json_integer_value(json));
    else
        snprintf(text, sizeof *texts, "%s", json_is_true(json) ? "true" : json_is_false(json) ? "false" : "");
    free(keys);
    return text;
}

const json_t *stage_in(const json_t *status, const char *id) {
    size_t i;
    json_t *stage;
    json_array_foreach(json_object_get(status, "stages"), i, stage) {
        if (strcmp(value_at(stage, "id"), id) == 0)
            return stage;
    }
    return NULL;
}

typedef struct wanted {
    const char *path, *text;
    json_t *found;
} wanted_t;

static bool status_has(void *argument) {
    const wanted_t *wanted = argument;
    int status;
    char *said = TOOL(&status, "status", "--timeout", "2s", "--json");
    json_t *json = json_loads(said, 0, NULL); /* none before it has started */
    bool has = json && strcmp(value_at(json, wanted->path), wanted->text) == 0;
    json_decref(json);
    free(said);
    return has;
}

void await_status(const char *path, const char *wanted) {
    wanted_t w = {.path = path, .text = wanted};
    cr_assert(await(status_has, &w, PATIENCE_MS), "%s does not become %s", path, wanted);
}

static json_t *newest_of(const char *said) {
    json_t *json = json_loads(said, 0, NULL);
    json_t *first = json_incref(json_array_get(json_object_get(json, "series"), 0));
    json_decref(json);
    return first;
}

json_t *reception_of(const char *series_uid) {
    int status;
    char *said = TOOL(&status, "series", "--uid", series_uid, "--json");
    json_t *newest = newest_of(said);
    free(said);
    return newest;
}

/* Asked again where the notifier ends before it answers. */
static bool reception_is(void *argument) {
    wanted_t *wanted = argument;
    int status;
    char *said = TOOL(&status, "series", "--timeout", "2s", "--uid", wanted->path, "--json");
    json_decref(wanted->found);
    wanted->found = newest_of(said);
    free(said);
    return strcmp(value_at(wanted->found, "state"), wanted->text) == 0;
}

json_t *await_reception(const char *series_uid, const char *state) {
    wanted_t wanted = {.path = series_uid, .text = state};
    cr_assert(await(reception_is, &wanted, PATIENCE_MS), "%s is %s", series_uid, value_at(wanted.found, "state"));
    return wanted.found;
}

void expect_no_patient(const char *text) {
    static const char *const secrets[] = {"Doe", "Jane", "1449c1d", "20090701", "2009-07-01"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        cr_expect_null(strstr(text, secrets[i]), "%s is in: %s", secrets[i], text);
}
