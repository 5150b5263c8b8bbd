#include "notifier/cube/registration.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "common/cube_columns.h"
#include "common/dicom_file.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/open_beneath.h"
#include "common/sandbox.h"
#include "common/series_key.h"
#include "common/utf8.h"

void registration_destroy(registration_t **self_p) {
    registration_t *registration = *self_p;
    if (!registration)
        return;
    ring__series__free_unpacked(registration->series, NULL);
    free(registration->link);
    free(registration->why);
    free(registration);
    *self_p = NULL;
}

void registration_fail(registration_t *registration, registration_outcome_t outcome, const char *format, ...) {
    va_list arguments;
    free(registration->why);
    va_start(arguments, format);
    registration->why = vformat_text(format, arguments);
    va_end(arguments);
    registration->outcome = outcome;
}

/* --- CUBE's rules -------------------------------------------------------------------------------------- */

static bool longer_than(const char *text, size_t characters) {
    return text[utf8_cut(text, characters)] != 0;
}

/* Whether one of the path's components is `..`. */
static bool climbs(const char *path) {
    for (const char *at = path; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0))
            return true;
    return false;
}

char *registration_problem(const Ring__Series *series) {
    const char *below = series_key_below_pacs(series->folder), *why = NULL;
    size_t name = strlen(series->pacs_name);
    if (!below || strncmp(below, series->pacs_name, name) != 0 || below[name] != '/' || climbs(series->folder))
        why = "its folder does not begin with " SERVICES_PACS "/{pacs_name}/";
    else if (longer_than(series->folder, CUBE_PATH_MAX))
        why = "its folder's path has more than 1024 characters";
    else if (name == 0 || longer_than(series->pacs_name, CUBE_PACS_NAME_MAX))
        /* Cut, it would not be the folder's name any more. */
        why = "pacs_name does not have 1 to 20 characters";
    return why ? copy_text(why) : NULL;
}

/* --- the number of files ------------------------------------------------------------------------------- */

/* Opens the folder without ever leaving the root, under any name. */
static DIR *open_folder(const char *files_root, const char *folder) {
    int root = open(files_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return NULL;
    int opened = open_beneath(root, folder, O_RDONLY | O_DIRECTORY, 0);
    int reason = errno;
    close(root);
    errno = reason;
    if (opened < 0)
        return NULL;
    DIR *listing = fdopendir(opened);
    if (!listing)
        close(opened);
    return listing;
}

int registration_list_files(const char *files_root, const char *folder, void (*take)(void *, const char *),
                            void *argument) {
    DIR *listing = open_folder(files_root, folder);
    if (!listing)
        return errno;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(listing)); errno = 0)
        if (entry->d_type != DT_DIR && dicom_file_is_name(entry->d_name))
            take(argument, entry->d_name);
    int reason = errno;
    closedir(listing);
    return reason;
}

static void count_name(void *count, const char *name) {
    (void)name;
    ++*(int64_t *)count;
}

/* An unmounted volume looks like an empty one; then nothing of SERVICES_PACS is there either. */
static bool storage_there(const char *files_root) {
    char *path = format_text("%s/" SERVICES_PACS, files_root);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

bool registration_count_files(registration_t *registration, const char *files_root) {
    registration->ndicom = 0;
    int reason =
        registration_list_files(files_root, registration->series->folder, count_name, &registration->ndicom);
    if ((reason == ENOENT || reason == ENOTDIR) && storage_there(files_root))
        registration_fail(registration, OUTCOME_IMPOSSIBLE, "its folder is not there");
    else if (reason != 0)
        registration_fail(registration, OUTCOME_REJECTED, "its folder can't be read: %s",
                          reason == ENOSYS ? sandbox_refused_by(reason) : strerror(reason));
    else if (registration->ndicom == 0)
        registration_fail(registration, OUTCOME_IMPOSSIBLE, "its folder holds no .dcm file");
    return reason == 0 && registration->ndicom > 0;
}

/* --- the task ------------------------------------------------------------------------------------------ */

void registration_set_task_id(registration_t *registration) {
    /* A namespace of this project's own (RFC 4122 4.3). */
    static const uuid_t namespace = {0x5f, 0x0c, 0x7a, 0x54, 0x0b, 0x0e, 0x4d, 0x0b,
                                     0x9d, 0x0c, 0x4c, 0x1f, 0x6e, 0x8a, 0x2b, 0x71};
    const Ring__Series *series = registration->series;
    uuid_t id;
    /* When it began tells receptions of two journals with the same number apart. */
    char again[32] = "";
    if (registration->resent > 0)
        snprintf(again, sizeof again, "\n%lld", (long long)registration->resent);
    char *name = format_text("%s\n%s\n%lld\n%lld\n%lld%s", series->series_instance_uid, series->folder,
                             (long long)registration->ndicom, (long long)registration->number,
                             (long long)registration->began_at, again);
    uuid_generate_sha1(id, namespace, name, strlen(name));
    uuid_unparse_lower(id, registration->task_id);
    free(name);
}

/* The text as JSON, cut to CUBE's column. */
static json_t *text_argument(const char *field, const char *text, size_t characters) {
    char *latin1 = utf8_valid(text, strlen(text)) ? NULL : utf8_from_latin1(text, strlen(text), NULL);
    const char *utf8 = latin1 ? latin1 : text;
    size_t size = strlen(utf8), length = size <= characters ? size : utf8_cut(utf8, characters);
    if (utf8[length])
        log_warn(NULL, "%s is longer than the %zu characters that CUBE keeps, and is cut", field, characters);
    json_t *argument = json_stringn(utf8, length);
    free(latin1);
    return argument;
}

static void set_text(json_t *arguments, const char *field, const char *text, size_t characters) {
    json_object_set_new(arguments, field, *text ? text_argument(field, text, characters) : json_null());
}

/* No column of CUBE bounds it, or registration_problem has seen to it. */
#define UNCUT SIZE_MAX

json_t *registration_arguments(const registration_t *registration) {
    const Ring__Series *series = registration->series;
    json_t *arguments = json_object();
    set_text(arguments, "PatientID", series->patient_id, CUBE_PATIENT_ID_MAX);
    set_text(arguments, "StudyDate", series->study_date, UNCUT);
    set_text(arguments, "StudyInstanceUID", series->study_instance_uid, UNCUT);
    set_text(arguments, "SeriesInstanceUID", series->series_instance_uid, UNCUT);
    set_text(arguments, "pacs_name", series->pacs_name, UNCUT);
    set_text(arguments, "path", series->folder, UNCUT);
    json_object_set_new(arguments, "ndicom", json_integer(registration->ndicom));
    set_text(arguments, "PatientName", series->patient_name, CUBE_PATIENT_NAME_MAX);
    set_text(arguments, "PatientBirthDate", series->patient_birth_date, UNCUT);
    json_object_set_new(arguments, "PatientAge",
                        series->has_patient_age_days ? json_integer(series->patient_age_days) : json_null());
    set_text(arguments, "PatientSex", series->patient_sex, UNCUT);
    set_text(arguments, "AccessionNumber", series->accession_number, CUBE_ACCESSION_NUMBER_MAX);
    set_text(arguments, "Modality", series->modality, CUBE_MODALITY_MAX);
    set_text(arguments, "ProtocolName", series->protocol_name, CUBE_PROTOCOL_NAME_MAX);
    set_text(arguments, "StudyDescription", series->study_description, CUBE_DESCRIPTION_MAX);
    set_text(arguments, "SeriesDescription", series->series_description, CUBE_DESCRIPTION_MAX);
    return arguments;
}
