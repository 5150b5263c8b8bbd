#include "common/memory.h"

#include <stdio.h>

char *format_text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = vformat_text(format, arguments);
    va_end(arguments);
    return text;
}

char *vformat_text(const char *format, va_list arguments) {
    char *text;
    return vasprintf(&text, format, arguments) < 0 ? must(NULL) : text;
}

void *grown(void *items, size_t count, size_t size) {
    if (count & (count - 1) || count == 1)
        return items;
    return must(realloc(items, (count ? 2 * count : 2) * size));
}
