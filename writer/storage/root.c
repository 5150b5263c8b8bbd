#include "writer/storage/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "writer/storage/senders.h"

/* The room on the disk is asked for this often at least while files are written, and each time that this part of
 * the room above OXIDICOM_MIN_FREE has been written. */
#define FREE_CHECK_MS    1000
#define FREE_CHECK_SHARE 16

int (*root_fstatfs)(int folder, struct statfs *what) = fstatfs;

void root_init(root_t *root, const char *path) {
    *root = (root_t){.path = copy_text(path), .looked_ms = -1};
    pthread_mutex_init(&root->lock, NULL);
}

void root_clear(root_t *root) {
    pthread_mutex_destroy(&root->lock);
    free(root->path);
    root->path = NULL;
}

/* --- mounts ------------------------------------------------------------------------------------------- */

/* STATX_MNT_ID needs Linux 5.8; before, device and inode have to do. */
static int look_at(int folder, const char *path, struct statx *what) {
    return statx(folder, path, AT_EMPTY_PATH, STATX_INO | STATX_TYPE | STATX_MNT_ID, what) == 0 ? 0 : errno;
}

static bool is_mount(const struct statx *what) {
    return what->stx_attributes & what->stx_attributes_mask & STATX_ATTR_MOUNT_ROOT;
}

/* Why it could not be opened. Landlock allows the folder of the start only, while access(2) asks for permissions
 * alone. */
static int why_closed(root_t *root, int reason) {
    struct statx named = {0};
    if (reason != EACCES || faccessat(AT_FDCWD, root->path, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return reason;
    if (root->was_mount && look_at(AT_FDCWD, root->path, &named) == 0 && !is_mount(&named))
        return ENODEV;
    atomic_store(&root->locked_out, true);
    return ESTALE;
}

static root_place_t place_of(const struct statx *what) {
    return (root_place_t){what->stx_ino, what->stx_mnt_id, what->stx_dev_major, what->stx_dev_minor};
}

int root_open(root_t *root, int *folder, root_place_t *place) {
    struct statx what = {0};
    pthread_mutex_lock(&root->lock);
    root->looked_ms = -1;
    pthread_mutex_unlock(&root->lock);
    *folder = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int reason = *folder < 0 ? why_closed(root, errno) : look_at(*folder, "", &what);
    if (reason == 0 && root->was_mount && !is_mount(&what))
        reason = ENODEV;
    if (reason != 0) {
        if (*folder >= 0)
            close(*folder);
        *folder = -1;
        return reason;
    }
    root->was_mount |= is_mount(&what);
    *place = place_of(&what);
    return 0;
}

/* While it is open, nothing else gets its numbers. */
bool root_is_current(const root_t *root, const root_place_t *place) {
    struct statx what = {0};
    if (look_at(AT_FDCWD, root->path, &what) != 0)
        return false;
    const root_place_t named = place_of(&what);
    return named.inode == place->inode && named.mount == place->mount &&
           named.device_major == place->device_major && named.device_minor == place->device_minor;
}

/* Asks the server once for each time that the root is opened. */
bool root_is_nfs(int folder) {
    struct statfs what;
    return root_fstatfs(folder, &what) == 0 && what.f_type == NFS_SUPER_MAGIC;
}

/* --- room -------------------------------------------------------------------------------------------- */

/* Whether a sender may have so much unfinished where that is left. */
static bool is_fair(uint64_t unfinished, uint64_t left) {
    return unfinished <= SENDER_LITTLE_BYTES || unfinished <= left;
}

/* Takes the bytes off the room before the file system is asked again; false: it must be asked. */
static bool take_allowance(root_t *root, uint64_t size, uint64_t unfinished, int64_t now_ms) {
    pthread_mutex_lock(&root->lock);
    bool taken = root->looked_ms >= 0 && now_ms - root->looked_ms < FREE_CHECK_MS && size <= root->allowance &&
                 is_fair(unfinished, root->room - size);
    if (taken) {
        root->allowance -= size;
        root->room -= size;
    } else {
        root->looked_ms = -1;
    }
    pthread_mutex_unlock(&root->lock);
    return taken;
}

int root_room(root_t *root, int folder, uint64_t size, uint64_t unfinished) {
    struct statvfs what;
    if (root->min_free_bytes == 0 && unfinished <= SENDER_LITTLE_BYTES)
        return 0;
    int64_t now = clock_ms();
    if (take_allowance(root, size, unfinished, now))
        return 0;
    /* A file system that can't say it, or has no such measure, says ENOSPC when it comes to it. */
    if (fstatvfs(folder, &what) != 0 || what.f_blocks == 0)
        return 0;
    uint64_t free_bytes = (uint64_t)what.f_bavail * what.f_frsize;
    if (free_bytes < root->min_free_bytes || free_bytes - root->min_free_bytes < size)
        return ENOSPC;
    uint64_t left = free_bytes - root->min_free_bytes - size;
    if (!is_fair(unfinished, left))
        return EFBIG;
    pthread_mutex_lock(&root->lock);
    root->looked_ms = now;
    root->room = left;
    /* Other writers take theirs meanwhile. */
    root->allowance = left / FREE_CHECK_SHARE;
    pthread_mutex_unlock(&root->lock);
    return 0;
}
