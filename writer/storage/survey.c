#include "writer/storage/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/dicom_file.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/series_key.h"
#include "common/settings.h"
#include "common/utf8.h"
#include "writer/dicom/instance.h"
#include "writer/dicom/part10.h"
#include "writer/dicom/path.h"
#include "writer/storage/calls.h"
#include "writer/storage/temporary.h"

/* The survey of storage: bytes of a file per read, at least a header (PS3.10 7.1); files of a folder to try for a
 * readable head; depth of the folders below SERVICES/PACS. */
#define SURVEY_BLOCK_BYTES (64 * 1024)
#define SURVEY_HEADS_TRIED 8
#define SURVEY_DEPTH_MAX   16

typedef struct survey {
    int64_t since; /* milliseconds since 1970 */
    char **uids;   /* any, where there are none */
    size_t uids_count;
    bool is_incomplete; /* something could not be read */
    int64_t lived_ms;   /* clock_ms of the last sign of life */
} survey_t;

typedef struct dcm_file {
    char name[NAME_MAX + 1];
    int64_t changed; /* milliseconds since 1970 */
} dcm_file_t;

/* The .dcm files of one folder. The oldest was received first; its tags are the series'. */
typedef struct folder {
    const char *path; /* relative to the root */
    int descriptor;
    int64_t files, newest;
    dcm_file_t oldest[SURVEY_HEADS_TRIED]; /* in order of age, then of name */
    size_t oldest_count;
} folder_t;

/* --- output ------------------------------------------------------------------------------------------- */

static void print_line(json_t *line) {
    json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', stdout);
    json_decref(line);
    fflush(stdout); /* at once, so that its reader need not wait for more; a failure is seen at the end */
}

/* Storage has answered. */
static void say_alive(survey_t *survey) {
    if (clock_ms() - survey->lived_ms < SURVEY_LIFE_MS)
        return;
    survey->lived_ms = clock_ms();
    print_line(json_object());
}

static json_t *any_text(const char *text) {
    char *latin1 = utf8_valid(text, strlen(text)) ? NULL : utf8_from_latin1(text, strlen(text), NULL);
    json_t *json = json_string(latin1 ? latin1 : text);
    free(latin1);
    return json;
}

/* `name` within `path`; NULL: `path` itself. */
static void complain(survey_t *survey, const char *path, const char *name, const char *why) {
    char whole[PATH_MAX + NAME_MAX + 2];
    snprintf(whole, sizeof whole, name ? "%s/%s" : "%s", path, name);
    survey->is_incomplete = true;
    print_line(json_pack("{s:o, s:o}", "path", any_text(whole), "error", any_text(why)));
}

/* Every field by its name: Series has all fields of a registration. */
static json_t *series_json(const Ring__Series *series) {
    json_t *json = json_object();
    const ProtobufCMessageDescriptor *descriptor = &ring__series__descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *value = (const char *)series + field->offset;
        json_t *converted = NULL;
        if (field->type == PROTOBUF_C_TYPE_STRING)
            converted = any_text(*(char *const *)(const void *)value);
        else if (field->type == PROTOBUF_C_TYPE_SINT64)
            converted = json_integer(*(const int64_t *)(const void *)value);
        else if (field->type == PROTOBUF_C_TYPE_BOOL)
            converted = json_boolean(*(const protobuf_c_boolean *)(const void *)value);
        if (converted)
            json_object_set_new(json, field->name, converted);
    }
    return json;
}

/* --- heads --------------------------------------------------------------------------------------------- */

static const char *pacs_name_of(const char *path, char name[NAME_MAX + 1]) {
    const char *begin = path + strlen(SERVICES_PACS "/");
    snprintf(name, NAME_MAX + 1, "%.*s", (int)strcspn(begin, "/"), begin);
    return name;
}

static void replace_text(char **text, const char *by) {
    free(*text);
    *text = copy_text(by);
}

/* The file names the AE title that it came from, unless another program wrote it or moved it. */
static bool is_of_folder(const char *calling_ae, const char *pacs_name) {
    char *folder = path_pacs_name(calling_ae);
    bool same = strcmp(folder, pacs_name) == 0;
    free(folder);
    return *calling_ae && same;
}

static bool is_wanted(const survey_t *survey, const char *series_uid) {
    for (size_t i = 0; i < survey->uids_count; i++)
        if (strcmp(survey->uids[i], series_uid) == 0)
            return true;
    return survey->uids_count == 0;
}

