#include "common/folders.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

mode_t folders_mode(void) {
    mode_t mask = umask(0);
    umask(mask);
    return 0755 & ~mask;
}

bool folders_make(const char *path, mode_t mode) {
    return mkdir(path, mode) == 0 ? chmod(path, mode) == 0 : errno == EEXIST;
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
