#include "writer/storage/claims.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/dicom_file.h"
#include "common/memory.h"
#include "common/open_beneath.h"
#include "writer/dicom/head.h"
#include "writer/dicom/part10.h"
#include "writer/dicom/path.h"
#include "writer/storage/calls.h"

/* Files of a folder that are read until one says its series, and how far each is. */
#define FILES_TRIED     3
#define READ_MAX_BYTES  (1024 * 1024)
#define READ_ONCE_BYTES (32 * 1024)
/* Folders with a known series. */
#define OWNERS_MAX 256

/* Returns -1 where there is none, or nothing to read. */
static int open_file(int folder, const char *name) {
    struct stat s;
    int file = open_beneath(folder, name, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0 || (fstat(file, &s) == 0 && S_ISREG(s.st_mode)))
        return file;
    close(file);
    return -1;
}

/* --- series ------------------------------------------------------------------------------------------- */

/* A UID in the form of PS3.5 9.1, in any character set; NULL: it is none. */
static char *uid_of(const head_value_t *value) {
    size_t size = 0;
    while (size < value->size && strchr("0123456789.", value->bytes[size]) && value->bytes[size])
        size++;
    size_t rest = size;
    while (rest < value->size && (value->bytes[rest] == 0 || value->bytes[rest] == ' '))
        rest++;
    return size > 0 && rest == value->size ? must(strndup(value->bytes, size)) : NULL;
}

static char *read_series(int file, uint8_t *bytes) {
    part10_file_t header;
    size_t size = calls_read(file, bytes, READ_ONCE_BYTES, NULL);
    if (!part10_read(bytes, size, &header))
        return NULL;
    head_t *head = head_new(header.transfer_syntax_uid);
    head_state_t state = head_feed(head, bytes + header.header_bytes, size - header.header_bytes);
    for (size_t all = size; state == HEAD_NEED_MORE && size == READ_ONCE_BYTES && all < READ_MAX_BYTES;
         all += size) {
        size = calls_read(file, bytes, READ_ONCE_BYTES, NULL);
        state = head_feed(head, bytes, size);
    }
    head_value_t values[HEAD_TAGS];
    head_values(head, values);
    char *uid = uid_of(&values[HEAD_SERIES_INSTANCE_UID]);
    head_destroy(&head);
    return uid;
}

/* The series of the first file that says it; NULL: there is none, or storage does not tell. Free it. */
static char *owner_in(const base_t *base, const char *folder) {
    int opened = open_beneath(base->root, folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *list = opened < 0 ? NULL : fdopendir(opened);
    if (!list) {
        if (opened >= 0)
            close(opened);
        return NULL;
    }
    char *uid = NULL;
    uint8_t *bytes = must(malloc(READ_ONCE_BYTES));
    int tried = 0;
    for (struct dirent *entry; !uid && tried < FILES_TRIED && (entry = readdir(list));) {
        int file = dicom_file_is_name(entry->d_name) ? open_file(dirfd(list), entry->d_name) : -1;
        if (file < 0)
            continue;
        tried++;
        uid = read_series(file, bytes);
        close(file);
    }
    free(bytes);
    closedir(list);
    return uid;
}

/* Whether the folder is known to be of this series or of another; unless that is known, it is of `owner`. */
static int compare_owner(bases_t *bases, base_t *base, const char *folder, const char *series_uid,
                         const char *owner) {
    pthread_mutex_lock(&bases->lock);
    const char *known = zhashx_lookup(base->owners, folder);
    if (!known && owner) {
        if (zhashx_size(base->owners) >= OWNERS_MAX)
            zhashx_purge(base->owners);
        zhashx_insert(base->owners, folder, (void *)(uintptr_t)owner);
        known = owner;
    }
    int result = !known ? -1 : strcmp(known, series_uid) == 0;
    pthread_mutex_unlock(&bases->lock);
    return result;
}

char *claims_folder(bases_t *bases, base_t *base, const char *wanted, const char *series_uid) {
    int is_ours = compare_owner(bases, base, wanted, series_uid, NULL);
    if (is_ours < 0) {
        char *owner = owner_in(base, wanted);
        is_ours = compare_owner(bases, base, wanted, series_uid, owner ? owner : series_uid);
        free(owner);
    }
    return is_ours ? copy_text(wanted) : path_folder_apart(wanted, series_uid);
}

/* --- instances ---------------------------------------------------------------------------------------- */

static bool is_instance(const uint8_t *bytes, size_t size, const char *uid) {
    part10_file_t header;
    return uid && part10_read(bytes, size, &header) && strcmp(header.sop_instance_uid, uid) == 0;
}

/* The same bytes from here on. */
static bool is_alike(int file, int other, uint8_t *bytes, uint8_t *others, size_t size) {
    for (;;) {
        if (calls_read(other, others, READ_ONCE_BYTES, NULL) != size || memcmp(bytes, others, size) != 0)
            return false;
        if (size == 0)
            return true;
        size = calls_read(file, bytes, READ_ONCE_BYTES, NULL);
    }
}

static bool may_replace(const base_t *base, int file, const claim_t *claim) {
    uint8_t *bytes = must(malloc(2 * READ_ONCE_BYTES));
    size_t size = calls_read(file, bytes, READ_ONCE_BYTES, NULL);
    bool may = is_instance(bytes, size, claim->instance_uid);
    int own = may ? -1 : open_file(base->temporary, claim->temporary);
    if (own >= 0) {
        may = is_alike(file, own, bytes, bytes + READ_ONCE_BYTES, size);
        close(own);
    }
    free(bytes);
    return may;
}

char *claims_file(const base_t *base, const char *folder, const claim_t *claim) {
    char *path = format_text("%s/%s", folder, claim->name);
    int file = open_file(base->root, path);
    free(path);
    bool is_free = file < 0 || may_replace(base, file, claim);
    if (file >= 0)
        close(file);
    return is_free ? copy_text(claim->name) : path_file_apart(claim->name, claim->identity);
}