/* Returns whether the head could be read; then the line has been printed, if it is wanted. */
static bool say_series(const survey_t *survey, const folder_t *folder, const part10_file_t *file,
                       const head_t *head, refusal_t *refusal) {
    char pacs_name[NAME_MAX + 1];
    instance_t instance;
    Ring__ObjectHeader command = RING__OBJECT_HEADER__INIT;
    pacs_name_of(folder->path, pacs_name);
    command.sop_class_uid = (char *)(uintptr_t)file->sop_class_uid;
    command.sop_instance_uid = (char *)(uintptr_t)file->sop_instance_uid;
    command.calling_ae =
        is_of_folder(file->calling_ae, pacs_name) ? (char *)(uintptr_t)file->calling_ae : pacs_name;
    bool read = instance_read(&instance, NULL, head, &command, refusal);
    if (read && is_wanted(survey, instance.series->series_instance_uid)) {
        replace_text(&instance.series->folder, folder->path);
        replace_text(&instance.series->pacs_name, pacs_name);
        print_line(json_pack("{s:s, s:o, s:I, s:I, s:o}", "folder", folder->path, "calling_ae",
                             any_text(command.calling_ae), "files", (json_int_t)folder->files, "newest",
                             (json_int_t)folder->newest, "series", series_json(instance.series)));
    }
    instance_clear(&instance);
    return read;
}

/* Feeds the data set until the head is known. `size`: the part of it in the block already. */
static head_state_t feed_head(head_t *head, int descriptor, uint8_t *block, size_t from, size_t size, int *reason) {
    head_state_t state = head_feed(head, block + from, size - from);
    while (state == HEAD_NEED_MORE) {
        size_t got = calls_read(descriptor, block, SURVEY_BLOCK_BYTES, reason);
        if (*reason != 0)
            return HEAD_UNREADABLE;
        if (got == 0)
            return head_finish(head);
        state = head_feed(head, block, got);
    }
    return state;
}

static bool read_file(survey_t *survey, const folder_t *folder, const char *name, int descriptor) {
    uint8_t block[SURVEY_BLOCK_BYTES];
    part10_file_t file;
    refusal_t refusal = {0};
    int reason = 0;
    size_t size = calls_read(descriptor, block, sizeof block, &reason);
    if (reason != 0 || !part10_read(block, size, &file)) {
        complain(survey, folder->path, name, reason != 0 ? strerror(reason) : "is not a DICOM file (PS3.10)");
        return false;
    }
    head_t *head = head_new(file.transfer_syntax_uid);
    head_state_t state = feed_head(head, descriptor, block, file.header_bytes, size, &reason);
    bool read = state == HEAD_READY && say_series(survey, folder, &file, head, &refusal);
    if (!read)
        complain(survey, folder->path, name,
                 reason                ? strerror(reason)
                 : state == HEAD_READY ? refusal.comment
                                       : head_complaint(head));
    head_destroy(&head);
    return read;
}

/* The first file with a readable head speaks for all. */
static void read_heads(survey_t *survey, const folder_t *folder) {
    if (folder->files == 0 || folder->newest < survey->since)
        return;
    if (!utf8_valid(folder->path, strlen(folder->path))) {
        complain(survey, folder->path, NULL, "its name is not UTF-8");
        return;
    }
    for (size_t i = 0; i < folder->oldest_count; i++) {
        const char *name = folder->oldest[i].name;
        int descriptor = open_beneath(folder->descriptor, name, O_RDONLY | O_NONBLOCK, 0);
        if (descriptor < 0)
            complain(survey, folder->path, name, strerror(errno));
        bool read = descriptor >= 0 && read_file(survey, folder, name, descriptor);
        if (descriptor >= 0)
            close(descriptor);
        if (read)
            return;
    }
}

/* --- folders ------------------------------------------------------------------------------------------- */

static bool is_older(const dcm_file_t *a, const dcm_file_t *b) {
    return a->changed != b->changed ? a->changed < b->changed : strcmp(a->name, b->name) < 0;
}

