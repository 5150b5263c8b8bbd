#include "writer/storage/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/utf8.h"
#include "writer/dicom/seahash.h"

/* Files in the quarantine: two for each object. They are looked through each time that one is put in. */
#define QUARANTINE_MAX_FILES 2000

#define NAME_BYTES           128

static void complain(quarantine_t *quarantine, const char *what, int reason) {
    uint64_t left_out;
    if (log_rarely(&quarantine->said, &left_out))
        log_warn(NULL, "can't %s the quarantine: %s%s", what, strerror(reason), log_more(left_out));
}

bool quarantine_append(quarantine_t *quarantine, store_file_t *file, struct iovec *parts, int parts_count) {
    int reason = *file->name ? 0 : store_begin(quarantine->store, file);
    if (reason == 0)
        reason = store_append(quarantine->store, file, parts, parts_count);
    if (reason != 0) {
        complain(quarantine, "write an object into", reason);
        return false;
    }
    if (file->bytes <= quarantine->size_bytes)
        return true;
    store_discard(quarantine->store, file);
    return false;
}

/* --- names ------------------------------------------------------------------------------------------- */

/* In order of time, and without anything of the patient's. */
static void make_stem(const quarantine_label_t *label, char stem[NAME_BYTES]) {
    struct timespec now;
    struct tm utc;
    char hash[HASH7_BYTES + 1];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    const char *uid = label->header->sop_instance_uid;
    hash7(uid, strlen(uid), hash);
    size_t at = strftime(stem, NAME_BYTES, "%Y%m%dT%H%M%S", &utc);
    snprintf(stem + at, NAME_BYTES - at, ".%03ldZ-%llu-%llu-%s", now.tv_nsec / 1000000,
             (unsigned long long)label->id->association, (unsigned long long)label->id->object, hash);
}

/* Of ours, not what people put there. */
static int is_kept(const struct dirent *entry) {
    static const char form[] = "00000000T000000.000Z-";
    size_t i = 0;
    for (const char *name = entry->d_name; form[i]; i++)
        if (form[i] == '0' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return 0;
    return 1;
}

/* The name without .dcm or .json; the dot before the milliseconds is part of it. */
static size_t stem_length(const char *name) {
    const char *dash = strrchr(name, '-');
    return dash ? (size_t)(dash - name) + strcspn(dash, ".") : strlen(name);
}

/* --- room -------------------------------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static uint64_t size_of(int folder, const char *name) {
    struct stat s;
    return fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)s.st_size : 0;
}

/* Removes the oldest until there is room for `needed` bytes more. Other writers may do the same just now. */
static void make_room(const quarantine_t *quarantine, int folder, uint64_t needed) {
    struct dirent **entries;
    int count = scandirat(folder, ".", &entries, is_kept, by_name), at = 0;
    uint64_t kept = 0;
    for (int i = 0; i < count; i++)
        kept += size_of(folder, entries[i]->d_name);
    while (at < count && (kept + needed > quarantine->size_bytes || count - at > QUARANTINE_MAX_FILES - 2)) {
        size_t stem = stem_length(entries[at]->d_name);
        int first = at;
        for (; at < count && strncmp(entries[at]->d_name, entries[first]->d_name, stem) == 0; at++) {
            kept -= size_of(folder, entries[at]->d_name);
            if (unlinkat(folder, entries[at]->d_name, 0) != 0 && errno != ENOENT)
                log_debug(NULL, "%s stays in the quarantine: %s", entries[at]->d_name, strerror(errno));
        }
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
}

/* --- why --------------------------------------------------------------------------------------------- */

/* Texts of peers need not be UTF-8, which JSON is. */
static json_t *text(const char *peers) {
    if (utf8_valid(peers, strlen(peers)))
        return json_string(peers);
    char *utf8 = utf8_from_latin1(peers, strlen(peers), NULL);
    json_t *string = json_string(utf8);
    free(utf8);
    return string;
}

static char *why(const quarantine_label_t *label, const char *file, uint64_t bytes) {
    const Ring__ObjectHeader *header = label->header;
    char status[8], element[16], when[32];
    uint32_t tag = label->refusal->offending_element;
    time_t now = time(NULL);
    struct tm utc;
    snprintf(status, sizeof status, "%04X", label->refusal->status);
    snprintf(element, sizeof element, "(%04X,%04X)", tag >> 16, tag & 0xFFFF);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    json_t *object = json_pack(
        "{ss ss sI so so so so so so ss so ss}", "when", when, "file", file, "bytes", (json_int_t)bytes, "peer",
        text(header->peer), "calling_ae", text(header->calling_ae), "called_ae", text(header->called_ae),
        "sop_class_uid", text(header->sop_class_uid), "sop_instance_uid", text(header->sop_instance_uid),
        "transfer_syntax_uid", text(header->transfer_syntax_uid), "status", status, "offending_element",
        tag ? json_string(element) : json_null(), "error_comment", label->refusal->comment);
    char *json = must(object ? json_dumps(object, JSON_INDENT(2)) : NULL);
    json_decref(object);
    return json;
}

static int put(store_t *store, const char *name, char *content) {
    store_file_t file;
    int reason = store_begin(store, &file);
    if (reason == 0)
        reason = store_append(store, &file, &(struct iovec){content, strlen(content)}, 1);
    if (reason == 0)
        reason = store_commit(store, &file, QUARANTINE_FOLDER, name);
    store_close(&file);
    return reason;
}

void quarantine_keep(quarantine_t *quarantine, store_file_t *file, const quarantine_label_t *label) {
    char stem[NAME_BYTES], name[NAME_BYTES + 8];
    make_stem(label, stem);
    snprintf(name, sizeof name, "%s%s", stem, label->is_part10 ? ".dcm" : "");
    uint64_t bytes = file->bytes;
    char *json = why(label, name, bytes);
    int folder = store_open_folder(quarantine->store, QUARANTINE_FOLDER), reason = folder < 0 ? errno : 0;
    if (reason == 0 && bytes + strlen(json) > quarantine->size_bytes)
        reason = EFBIG;
    if (reason == 0) {
        make_room(quarantine, folder, bytes + strlen(json));
        reason = store_commit(quarantine->store, file, QUARANTINE_FOLDER, name);
    }
    if (reason == 0) {
        snprintf(name, sizeof name, "%s.json", stem);
        reason = put(quarantine->store, name, json);
    }
    if (reason != 0)
        complain(quarantine, "put an object into", reason);
    else
        log_info((&(log_context_t){.association = label->id->association, .object = label->id->object}),
                 "is kept as " QUARANTINE_FOLDER "/%s", stem);
    store_discard(quarantine->store, file);
    if (folder >= 0)
        close(folder);
    free(json);
}
