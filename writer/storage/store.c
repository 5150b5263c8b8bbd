/* The one durable write sequence of the writer, and the folders that it needs. */
#include "writer/storage/store.h"

#include <czmq.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/portability.h"
#include "writer/storage/base.h"
#include "writer/storage/claims.h"
#include "writer/storage/folder.h"
#include "writer/storage/leftovers.h"
#include "writer/storage/naming.h"
#include "writer/storage/stuck.h"
#include "writer/storage/temporary.h"
#include "writer/storage/trouble.h"

struct store {
    bases_t bases;
    bool durable;
    mode_t file_mode;
    atomic_ullong begun;         /* files, for their names */
    _Atomic int64_t deadline_ms; /* of final places */
    naming_t naming;
    stuck_t stuck;
    zhashx_t *senders;    /* the loop's */
    pthread_mutex_t lock; /* of the next one */
    trouble_t trouble;
};

_Static_assert(sizeof((store_file_t *)NULL)->name == TEMPORARY_NAME_BYTES, "a file's name is temporary_name's");

/* --- life ------------------------------------------------------------------------------------------- */

store_t *store_new(const char *files_root, const char *id, uint64_t incarnation, bool durable) {
    store_t *self = must(calloc(1, sizeof *self));
    bases_init(&self->bases, files_root, id, incarnation);
    pthread_mutex_init(&self->lock, NULL);
    naming_init(&self->naming);
    stuck_init(&self->stuck);
    self->durable = durable;
    self->file_mode = 0644;
    self->deadline_ms = INT64_MAX;
    self->senders = senders_new();
    base_t *base = NULL;
    int reason = bases_reopen(&self->bases, &base);
    bases_give_back(&self->bases, &base);
    if (reason == 0) {
        store_sweep(self);
        return self;
    }
    log_error(NULL, "can't use OXIDICOM_FILES_ROOT \"%s\": %s", files_root, strerror(reason));
    if (trouble_may_pass(reason))
        return self; /* objects are answered A700 until it works */
    store_destroy(&self);
    return NULL;
}

void store_destroy(store_t **self_p) {
    store_t *self = *self_p;
    if (!self)
        return;
    bases_clear(&self->bases);
    pthread_mutex_destroy(&self->lock);
    naming_clear(&self->naming);
    stuck_clear(&self->stuck);
    zhashx_destroy(&self->senders);
    free(self);
    *self_p = NULL;
}

bool store_locked_out(const store_t *self) {
    return atomic_load(&self->bases.root.locked_out);
}

void store_keep_free(store_t *self, uint64_t bytes) {
    self->bases.root.min_free_bytes = bytes;
}

void store_set_file_mode(store_t *self, mode_t mode) {
    self->file_mode = mode;
}

void store_complain(store_t *self, const log_context_t *object, const char *step, int reason) {
    char hint[64] = "";
    const char *name = errno_name(reason);
    metric_add(METRIC_STORAGE_FAILURES, name ? name : "unknown", 1);
    if (reason == ENOSPC && self->bases.root.min_free_bytes > 0)
        snprintf(hint, sizeof hint, " (OXIDICOM_MIN_FREE keeps %llu MiB)",
                 (unsigned long long)self->bases.root.min_free_bytes >> 20);
    else if (reason == EFBIG)
        snprintf(hint, sizeof hint, " (its sender has more unfinished than is free)");
    else if (reason == ENODEV)
        snprintf(hint, sizeof hint, " (OXIDICOM_FILES_ROOT is not mounted)");
    pthread_mutex_lock(&self->lock);
    trouble_say(&self->trouble, object, step, reason, hint);
    pthread_mutex_unlock(&self->lock);
}

/* --- leftovers -------------------------------------------------------------------------------------- */

void store_sweep(store_t *self) {
    base_t *base = bases_borrow(&self->bases);
    char *host = host_folder(), run[RUN_NAME_BYTES + 1];
    if (base && root_is_current(&self->bases.root, &base->place)) {
        stuck_retry(&self->stuck, base->temporary);
        run_name(self->bases.incarnation, run);
        size_t removed = leftovers_sweep(base->root, &(sweeper_t){host, run});
        if (removed > 0)
            log_info(NULL, "removed temporary files that dead writers left: %zu", removed);
        removed = leftovers_sweep_links(base->root);
        if (removed > 0)
            log_info(NULL, "removed links of series that are not received any more: %zu", removed);
    }
    free(host);
    bases_give_back(&self->bases, &base);
}

