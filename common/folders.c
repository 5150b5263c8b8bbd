#include "common/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/same_file.h"

mode_t folders_mode(void) {
    mode_t mask = umask(0);
    umask(mask);
    return 0755 & ~mask;
}

/* By its descriptor: the sandbox refuses chmod(2) to all threads, and may come before slow storage has answered. */
static bool set_mode(const char *path, mode_t mode) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool set = folder >= 0 && fchmod(folder, mode) == 0;
    int reason = errno;
    if (folder >= 0)
        close(folder);
    errno = reason;
    return set;
}

bool folders_make(const char *path, mode_t mode) {
    return mkdir(path, mode) == 0 ? set_mode(path, mode) : errno == EEXIST;
}

struct stat folders_known(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 ? s : (struct stat){0};
}

bool folders_are_kept_out(int at, const char *path, const struct stat *known) {
    struct stat s;
    return faccessat(at, path, W_OK | X_OK, AT_EACCESS) == 0 && fstatat(at, path, &s, 0) == 0 &&
           !same_file(&s, known);
}

void folders_make_below(const char *files_root, const char *below, mode_t mode) {
    char *path = format_text("%s/%s", files_root, below), *last = strrchr(path, '/');
    *last = 0;
    bool made = folders_make(path, mode);
    *last = '/';
    if (!made || !folders_make(path, mode))
        log_debug(NULL, "can't make %s: %s", path, strerror(errno));
    free(path);
}
