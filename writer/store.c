/* The one durable write sequence of the writer, and the folders that it needs. */
#include "writer/store.h"

#include <czmq.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "writer/leftovers.h"
#include "writer/root.h"
#include "writer/temporary.h"
#include "writer/trouble.h"

struct store {
    root_t root;
    char *id;
    uint64_t incarnation;
    bool durable;
    int temporary;     /* folder; -1: not open */
    uint64_t begun;    /* files, for their names */
    zhashx_t *folders; /* whose entries in all folders above are known to be durable */
    zlist_t *stuck;    /* names of temporary files that could not be removed */
    log_limit_t said_stuck;
    trouble_t trouble;
    int64_t deadline_ms; /* of final places */
};

store_calls_t store_calls = {writev, fsync, close, renameat, unlinkat};

static int force_to_disk(int descriptor) {
    int64_t begun_us = clock_us();
    int result = store_calls.fsync(descriptor);
    metric_observe(METRIC_FSYNC_TIME, clock_us() - begun_us);
    return result;
}

/* --- life ------------------------------------------------------------------------------------------- */

static void close_temporary(store_t *self) {
    if (self->temporary >= 0)
        close(self->temporary);
    self->temporary = -1;
}

/* Opens root and folder, again where they were open: nothing that was known of them need hold any more. Returns 0
 * or an errno value. */
static int open_folders(store_t *self) {
    close_temporary(self);
    zhashx_purge(self->folders);
    int reason = root_open(&self->root);
    if (reason != 0)
        return reason;
    self->temporary = temporary_open(self->root.folder, self->id, self->incarnation);
    return self->temporary < 0 ? errno : 0;
}

/* What may be over in a moment, or by an operator's hand, without a new start. */
static bool may_pass(int reason) {
    return reason == ENOSPC || reason == EDQUOT || reason == EIO || reason == EROFS || reason == ESTALE ||
           reason == ENOTCONN || reason == ETIMEDOUT || reason == EHOSTDOWN;
}

store_t *store_new(const char *files_root, const char *id, uint64_t incarnation, bool durable) {
    store_t *self = calloc(1, sizeof *self);
    if (!self || !(self->id = strdup(id)))
        abort();
    root_init(&self->root, files_root);
    self->incarnation = incarnation;
    self->durable = durable;
    self->deadline_ms = INT64_MAX;
    self->folders = zhashx_new();
    self->stuck = zlist_new();
    zlist_autofree(self->stuck);
    self->temporary = -1;
    int reason = open_folders(self);
    if (reason == 0) {
        store_sweep(self);
        return self;
    }
    log_error(NULL, "can't use OXIDICOM_FILES_ROOT \"%s\": %s%s", files_root, strerror(reason),
              reason == ENOSYS ? " (openat2 is needed, Linux 5.6)" : "");
    if (may_pass(reason))
        return self; /* objects are answered A700 until it works */
    store_destroy(&self);
    return NULL;
}

void store_destroy(store_t **self_p) {
    store_t *self = *self_p;
    if (!self)
        return;
    if (self->temporary >= 0)
        temporary_close(self->root.folder, self->temporary, self->id, self->incarnation);
    root_clear(&self->root);
    zhashx_destroy(&self->folders);
    zlist_destroy(&self->stuck);
    free(self->id);
    free(self);
    *self_p = NULL;
}

bool store_locked_out(const store_t *self) {
    return self->root.locked_out;
}

void store_keep_free(store_t *self, uint64_t bytes) {
    self->root.min_free_bytes = bytes;
}

void store_complain(store_t *self, const log_context_t *object, const char *step, int reason) {
    char hint[64] = "";
    const char *name = strerrorname_np(reason);
    metric_add(METRIC_STORAGE_FAILURES, name ? name : "unknown", 1);
    if (reason == ENOSPC && self->root.min_free_bytes > 0)
        snprintf(hint, sizeof hint, " (OXIDICOM_MIN_FREE keeps %llu MiB)",
                 (unsigned long long)self->root.min_free_bytes >> 20);
    else if (reason == ENODEV)
        snprintf(hint, sizeof hint, " (OXIDICOM_FILES_ROOT is not mounted)");
    trouble_say(&self->trouble, object, step, reason, hint);
}

/* --- what is left over ------------------------------------------------------------------------------ */

/* A file that can't be removed now (EIO, EROFS) is when storage works again. */
static void remember_stuck(store_t *self, const char *name) {
    uint64_t left_out;
    if (log_rarely(&self->said_stuck, &left_out))
        log_error(NULL, "can't remove the temporary file %s: %s", name, strerror(errno));
    if (zlist_size(self->stuck) < LEFTOVERS_AT_ONCE)
        zlist_append(self->stuck, (void *)(uintptr_t)name);
}