/* Counts the file and keeps it if it is among the oldest. */
static void add_file(folder_t *folder, const char *name, const struct stat *s) {
    dcm_file_t file = {.changed = (int64_t)s->st_mtim.tv_sec * 1000 + s->st_mtim.tv_nsec / 1000000};
    snprintf(file.name, sizeof file.name, "%s", name);
    folder->files++;
    if (file.changed > folder->newest)
        folder->newest = file.changed;
    size_t at = folder->oldest_count;
    while (at > 0 && is_older(&file, &folder->oldest[at - 1]))
        at--;
    if (at == SURVEY_HEADS_TRIED)
        return;
    size_t kept = folder->oldest_count < SURVEY_HEADS_TRIED ? folder->oldest_count : SURVEY_HEADS_TRIED - 1;
    memmove(&folder->oldest[at + 1], &folder->oldest[at], (kept - at) * sizeof *folder->oldest);
    folder->oldest[at] = file;
    folder->oldest_count = kept + 1;
}

static void walk(survey_t *survey, int parent, const char *name, const char *path, int depth);

static void look_at(survey_t *survey, folder_t *folder, const char *name, int depth) {
    char path[PATH_MAX];
    struct stat s;
    say_alive(survey);
    if (fstatat(folder->descriptor, name, &s, AT_SYMLINK_NOFOLLOW) != 0)
        complain(survey, folder->path, name, strerror(errno));
    else if (S_ISLNK(s.st_mode))
        complain(survey, folder->path, name, "is a symbolic link, which is not followed");
    else if (!S_ISDIR(s.st_mode) && dicom_file_is_name(name))
        add_file(folder, name, &s);
    else if (S_ISDIR(s.st_mode) && (depth == SURVEY_DEPTH_MAX ||
                                    snprintf(path, sizeof path, "%s/%s", folder->path, name) >= (int)sizeof path))
        complain(survey, folder->path, name, "lies too deep");
    else if (S_ISDIR(s.st_mode))
        walk(survey, folder->descriptor, name, path, depth + 1);
}

/* Names that cannot be looked at are reported one by one; the rest of the folder is not given up for them. */
static void list(survey_t *survey, folder_t *folder, DIR *listing, int depth) {
    struct dirent *entry;
    for (;;) {
        errno = 0;
        if (!(entry = readdir(listing)))
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            look_at(survey, folder, entry->d_name, depth);
    }
    if (errno != 0)
        complain(survey, folder->path, NULL, strerror(errno));
}

/* The folder `name` in `parent`, and all below it, never through a symbolic link. */
static void walk(survey_t *survey, int parent, const char *name, const char *path, int depth) {
    int descriptor = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
    DIR *listing = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!listing) {
        complain(survey, path, NULL, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return;
    }
    folder_t *folder = must(calloc(1, sizeof *folder));
    folder->path = path;
    folder->descriptor = descriptor;
    list(survey, folder, listing, depth);
    /* A .dcm file that lies higher is in no AE title's folder, and can't be registered. */
    if (depth > 0)
        read_heads(survey, folder);
    free(folder);
    closedir(listing);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static bool read_arguments(survey_t *survey, int argc, char **argv) {
    int at = 1;
    if (at + 1 < argc && strcmp(argv[at], "--since") == 0) {
        char *end;
        survey->since = strtoll(argv[at + 1], &end, 10);
        if (*end || end == argv[at + 1])
            return false;
        at += 2;
    }
    survey->uids = argv + at;
    survey->uids_count = (size_t)(argc - at);
    return at == argc || argv[at][0] != '-';
}

int survey_main(int argc, char **argv) {
    survey_t survey = {0};
    if (!read_arguments(&survey, argc, argv)) {
        fputs("oxidicom-writer: allowed is --survey [--since MILLISECONDS] [UID…]\n", stderr);
        return EX_USAGE;
    }
    settings_t settings;
    int status = settings_read(&settings, FOR_SURVEY, stderr);
    if (status != 0)
        return status;
    log_start("survey", settings.rust_log, settings.log_format);
    int root = head_start() ? open(settings.files_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root < 0) {
        log_error(NULL, "can't look through OXIDICOM_FILES_ROOT %s: %s", settings.files_root, strerror(errno));
        status = EX_NOINPUT;
    } else {
        walk(&survey, root, SERVICES_PACS, SERVICES_PACS, 0);
        status = fflush(stdout) != 0 || ferror(stdout) ? EX_IOERR : survey.is_incomplete;
        close(root);
    }
    settings_clear(&settings);
    return status;
}
