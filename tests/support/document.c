#include "tests/support/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/receiver.h"

#define END_MARKER "<!-- /"

char *missing_part(const char *document_path, const char *printed) {
    size_t size;
    char *document = file_content(document_path, &size), *missing = NULL;
    if (!document || !*printed) {
        fprintf(stderr, "%s is not there, or nothing is printed for it\n", document_path);
        abort();
    }
    while (*printed && !missing) {
        const char *end = strstr(printed, END_MARKER);
        end = end ? strchr(end, '\n') : NULL;
        size_t length = end ? (size_t)(end - printed) + 1 : strlen(printed);
        missing = strndup(printed, length);
        if (missing && strstr(document, missing)) {
            free(missing);
            missing = NULL;
        }
        printed += length;
    }
    free(document);
    return missing;
}