static void remove_stuck(store_t *self) {
    for (size_t left = zlist_size(self->stuck); left > 0; left--) {
        char *name = zlist_pop(self->stuck);
        if (store_calls.unlinkat(self->temporary, name, 0) != 0 && errno != ENOENT)
            zlist_append(self->stuck, name);
        freen(name);
    }
}

void store_sweep(store_t *self) {
    if (self->temporary < 0 || !root_is_current(&self->root))
        return;
    remove_stuck(self);
    char *host = host_name(), run[RUN_NAME_BYTES + 1];
    if (!host)
        return;
    run_name(self->incarnation, run);
    size_t removed = leftovers_sweep(self->root.folder, &(sweeper_t){host, run});
    if (removed > 0)
        log_info(NULL, "removed %zu temporary files that dead writers left", removed);
    free(host);
}

/* --- temporary files -------------------------------------------------------------------------------- */

static int create(store_t *self, store_file_t *file) {
    if (self->temporary < 0)
        return ENOENT;
    int reason = root_room(&self->root, 0);
    if (reason != 0)
        return reason;
    file->descriptor = open_beneath(self->temporary, file->name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    return file->descriptor < 0 ? errno : 0;
}

/* Somebody has removed the folder, or the root and made it again, or has mounted it anew, or a server has forgotten
 * it: what is open is of no use. */
static bool is_gone(int reason) {
    return reason == ENOENT || reason == ESTALE || reason == EBADF || reason == EIO || reason == ENOTCONN ||
           reason == ENODEV;
}

int store_begin(store_t *self, store_file_t *file) {
    int64_t begun_us = clock_us();
    *file = (store_file_t){.descriptor = -1};
    snprintf(file->name, sizeof file->name, "%llu", (unsigned long long)++self->begun);
    int reason = root_is_current(&self->root) ? create(self, file) : ESTALE;
    if (is_gone(reason)) {
        reason = open_folders(self);
        if (reason == 0)
            reason = create(self, file);
    }
    if (reason != 0)
        *file = (store_file_t){.descriptor = -1};
    else if (zlist_size(self->stuck) > 0)
        remove_stuck(self);
    if (reason == 0)
        file->spent_us = clock_us() - begun_us;
    return reason;
}

/* Keeps the fsync at the end short: otherwise all pages of a large file would be left to it, and this writer would
 * be silent for so long that it is taken for hung. An error that is reported here would not be again by fsync. */
static int write_back(const store_t *self, store_file_t *file) {
    if (!self->durable || file->bytes - file->written_back < WRITEBACK_BYTES)
        return 0;
    off_t from = (off_t)file->written_back, size = (off_t)(file->bytes - file->written_back);
    file->written_back = file->bytes;
    off_t previous = from < WRITEBACK_BYTES ? from : WRITEBACK_BYTES;
    unsigned wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (sync_file_range(file->descriptor, from, size, SYNC_FILE_RANGE_WRITE) == 0 &&
        (previous == 0 || sync_file_range(file->descriptor, from - previous, previous, wait) == 0))
        return 0;
    return errno == ESPIPE || errno == EINVAL || errno == ENOSYS ? 0 : errno; /* a file system that can't */
}

/* Takes what has been written off the parts. Returns the index of the first that has bytes left. */
static int advance(struct iovec *parts, int at, int count, size_t written) {
    while (at < count && written >= parts[at].iov_len)
        written -= parts[at++].iov_len;
    if (at < count) {
        parts[at].iov_base = (char *)parts[at].iov_base + written;
        parts[at].iov_len -= written;
    }
    return at;
}

static uint64_t size_of(const struct iovec *parts, int parts_count) {
    uint64_t size = 0;
    for (int i = 0; i < parts_count; i++)
        size += parts[i].iov_len;
    return size;
}

int store_append(store_t *self, store_file_t *file, struct iovec *parts, int parts_count) {
    int64_t begun_us = clock_us();
    int reason = root_room(&self->root, size_of(parts, parts_count));
    /* A write may be short, on a disk that fills up above all: the next one says why. */
    for (int at = advance(parts, 0, parts_count, 0); at < parts_count && reason == 0;) {
        int count = parts_count - at < IOV_MAX ? parts_count - at : IOV_MAX;
        ssize_t written = store_calls.writev(file->descriptor, parts + at, count);
        if (written > 0) {
            file->bytes += (uint64_t)written;
            at = advance(parts, at, parts_count, (size_t)written);
        } else if (written == 0) {
            reason = EIO;
        } else if (errno != EINTR) {
            reason = errno;
        }
    }
    if (reason == 0)
        reason = write_back(self, file);
    file->spent_us += clock_us() - begun_us;
    if (reason != 0)
        store_discard(self, file);
    return reason;
}

void store_discard(store_t *self, store_file_t *file) {
    if (file->descriptor >= 0)
        close(file->descriptor);
    if (*file->name && self->temporary >= 0 && store_calls.unlinkat(self->temporary, file->name, 0) != 0 &&
        errno != ENOENT)
        remember_stuck(self, file->name);
    *file = (store_file_t){.descriptor = -1};
}

/* --- folders ---------------------------------------------------------------------------------------- */

/* Goes from `folder`, which is closed, to `name` in it, making that where it is missing. Returns its descriptor, or
 * -1 with errno. */
static int enter_folder(const store_t *self, int folder, const char *name, bool is_durable) {
    int next = -1;
    bool made = mkdirat(folder, name, 0755) == 0;
    /* A power loss must not take the folder's entry away from a file in it. One that was there already may have
     * been made a moment ago by another writer, or by one that was killed before it got here. */
    bool ok = made || errno == EEXIST;
    if (ok && self->durable && (made || !is_durable))
        ok = force_to_disk(folder) == 0;
    if (ok)
        next = open_beneath(folder, name, O_RDONLY | O_DIRECTORY, 0);
    int reason = errno;
    close(folder);
    errno = reason;
    return next;
}

int store_open_folder(store_t *self, const char *folder) {
    bool is_durable = zhashx_lookup(self->folders, folder) != NULL;
    if (is_durable || !self->durable) {
        int known = open_beneath(self->root.folder, folder, O_RDONLY | O_DIRECTORY, 0);
        if (known >= 0 || errno != ENOENT)
            return known;
    }
    char *path = strdup(folder), *rest = path;
    if (!path)
        abort();
    int descriptor = open_beneath(self->root.folder, ".", O_RDONLY | O_DIRECTORY, 0);
    for (char *name; descriptor >= 0 && (name = strsep(&rest, "/"));)
        descriptor = enter_folder(self, descriptor, name, is_durable);
    free(path);
    if (descriptor >= 0 && !is_durable) {
        if (zhashx_size(self->folders) >= DURABLE_FOLDERS_MAX)
            zhashx_purge(self->folders);
        zhashx_insert(self->folders, folder, self);
    }
    return descriptor;
}

void store_set_deadline(store_t *self, int64_t deadline_ms) {
    self->deadline_ms = deadline_ms;
}

/* --- the durable write ------------------------------------------------------------------------------ */

int store_commit(store_t *self, store_file_t *file, const char *folder, const char *name) {
    int target = -1, closed;
    int64_t begun_us = clock_us();

    /* Before the rename: a power loss after it must not leave a final name with missing content. */
    if (self->durable && force_to_disk(file->descriptor) != 0)
        goto failed;

    /* A network file system may say only now that it could not write. */
    closed = store_calls.close(file->descriptor);
    file->descriptor = -1;
    if (closed != 0)
        goto failed;

    /* With their entries durable: a power loss must not take the folder away from an acknowledged file. */
    target = store_open_folder(self, folder);
    if (target < 0)
        goto failed;

    /* Storage may have stalled for so long that the listener has given this object to somebody else. */
    if (clock_ms() >= self->deadline_ms) {
        errno = ECANCELED;
        goto failed;
    }

    /* At once or not at all: whoever is killed here leaves the old file or the new one, never a part. */
    if (store_calls.renameat(self->temporary, file->name, target, name) != 0)
        goto failed;
    *file->name = 0;

    /* The acknowledgement goes out after this: a power loss must not bring the old name back. Should it fail, the
     * file is whole and stays, for it may have replaced one that was acknowledged; the peer sends it again. */
    if (self->durable && force_to_disk(target) != 0)
        goto failed;
    close(target);
    trouble_over(&self->trouble);
    metric_add(METRIC_FILES_WRITTEN, NULL, 1);
    metric_add(METRIC_FILE_BYTES_WRITTEN, NULL, file->bytes);
    metric_observe(METRIC_WRITE_TIME, file->spent_us + clock_us() - begun_us);
    return 0;

failed:;
    int reason = errno;
    if (target >= 0)
        close(target);
    store_discard(self, file);
    return reason;
}