/* --- temporary files -------------------------------------------------------------------------------- */

sender_t *store_sender(store_t *self, const char *peer) {
    return sender_of(self->senders, peer);
}

static void count_for_sender(store_file_t *file, uint64_t bytes) {
    if (!file->sender)
        return;
    atomic_fetch_add(&file->sender->unfinished, bytes);
    file->counted += bytes;
}

void store_uncount(store_file_t *file) {
    if (file->sender)
        atomic_fetch_sub(&file->sender->unfinished, file->counted);
    file->sender = NULL;
    file->counted = 0;
}

static void forget(store_file_t *file) {
    *file = (store_file_t){.descriptor = -1};
}

/* Under a name that no file has had. A server may have made it when its answer is lost, or is another one's (NFS:
 * EEXIST for a request that was repeated): it would stay for as long as this writer lives. */
static int create_once(store_t *self, const base_t *base, store_file_t *file) {
    temporary_name(atomic_fetch_add(&self->begun, 1) + 1, base->is_nfs, file->name);
    file->descriptor = temporary_create(base->temporary, file->name, base->is_nfs, self->file_mode);
    if (file->descriptor >= 0)
        return 0;
    int reason = errno;
    stuck_remove_quietly(&self->stuck, base->temporary, file->name);
    return reason;
}

static int create(store_t *self, const base_t *base, store_file_t *file) {
    int reason = root_room(&self->bases.root, base->root, 0, 0);
    if (reason == 0 && (reason = create_once(self, base, file)) == EEXIST)
        reason = create_once(self, base, file);
    return reason;
}

/* Somebody has removed the folder, or the root and made it again, or has mounted it anew, or a server has
 * forgotten it: the open folders are of no use. */
static bool is_gone(int reason) {
    return reason == ENOENT || reason == ESTALE || reason == EBADF || reason == EIO || reason == ENOTCONN ||
           reason == ENODEV;
}

