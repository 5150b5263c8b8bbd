#include "tests/ring/cases.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char *const SYNTAXES[] = {EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE};

static const char *text_in(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

json_t *cases_load(void) {
    json_t *cases = json_load_file("tests/vectors/cases.json", 0, NULL);
    cr_assert_eq(json_array_size(cases), 304);
    return cases;
}

/* --- sending --------------------------------------------------------------------------------------------- */

static bytes_t decode_base64(const char *text) {
    size_t length = strlen(text);
    bytes_t out = {.at = malloc(length + 1)};
    int size = EVP_DecodeBlock(out.at, (const unsigned char *)text, (int)length);
    cr_assert_geq(size, 0);
    for (size_t i = length; i > 0 && text[i - 1] == '='; i--)
        size--;
    out.size = (size_t)size;
    return out;
}

/* Titles are Latin-1 on the wire; the case has them as UTF-8. */
static void latin1_title(const char *utf8, char title[17]) {
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)utf8; *c && n < 16; c++)
        title[n++] = (char)(*c >= 0xC0 ? (*c & 3) << 6 | (c[1] & 0x3F) : *c), c += *c >= 0xC0;
    title[n] = 0;
}

static uint8_t context_of(const char *transfer_syntax) {
    for (size_t i = 0; i < 4; i++)
        if (strcmp(SYNTAXES[i], transfer_syntax) == 0)
            return (uint8_t)(2 * i + 1);
    return 0;
}

bool case_send(const json_t *the_case, int port, bytes_t sets[CASE_OBJECTS], size_t *count, json_t *statuses) {
    scu_context_t contexts[4];
    for (size_t i = 0; i < 4; i++)
        contexts[i] = (scu_context_t){context_of(SYNTAXES[i]), MR_STORAGE, {SYNTAXES[i]}};
    char title[17], status[16];
    latin1_title(text_in(the_case, "calling_ae"), title);
    scu_t scu = {0};
    bool open =
        scu_associate(&scu, port, &(scu_request_t){.calling = title, .contexts = contexts, .contexts_count = 4});
    json_t *object;
    size_t i;
    *count = 0;
    json_array_foreach(json_object_get(the_case, "objects"), i, object) {
        cr_assert_lt(i, CASE_OBJECTS);
        sets[(*count)++] = decode_base64(text_in(object, "data_set"));
        snprintf(status, sizeof status, "%04X",
                 (unsigned)scu_store(&scu, context_of(text_in(object, "transfer_syntax")),
                                     text_in(object, "sop_class"), text_in(object, "sop_instance"), &sets[i]));
        json_array_append_new(statuses, json_string(status));
    }
    return open && scu_release(&scu);
}

/* --- patients -------------------------------------------------------------------------------------------- */

/* Texts that tell too little are found anywhere; one of a single letter is another case's series, too, and the dots
 * and slashes of one are in another's UID. */
static bool is_telling(const char *text) {
    return text && (strlen(text) >= 5 || strchr(text, '^')) && strspn(text, "x") != strlen(text) &&
           strspn(text, "./") != strlen(text);
}

static bool holds(const char *bytes, size_t size, const char *text) {
    json_t *string = json_string(text);
    char *escaped = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII); /* with quotes */
    json_decref(string);
    bool found = memmem(bytes, size, text, strlen(text)) || memmem(bytes, size, escaped + 1, strlen(escaped) - 2);
    free(escaped);
    return found;
}

static int is_seen(const char *where, const char *bytes, size_t size, const char *text) {
    if (!is_telling(text) || !holds(bytes, size, text))
        return 0;
    fprintf(stderr, "%s has \"%s\"\n", where, text);
    return 1;
}

int cases_patients_in(const json_t *cases, const char *where, const char *bytes, size_t size) {
    size_t i, j, seen = 0;
    int found = 0;
    json_t *the_case, *item;
    json_array_foreach(cases, i, the_case) {
        const json_t *expect = json_object_get(the_case, "expect");
        json_array_foreach(json_object_get(expect, "tasks"), j, item) {
            seen++;
            found += is_seen(where, bytes, size, text_in(item, "PatientID"));
            found += is_seen(where, bytes, size, text_in(item, "PatientName"));
        }
        json_array_foreach(json_object_get(expect, "files"), j, item) {
            char patient[256] = "";
            if (sscanf(text_in(item, "path"), "SERVICES/PACS/%*[^/]/%255[^/]", patient) == 1)
                found += is_seen(where, bytes, size, patient);
        }
    }
    cr_assert_gt(seen, 100);
    return found;
}
