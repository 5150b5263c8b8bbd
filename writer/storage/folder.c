#include "writer/storage/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "writer/storage/calls.h"
#include "writer/storage/temporary.h"

/* Of ours, not of CUBE's. */
#define OWN_FOLDERS ".oxidicom/"

/* Whether a folder needs an fsync to be durable. On NFS it is durable with the server's answer to its change, and
 * fsync would only wait for other changes. */
bool folder_needs_force(const base_t *base, bool durable) {
    return durable && !base->is_nfs;
}

/* O_PATH asks an NFS server for nothing that its kernel knows already, but can't be forced to the disk. */
static int open_known(const base_t *base, int from, const char *path, bool durable) {
    return open_beneath(from, path, O_DIRECTORY | (folder_needs_force(base, durable) ? O_RDONLY : O_PATH), 0);
}

/* Goes from `folder`, which is closed, to `name` in it, and makes that if it is missing. Returns its descriptor,
 * or -1 with errno. */
static int enter(const base_t *base, int folder, const char *name, mode_t mode, bool durable, bool is_durable) {
    int next = -1;
    bool made = mkdirat(folder, name, mode) == 0;
    /* A power loss must not take the folder's entry away from a file in it. An existing folder may have been made
     * a moment ago by another writer, or by a writer that was killed before it got here. */
    bool ok = made || errno == EEXIST;
    if (ok && folder_needs_force(base, durable) && (made || !is_durable))
        ok = calls_force(folder) == 0;
    if (ok)
        next = open_known(base, folder, name, durable);
    int reason = errno;
    close(folder);
    errno = reason;
    return next;
}

/* Opens the deepest existing folder of `path`, or the root, and puts the missing part into `rest`. On NFS, since
 * mkdir(2) asks the server also for a folder that everybody knows. */
static int open_deepest(const base_t *base, char *path, bool durable, char **rest) {
    for (char *end = path + strlen(path); end > path; end--) {
        if (*end != '/')
            continue;
        *end = 0;
        int deepest = open_known(base, base->root, path, durable);
        *end = '/';
        *rest = end + 1;
        if (deepest >= 0 || errno != ENOENT)
            return deepest;
    }
    *rest = path;
    return open_known(base, base->root, ".", durable);
}

/* Opens the deepest folder above `path` that this writer has been in, and puts the rest into `rest`. Returns -1
 * where it knows none. A folder that is most likely missing is then made at once: the server says EEXIST as soon as
 * it would have said that it is there. */
static int open_above(bases_t *bases, const base_t *base, char *path, bool durable, char **rest) {
    for (char *end = path + strlen(path); end > path; end--) {
        if (*end != '/')
            continue;
        *end = 0;
        int above = bases_is_durable(bases, base, path) ? open_known(base, base->root, path, durable) : -1;
        *end = '/';
        *rest = end + 1;
        if (above >= 0)
            return above;
    }
    return -1;
}

/* The notifier, perhaps of another user, lists CUBE's folders. */
static mode_t mode_of(const char *folder) {
    return strncmp(folder, OWN_FOLDERS, strlen(OWN_FOLDERS)) == 0 ? 0700 : 0755;
}

/* Goes on from `descriptor`, which is closed, through all of `rest`; the last folder gets the mode `last`. */
static int enter_all(const base_t *base, int descriptor, char *rest, mode_t last, bool durable, bool is_durable) {
    for (char *name; descriptor >= 0 && (name = strsep(&rest, "/"));)
        descriptor = enter(base, descriptor, name, rest ? 0755 : last, durable, is_durable);
    return descriptor;
}

static int make(const base_t *base, const char *folder, bool durable, bool is_durable) {
    char *path = copy_text(folder), *rest = path;
    int begin =
        base->is_nfs ? open_deepest(base, path, durable, &rest) : open_known(base, base->root, ".", durable);
    int descriptor = enter_all(base, begin, rest, mode_of(folder), durable, is_durable);
    free(path);
    return descriptor;
}

static int make_below_known(bases_t *bases, const base_t *base, const char *folder, bool durable) {
    char *path = copy_text(folder), *rest = path;
    int above = open_above(bases, base, path, durable, &rest);
    int descriptor = enter_all(base, above, rest, mode_of(folder), durable, false);
    free(path);
    return descriptor;
}

/* On NFS with all folders above it. */
static void remember(bases_t *bases, base_t *base, const char *folder) {
    char *path = copy_text(folder);
    for (char *end = strchr(path, '/'); base->is_nfs && end; end = strchr(end + 1, '/')) {
        *end = 0;
        bases_made_durable(bases, base, path);
        *end = '/';
    }
    bases_made_durable(bases, base, path);
    free(path);
}

int folder_open(bases_t *bases, base_t *base, const char *folder, bool durable) {
    bool is_durable = bases_is_durable(bases, base, folder);
    int descriptor = base->is_nfs && !is_durable ? make_below_known(bases, base, folder, durable) : -1;
    if (descriptor < 0 && (is_durable || !folder_needs_force(base, durable))) {
        descriptor = open_known(base, base->root, folder, durable);
        if (descriptor < 0 && errno != ENOENT)
            return -1;
    }
    if (descriptor < 0)
        descriptor = make(base, folder, durable, is_durable);
    if (descriptor >= 0 && !is_durable)
        remember(bases, base, folder);
    return descriptor;
}
