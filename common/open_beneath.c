#include "common/open_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"

/* Why there is no openat2(2); 0: there is one, or nobody asked yet. Threads ask, too. */
static atomic_int missing;

/* --- with openat2(2) ----------------------------------------------------------------------------------- */

static int open_by_kernel(int folder, const char *path, int flags, unsigned mode) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    long descriptor;
    do
        descriptor = syscall(SYS_openat2, folder, path, &how, sizeof how);
    while (descriptor < 0 &&
           (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a folder above was renamed meanwhile */
    return (int)descriptor;
}

/* EPERM may be a file's own, such as an immutable one's: a kernel that has the call finds fault with the size
 * first. */
static bool is_missing(int reason) {
    struct open_how how = {0};
    if (reason != ENOSYS && reason != EPERM)
        return false;
    return syscall(SYS_openat2, -1, "", &how, (size_t)0) < 0 && (errno == ENOSYS || errno == EPERM);
}

/* --- without --------------------------------------------------------------------------------------------- */

/* Where O_DIRECTORY finds a symbolic link, openat(2) says ENOTDIR and openat2(2) ELOOP. */
static int open_component(int folder, const char *name, int flags, unsigned mode) {
    struct stat s;
    int descriptor;
    do
        descriptor = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0 && errno == ENOTDIR) {
        bool is_link = fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(s.st_mode);
        errno = is_link ? ELOOP : ENOTDIR;
    }
    return descriptor;
}

/* Copies the component of `size` bytes. Refuses every climb, even within the folder. */
static bool take_component(const char *path, size_t size, char name[NAME_MAX + 1]) {
    bool climbs = size == 2 && memcmp(path, "..", 2) == 0;
    if (size > NAME_MAX || climbs) {
        errno = climbs ? EXDEV : ENAMETOOLONG;
        return false;
    }
    memcpy(name, path, size);
    name[size] = 0;
    return true;
}

static void close_quietly(int descriptor) {
    int reason = errno;
    close(descriptor);
    errno = reason;
}

static int open_by_components(int folder, const char *path, int flags, unsigned mode) {
    char name[NAME_MAX + 1];
    int above = folder;
    if (*path == '/') {
        errno = EXDEV;
        return -1;
    }
    for (;;) {
        size_t size = strcspn(path, "/");
        const char *rest = path + size + strspn(path + size, "/");
        int opened = -1;
        if (take_component(path, size, name))
            opened = *rest ? open_component(above, name, O_PATH | O_DIRECTORY, 0)
                           : open_component(above, name, flags, mode);
        if (above != folder)
            close_quietly(above);
        if (opened < 0 || !*rest)
            return opened;
        above = opened;
        path = rest;
    }
}

/* --- either ------------------------------------------------------------------------------------------------ */

int open_beneath(int folder, const char *path, int flags, unsigned mode) {
    if (atomic_load(&missing) == 0) {
        int descriptor = open_by_kernel(folder, path, flags, mode), reason = errno;
        if (descriptor >= 0 || !is_missing(reason)) {
            errno = reason;
            return descriptor;
        }
        atomic_store(&missing, errno);
    }
    return open_by_components(folder, path, flags, mode);
}

void open_beneath_say(void) {
    int reason = atomic_load(&missing);
    if (reason != 0)
        log_info(NULL, "openat2(2), of Linux 5.6, can't be used: %s; paths are opened one folder after the other",
                 sandbox_refused_by(reason));
}
