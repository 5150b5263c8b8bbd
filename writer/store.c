/* The one durable write sequence of the writer, and the folders that it needs. */
#include "writer/store.h"

#include <czmq.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/limits.h"
#include "common/log.h"
#include "writer/temporary.h"

struct store {
    char *files_root, *id;
    uint64_t incarnation;
    bool durable;
    int root, temporary; /* folders; -1: not open */
    uint64_t begun;      /* files, for their names */
    zhashx_t *folders;   /* whose entries in all folders above are known to be durable */
};

store_calls_t store_calls = {writev, fsync, close, renameat};

/* --- life ------------------------------------------------------------------------------------------- */

static void close_folders(store_t *self) {
    if (self->temporary >= 0)
        close(self->temporary);
    if (self->root >= 0)
        close(self->root);
    self->temporary = self->root = -1;
}

/* Returns 0 or an errno value. */
static int open_folders(store_t *self) {
    self->root = open(self->files_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->root < 0)
        return errno;
    self->temporary = temporary_open(self->root, self->id, self->incarnation);
    return self->temporary < 0 ? errno : 0;
}

store_t *store_new(const char *files_root, const char *id, uint64_t incarnation, bool durable) {
    store_t *self = calloc(1, sizeof *self);
    if (!self || !(self->files_root = strdup(files_root)) || !(self->id = strdup(id)))
        abort();
    self->incarnation = incarnation;
    self->durable = durable;
    self->folders = zhashx_new();
    self->root = self->temporary = -1;
    int reason = open_folders(self);
    if (reason == 0)
        return self;
    log_error(NULL, "can't use OXIDICOM_FILES_ROOT \"%s\": %s%s", files_root, strerror(reason),
              reason == ENOSYS ? " (openat2 is needed, Linux 5.6)" : "");
    store_destroy(&self);
    return NULL;
}

void store_destroy(store_t **self_p) {
    store_t *self = *self_p;
    if (!self)
        return;
    if (self->temporary >= 0)
        temporary_close(self->root, self->temporary, self->id, self->incarnation);
    self->temporary = -1;
    close_folders(self);
    zhashx_destroy(&self->folders);
    free(self->files_root);
    free(self->id);
    free(self);
    *self_p = NULL;
}

/* --- temporary files -------------------------------------------------------------------------------- */

static int create(store_t *self, store_file_t *file) {
    file->descriptor = open_beneath(self->temporary, file->name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    return file->descriptor < 0 ? errno : 0;
}

int store_begin(store_t *self, store_file_t *file) {
    *file = (store_file_t){.descriptor = -1};
    snprintf(file->name, sizeof file->name, "%llu", (unsigned long long)++self->begun);
    int reason = create(self, file);
    /* Somebody has removed the folder, or the root and made it again, or a server has forgotten it. */
    if (reason == ENOENT || reason == ESTALE || reason == EBADF) {
        close_folders(self);
        zhashx_purge(self->folders);
        reason = open_folders(self);
        if (reason == 0)
            reason = create(self, file);
    }
    if (reason != 0)
        *file = (store_file_t){.descriptor = -1};
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

int store_append(store_t *self, store_file_t *file, struct iovec *parts, int parts_count) {
    int reason = 0;
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
    if (reason != 0)
        store_discard(self, file);
    return reason;
}

void store_discard(store_t *self, store_file_t *file) {
    if (file->descriptor >= 0)
        close(file->descriptor);
    if (*file->name && unlinkat(self->temporary, file->name, 0) != 0 && errno != ENOENT)
        log_error(NULL, "can't remove the temporary file %s: %s", file->name, strerrorname_np(errno));
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
        ok = store_calls.fsync(folder) == 0;
    if (ok)
        next = open_beneath(folder, name, O_RDONLY | O_DIRECTORY, 0);
    int reason = errno;
    close(folder);
    errno = reason;
    return next;
}

/* Opens a folder below the root, making what is missing of it. Returns a descriptor, or -1 with errno. */
static int open_folder(store_t *self, const char *folder) {
    bool is_durable = zhashx_lookup(self->folders, folder) != NULL;
    if (is_durable || !self->durable) {
        int known = open_beneath(self->root, folder, O_RDONLY | O_DIRECTORY, 0);
        if (known >= 0 || errno != ENOENT)
            return known;
    }
    char *path = strdup(folder), *rest = path;
    if (!path)
        abort();
    int descriptor = open_beneath(self->root, ".", O_RDONLY | O_DIRECTORY, 0);
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

/* --- the durable write ------------------------------------------------------------------------------ */

int store_commit(store_t *self, store_file_t *file, const char *folder, const char *name) {
    int target = -1, closed;

    /* Before the rename: a power loss after it must not leave a final name with missing content. */
    if (self->durable && store_calls.fsync(file->descriptor) != 0)
        goto failed;

    /* A network file system may say only now that it could not write. */
    closed = store_calls.close(file->descriptor);
    file->descriptor = -1;
    if (closed != 0)
        goto failed;

    /* With their entries durable: a power loss must not take the folder away from an acknowledged file. */
    target = open_folder(self, folder);
    if (target < 0)
        goto failed;

    /* At once or not at all: whoever is killed here leaves the old file or the new one, never a part. */
    if (store_calls.renameat(self->temporary, file->name, target, name) != 0)
        goto failed;
    *file->name = 0;

    /* The acknowledgement goes out after this: a power loss must not bring the old name back. Should it fail, the
     * file is whole and stays, for it may have replaced one that was acknowledged; the peer sends it again. */
    if (self->durable && store_calls.fsync(target) != 0)
        goto failed;
    close(target);
    return 0;

failed:;
    int reason = errno;
    if (target >= 0)
        close(target);
    store_discard(self, file);
    return reason;
}
