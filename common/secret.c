#include "common/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static bool is_text(char *content, size_t size, const char **why) {
    *why = size > SECRET_FILE_MAX_BYTES       ? "it is too long"
           : memchr(content, 0, size) != NULL ? "it has a NUL byte"
                                              : NULL;
    if (*why)
        return false;
    content[size] = 0;
    if (size > 0 && content[size - 1] == '\n')
        content[--size] = 0;
    if (size > 0 && content[size - 1] == '\r')
        content[--size] = 0;
    *why = size == 0 ? "it is empty" : NULL;
    return size > 0;
}

char *secret_read(const char *path, const char **why) {
    FILE *file = fopen(path, "re");
    if (!file) {
        *why = strerror(errno);
        return NULL;
    }
    char *content = must(malloc(SECRET_FILE_MAX_BYTES + 2));
    size_t size = fread(content, 1, SECRET_FILE_MAX_BYTES + 1, file);
    int failed = ferror(file) ? errno : 0;
    (void)fclose(file); /* it was only read */
    if (failed)
        *why = strerror(failed);
    if (!failed && is_text(content, size, why))
        return content;
    free(content);
    return NULL;
}
