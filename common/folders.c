#include "common/folders.h"

#include <errno.h>

mode_t folders_mode(void) {
    mode_t mask = umask(0);
    umask(mask);
    return 0755 & ~mask;
}

bool folders_make(const char *path, mode_t mode) {
    return mkdir(path, mode) == 0 ? chmod(path, mode) == 0 : errno == EEXIST;
}