int store_begin(store_t *self, store_file_t *file) {
    int64_t begun_us = clock_us();
    forget(file);
    base_t *base = bases_borrow(&self->bases);
    int reason = base && root_is_current(&self->bases.root, &base->place) ? create(self, base, file) : ESTALE;
    if (is_gone(reason)) {
        reason = bases_reopen(&self->bases, &base);
        if (reason == 0)
            reason = create(self, base, file);
    }
    if (reason != 0)
        forget(file);
    else
        stuck_retry(&self->stuck, base->temporary);
    if (reason == 0)
        file->spent_us = clock_us() - begun_us;
    bases_give_back(&self->bases, &base);
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

/* Takes the written bytes off the parts. Returns the index of the first part with bytes left. */
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
    uint64_t size = size_of(parts, parts_count);
    uint64_t unfinished = file->sender ? atomic_load(&file->sender->unfinished) + size : 0;
    int reason = root_room(&self->bases.root, file->descriptor, size, unfinished);
    if (reason == 0)
        count_for_sender(file, size);
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

void store_close(store_file_t *file) {
    if (file->descriptor >= 0)
        (void)store_calls.close(file->descriptor); /* storage has taken all of it, or need not */
    file->descriptor = -1;
}

void store_discard(store_t *self, store_file_t *file) {
    store_close(file);
    store_uncount(file);
    base_t *base = *file->name ? bases_borrow(&self->bases) : NULL;
    if (base)
        stuck_remove(&self->stuck, base->temporary, file->name);
    bases_give_back(&self->bases, &base);
    forget(file);
}

/* --- folders ---------------------------------------------------------------------------------------- */

int store_open_folder(store_t *self, const char *folder) {
    base_t *base = bases_borrow(&self->bases);
    int descriptor = base ? folder_open(&self->bases, base, folder, self->durable) : -1,
        reason = base ? errno : ENOENT;
    bases_give_back(&self->bases, &base);
    errno = reason;
    return descriptor;
}

void store_set_deadline(store_t *self, int64_t deadline_ms) {
    self->deadline_ms = deadline_ms;
}

/* --- the durable write ------------------------------------------------------------------------------ */

/* Storage may have stalled for so long that the listener has given this object up, or to somebody else. */
static bool is_given_up(const store_t *self, const store_file_t *file) {
    return (file->given_up && atomic_load(file->given_up)) || clock_ms() >= self->deadline_ms;
}

/* Whether the file may have its final place: 0 or an errno value. Other storage may have taken the root's place. */
static int may_be_placed(store_t *self, const base_t *base, const store_file_t *file) {
    if (is_given_up(self, file))
        return ECANCELED;
    return bases_is_now(&self->bases, base) || root_is_current(&self->bases.root, &base->place) ? 0 : ESTALE;
}

/* A network file system may say only at its end that it could not write, unless fsync has asked it before: then a
 * close can wait until the acknowledgement is out. */
static int end_writing(const store_t *self, store_file_t *file) {
    if (self->durable)
        return calls_force(file->descriptor);
    int descriptor = file->descriptor;
    file->descriptor = -1;
    return store_calls.close(descriptor);
}

int store_commit(store_t *self, store_file_t *file, const char *folder, const char *name) {
    int target = -1;
    int64_t begun_us = clock_us();
    base_t *base = bases_borrow(&self->bases);

    /* Before the rename: a power loss after it must not leave a final name with missing content. */
    if (end_writing(self, file) != 0)
        goto failed;

    /* With their entries durable: a power loss must not take the folder away from an acknowledged file. */
    errno = ENOENT;
    target = base ? folder_open(&self->bases, base, folder, self->durable) : -1;
    if (target < 0)
        goto failed;

    /* As late as possible: an object given up after this can't be called back. */
    errno = may_be_placed(self, base, file);
    if (errno != 0)
        goto failed;

    /* At once or not at all: a kill here leaves the old file or the new one, never a part. */
    if (store_calls.renameat(base->temporary, file->name, target, name) != 0)
        goto failed;
    *file->name = 0;
    store_uncount(file);

    /* The acknowledgement goes out after this: a power loss must not bring the old name back. Should it fail, the
     * file is whole and stays, for it may have replaced an acknowledged one; the peer sends it again. */
    if (folder_needs_force(base, self->durable) && calls_force(target) != 0)
        goto failed;
    close(target);
    bases_give_back(&self->bases, &base);
    pthread_mutex_lock(&self->lock);
    trouble_over(&self->trouble);
    pthread_mutex_unlock(&self->lock);
    metric_add(METRIC_FILES_WRITTEN, NULL, 1);
    metric_add(METRIC_FILE_BYTES_WRITTEN, NULL, file->bytes);
    metric_observe(METRIC_WRITE_TIME, file->spent_us + clock_us() - begun_us);
    return 0;

failed:;
    int reason = errno;
    if (target >= 0)
        close(target);
    bases_give_back(&self->bases, &base);
    store_discard(self, file);
    return reason;
}

/* --- what a place is of ----------------------------------------------------------------------------- */

static void take_place_of(char **text, char *other) {
    free(*text);
    *text = other;
}

/* Nothing that is given up makes a link. */
static int go_home(store_t *self, const store_file_t *file, home_t *home, char **folder) {
    int reason = is_given_up(self, file) ? ECANCELED : home_find(home, &self->bases, self->durable, *folder);
    if (reason == 0)
        take_place_of(folder, copy_text(home_folder(home)));
    return reason;
}

int store_commit_as(store_t *self, store_file_t *file, const store_identity_t *identity, char **folder,
                    char **name) {
    int reason = identity->home ? go_home(self, file, identity->home, folder) : 0;
    if (reason != 0) {
        store_discard(self, file);
        return reason;
    }
    char *naming = NULL;
    base_t *base = bases_borrow(&self->bases);
    if (base && identity->identity) {
        naming = naming_begin(&self->naming, *folder, *name);
        claim_t claim = {*name, file->name, identity->instance_uid, identity->identity};
        take_place_of(name, claims_file(base, *folder, &claim));
    }
    bases_give_back(&self->bases, &base);
    reason = store_commit(self, file, *folder, *name);
    if (naming)
        naming_end(&self->naming, naming);
    return reason;
}
