#include "common/memory.h"

#include <stdlib.h>

void *must(void *allocated) {
    if (!allocated)
        abort();
    return allocated;
}

void *grown(void *items, size_t count, size_t size) {
    if (count & (count - 1) || count == 1)
        return items;
    return must(realloc(items, (count ? 2 * count : 2) * size));
}
