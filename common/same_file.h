/* Whether two stat(2) are of one file or folder. */
#ifndef COMMON_SAME_FILE_H
#define COMMON_SAME_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* As long as one of them is open or there: else its numbers may be another's. */
static inline bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

#endif
