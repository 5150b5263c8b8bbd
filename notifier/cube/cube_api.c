#include "notifier/cube/cube_api.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* --- paths ----------------------------------------------------------------------------------------------- */

/* Percent-encodes everything but RFC 3986's unreserved characters. */
static void put_encoded(FILE *out, const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (isalnum(*c) || strchr("-._~", *c))
            fputc(*c, out);
        else
            fprintf(out, "%%%02X", *c);
}

/* CUBE keeps a UID without the spaces around it. */
static char *trimmed(const char *text) {
    while (isspace((unsigned char)*text))
        text++;
    char *copy = copy_text(text);
    for (size_t size = strlen(copy); size > 0 && isspace((unsigned char)copy[size - 1]); size--)
        copy[size - 1] = 0;
    return copy;
}

char *cube_api_series_path(const char *pacs_name, const char *series_uid) {
    char *path = NULL, *uid = trimmed(series_uid);
    size_t size;
    FILE *out = must(open_memstream(&path, &size));
    fputs("pacs/series/search/?SeriesInstanceUID=", out);
    put_encoded(out, uid);
    fputs("&pacs_identifier=", out);
    put_encoded(out, pacs_name);
    fputs("&limit=2", out);
    if (fclose(out) != 0)
        abort();
    free(uid);
    return path;
}

char *cube_api_files_path(const char *folder) {
    char *path = NULL;
    size_t size;
    FILE *out = must(open_memstream(&path, &size));
    fputs("pacs/files/search/?fname=", out);
    put_encoded(out, folder);
    fputs("%2F&limit=1", out);
    if (fclose(out) != 0)
        abort();
    return path;
}

/* --- the token ------------------------------------------------------------------------------------------- */

char *cube_api_credentials(const char *user, const char *password) {
    json_t *credentials = json_pack("{s:s, s:s}", "username", user, "password", password);
    char *text = credentials ? must(json_dumps(credentials, JSON_COMPACT)) : copy_text("{}"); /* no UTF-8 */
    json_decref(credentials);
    return text;
}

/* As the header can take it. */
static bool is_token(const char *text) {
    for (; *text; text++)
        if (!isgraph((unsigned char)*text))
            return false;
    return true;
}

char *cube_api_read_token(const char *text, size_t size) {
    json_t *answer = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const char *token = json_string_value(json_object_get(answer, "token"));
    char *copy = token && *token && is_token(token) ? copy_text(token) : NULL;
    json_decref(answer);
    return copy;
}

/* --- answers --------------------------------------------------------------------------------------------- */

/* The page of a list, with its `count`; NULL: it is none. */
static json_t *read_page(const char *text, size_t size, json_int_t *count, const char **why) {
    json_t *page = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *number = json_object_get(page, "count");
    *count = json_integer_value(number);
    if (json_is_integer(number) && *count >= 0 && json_is_array(json_object_get(page, "results")))
        return page;
    *why = page ? "it answers with something else than a list" : "it answers with something else than JSON";
    json_decref(page);
    return NULL;
}

static bool has_text(const json_t *object, const char *key, const char *wanted) {
    const char *text = json_string_value(json_object_get(object, key));
    return text && strcmp(text, wanted) == 0;
}

int cube_api_read_series(const char *text, size_t size, const char *pacs_name, const char *series_uid,
                         const char **why) {
    json_int_t count;
    json_t *page = read_page(text, size, &count, why);
    if (!page)
        return -1;
    char *uid = trimmed(series_uid);
    json_t *first = json_array_get(json_object_get(page, "results"), 0);
    int found = count > 0;
    if (found && (count != 1 || !has_text(first, "SeriesInstanceUID", uid) ||
                  !has_text(first, "pacs_identifier", pacs_name))) {
        *why = "it answers with another series than asked for";
        found = -1;
    } else if (found && has_text(first, "deletion_status", "pending")) {
        found = 0; /* it goes, with its files */
    }
    free(uid);
    json_decref(page);
    return found;
}

int64_t cube_api_read_files(const char *text, size_t size, const char **why) {
    json_int_t count;
    json_t *page = read_page(text, size, &count, why);
    json_decref(page);
    return page ? (int64_t)count : -1;
}
