/* The layout that CUBE knows: one folder per calling AE, patient, study and series. Owns the form of every name;
 * knows nothing of files. */
#include "writer/dicom/path.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/dicom_file.h"
#include "common/memory.h"
#include "common/series_key.h"
#include "writer/dicom/seahash.h"

#define SERIES_NUMBER_WIDTH   5
#define INSTANCE_NUMBER_WIDTH 4

/* The texts up to NULL in a row, which is done so often for each object that printf would be felt. Free it. */
static char *chain(const char *const texts[]) {
    size_t size = 1;
    for (size_t i = 0; texts[i]; i++)
        size += strlen(texts[i]);
    char *whole = must(malloc(size)), *end = whole;
    for (size_t i = 0; texts[i]; i++)
        end = stpcpy(end, texts[i]);
    *end = 0;
    return whole;
}
#define CHAIN(...) chain((const char *const[]){__VA_ARGS__, NULL})

/* Not isalnum: a locale must not change a path. */
static bool is_kept(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '-';
}

char *path_sanitize(const char *text) {
    char *result = must(malloc(strlen(text) + 1)), *to = result;
    for (; *text; text++)
        if (is_kept(*text))
            *to++ = *text;
        else if (to == result || to[-1] != '_')
            *to++ = '_';
    *to = 0;
    return result;
}

char *path_component(const char *name, const char *suffix) {
    char *whole = CHAIN(name, suffix);
    size_t size = strlen(whole);
    if (size > PATH_COMPONENT_MAX_BYTES) {
        char hash[HASH7_BYTES + 1];
        hash7(whole, size, hash);
        size_t kept = PATH_COMPONENT_MAX_BYTES - 1 - HASH7_BYTES - strlen(suffix);
        char *cut = format_text("%.*s_%s%s", (int)kept, name, hash, suffix);
        free(whole);
        return cut;
    }
    if (strcmp(whole, "..") == 0)
        memcpy(whole, "__", 2);
    else if (strcmp(whole, ".") == 0)
        *whole = '_';
    if (*whole)
        return whole;
    free(whole);
    return copy_text("_");
}

size_t path_component_size(const char *path) {
    size_t size = 0;
    while (is_kept(path[size]) || path[size] == '_')
        size++;
    bool climbs = size <= 2 && strspn(path, ".") == size;
    return climbs || size > PATH_COMPONENT_MAX_BYTES ? 0 : size;
}

/* The digits of "[+]digits" below 2^32 without leading zeros; NULL: it is no such number. */
static const char *digits_of(const char *text) {
    text += *text == '+';
    size_t size = strspn(text, "0123456789");
    if (size == 0 || text[size])
        return NULL;
    text += strspn(text, "0");
    errno = 0;
    return strtoull(text, NULL, 10) <= UINT32_MAX && errno == 0 ? text : NULL;
}

static char *zero_padded(const char *text, size_t width) {
    static const char zeros[] = "00000";
    size_t size = strlen(text);
    return CHAIN(zeros + sizeof zeros - 1 - (size < width ? width - size : 0), text);
}

/* A number in at least `width` characters. */
static char *padded(const char *text, const char *absent, size_t width) {
    if (!text)
        return copy_text(absent);
    const char *digits = digits_of(text);
    if (digits)
        return zero_padded(digits, width);
    char *clean = path_sanitize(text), *result = zero_padded(clean, width);
    free(clean);
    return result;
}

static char *sanitized(const char *text, const char *absent) {
    return text ? path_sanitize(text) : copy_text(absent);
}

/* One component of three parts; frees them. */
static char *joined(char *first, char *second, char *third) {
    char *whole = CHAIN(first, "-", second, "-", third);
    char *component = path_component(whole, "");
    free(whole);
    free(first);
    free(second);
    free(third);
    return component;
}

char *path_pacs_name(const char *calling_ae) {
    char *clean = path_sanitize(calling_ae);
    char *component = path_component(clean, "");
    free(clean);
    return component;
}

