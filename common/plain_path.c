#include "common/plain_path.h"

#include <string.h>

#include "common/memory.h"

char *plain_path(const char *path) {
    char *copy = copy_text(path), *rest = copy, *plain = must(calloc(1, strlen(path) + 2)), *end = plain;
    for (const char *part; (part = strsep(&rest, "/"));) {
        if (strcmp(part, "..") == 0)
            end = end > plain ? strrchr(plain, '/') : plain;
        else if (*part && strcmp(part, ".") != 0)
            end = stpcpy(stpcpy(end, "/"), part);
        *end = 0;
    }
    if (end == plain)
        memcpy(plain, "/", sizeof "/");
    free(copy);
    return plain;
}

bool plain_path_holds(const char *folder, const char *path) {
    size_t length = strlen(folder);
    return strcmp(folder, "/") == 0 ||
           (strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length]));
}
