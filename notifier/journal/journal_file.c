#include "notifier/journal/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/folders.h"
#include "common/host.h"
#include "common/log.h"
#include "common/memory.h"

/* --- where it lies ------------------------------------------------------------------------------------- */

/* Makes the folder and those above it, but none of the first `there` bytes; only this user may look into it, since
 * a journal names patients. */
static bool make_folder(const char *folder, size_t there) {
    char path[PATH_MAX];
    if (strlen(folder) >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path, folder, strlen(folder) + 1);
    for (char *slash = strchr(path + there + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST && access(path, F_OK) != 0)
            return false;
        *slash = '/';
    }
    return (mkdir(path, 0700) == 0 || errno == EEXIST) && access(path, W_OK | X_OK) == 0;
}

/* The folder that replaces a state_dir that can't be written; free it. NULL where there is no memory. The files
 * root is storage, and absent until that is mounted: a folder made in its place would be taken for it by the
 * writers. */
static char *fallback_folder(const settings_t *settings) {
    char host[HOST_NAME_MAX + 1], *folder;
    host_read_name(host);
    return asprintf(&folder, "%s/" JOURNAL_FALLBACK "/%s", settings->files_root, host) < 0 ? NULL : folder;
}

char *journal_folder(const settings_t *settings, bool *network) {
    *network = false;
    if (make_folder(settings->state_dir, 0))
        return strdup(settings->state_dir);
    int reason = errno;
    char *folder = fallback_folder(settings);
    *network = true;
    if (folder && make_folder(folder, strlen(settings->files_root))) {
        log_warn(NULL, "OXIDICOM_STATE_DIR %s can't be written (%s): the journal is in %s", settings->state_dir,
                 strerror(reason), folder);
        return folder;
    }
    log_error(NULL, "no place for the journal: OXIDICOM_STATE_DIR %s: %s; %s: %s", settings->state_dir,
              strerror(reason), folder ? folder : "", strerror(errno));
    free(folder);
    return NULL;
}

bool journal_file_make_folder(const settings_t *settings) {
    if (make_folder(settings->state_dir, 0))
        return false;
    char *folder = fallback_folder(settings);
    folders_make_below(settings->files_root, JOURNAL_FALLBACK, folders_mode());
    if (!folder || !make_folder(folder, strlen(settings->files_root)))
        log_debug(NULL, "no folder for the journal yet: %s", strerror(errno));
    free(folder);
    return true;
}

int journal_file_lock(const char *path) {
    char *name = format_text("%s.lock", path);
    int file = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    free(name);
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB) == 0)
        return file;
    int reason = errno;
    close(file);
    errno = reason;
    return -1;
}

/* --- a damaged one --------------------------------------------------------------------------------------- */

/* Whether the name is gone from `path`: renamed, or never there. */
static bool move(const char *path, const char *aside, const char *suffix) {
    char *from = format_text("%s%s", path, suffix), *to = format_text("%s%s", aside, suffix);
    bool moved = rename(from, to) == 0 || errno == ENOENT;
    if (!moved)
        log_error(NULL, "can't rename %s: %s", from, strerror(errno));
    free(from);
    free(to);
    return moved;
}

/* Without it, a power cut could bring the old name back. */
static void make_durable(const char *path) {
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    int descriptor = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (descriptor < 0 || fsync(descriptor) != 0)
        log_warn(NULL, "can't force the journal's folder to the disk: %s", strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
}

bool journal_file_set_aside(const char *path) {
    struct timespec now;
    struct tm utc;
    char when[32], *aside;
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", gmtime_r(&now.tv_sec, &utc));
    aside = format_text("%s.damaged-%s.%03ldZ", path, when, now.tv_nsec / 1000000);
    /* The file first: SQLite ignores logs without their file. With its logs under the same name, SQLite's shell
     * can still recover its content. */
    bool moved = move(path, aside, "") && move(path, aside, "-wal") && move(path, aside, "-shm") &&
                 move(path, aside, "-journal");
    if (moved)
        log_error(
            NULL,
            "THE JOURNAL WAS DAMAGED and is now %s. Series that were not registered yet are known only there and "
            "by their folders",
            aside);
    make_durable(path);
    free(aside);
    return moved;
}

/* --- durability ---------------------------------------------------------------------------------------- */

/* SQLite forces the journal's own entry to the disk, but not the folder's, nor those above it: a power loss could
 * take them away with everything that was acknowledged. An existing one may have been made a moment ago by a
 * notifier that was killed before it got here. A folder that this user may not read is not of our making. */
bool journal_file_sync_folders(const char *path) {
    char folder[PATH_MAX];
    bool synced = true;
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; synced && (slash = strrchr(folder, '/'));) {
        *slash = 0;
        int descriptor = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (descriptor < 0)
            continue;
        synced = fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS;
        if (!synced)
            log_error(NULL, "can't force %s to the disk: %s", *folder ? folder : "/", strerror(errno));
        close(descriptor);
    }
    return synced;
}