char *path_folder(const path_parts_t *parts) {
    char hash[HASH7_BYTES + 1];
    hash7(parts->series_instance_uid, strlen(parts->series_instance_uid), hash);
    char *pacs = path_pacs_name(parts->calling_ae);
    char *patient = joined(sanitized(parts->patient_id, ""), sanitized(parts->patient_name, ""),
                           sanitized(parts->patient_birth_date, ""));
    char *study = joined(sanitized(parts->study_description, "StudyDescription"),
                         sanitized(parts->accession_number, "AccessionNumber"), sanitized(parts->study_date, ""));
    char *series = joined(padded(parts->series_number, "SeriesNumber", SERIES_NUMBER_WIDTH),
                          sanitized(parts->series_description, "SeriesDescription"), copy_text(hash));
    char *folder = CHAIN(SERVICES_PACS, "/", pacs, "/", patient, "/", study, "/", series);
    free(pacs);
    free(patient);
    free(study);
    free(series);
    return folder;
}

char *path_file(const path_parts_t *parts) {
    char *number = padded(parts->instance_number, "InstanceNumber", INSTANCE_NUMBER_WIDTH);
    char *uid = path_sanitize(parts->sop_instance_uid);
    char *name = CHAIN(number, "-", uid);
    char *file = path_component(name, DICOM_FILE_SUFFIX);
    free(number);
    free(uid);
    free(name);
    return file;
}

/* --- names that are taken ---------------------------------------------------------------------------- */

bool path_file_is_ambiguous(const char *file) {
    static const char absent[] = "InstanceNumber";
    size_t number = strncmp(file, absent, strlen(absent)) == 0 ? strlen(absent) : strspn(file, "0123456789");
    if (number == 0 || file[number] != '-')
        return true;
    const char *uid = file + number + 1;
    return strcmp(uid + strspn(uid, "0123456789."), "dcm") != 0;
}

/* The first `size` bytes of a name, fewer if need be, with the hash of the text behind them. */
static char *marked(const char *name, size_t size, char mark, const char *text, const char *suffix) {
    char hash[HASH_WHOLE_BYTES + 1];
    hash_whole(text, strlen(text), hash);
    size_t room = PATH_COMPONENT_MAX_BYTES - 1 - HASH_WHOLE_BYTES - strlen(suffix);
    return format_text("%.*s%c%s%s", (int)(size < room ? size : room), name, mark, hash, suffix);
}

char *path_folder_apart(const char *folder, const char *uid) {
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
    size_t size = strlen(name);
    while (size > 0 && name[size - 1] != '-' && name[size - 1] != '_')
        size--;
    char *component = marked(name, size > 0 ? size - 1 : strlen(name), '-', uid, "");
    char *apart = format_text("%.*s%s", (int)(name - folder), folder, component);
    free(component);
    return apart;
}

static bool ends_with(const char *name, const char *hash) {
    const char *last = strrchr(name, '-');
    return last && strcmp(last + 1, hash) == 0;
}

/* By path_component. */
static bool is_cut(const char *name) {
    size_t kept = PATH_COMPONENT_MAX_BYTES - 1 - HASH7_BYTES;
    return strlen(name) > kept && name[kept] == '_' &&
           !name[kept + 1 + strspn(name + kept + 1, "0123456789abcdef")];
}

bool path_folder_may_be_of(const char *folder, const char *series_uid) {
    char hash[HASH7_BYTES + 1], whole[HASH_WHOLE_BYTES + 1];
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
    hash7(series_uid, strlen(series_uid), hash);
    hash_whole(series_uid, strlen(series_uid), whole);
    return ends_with(name, hash) || ends_with(name, whole) || is_cut(name);
}

char *path_file_apart(const char *file, const char *uid) {
    return marked(file, strlen(file) - strlen(DICOM_FILE_SUFFIX), '_', uid, DICOM_FILE_SUFFIX);
}
