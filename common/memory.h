/* Memory, without which a process can do nothing that is right. */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Returns what was allocated; ends the process where nothing was. */
static inline void *must(void *allocated) {
    if (!allocated)
        abort();
    return allocated;
}

/* Ends the process where it is false, which only a lack of memory or a fault of ours can be the reason of. */
static inline void must_hold(bool holds) {
    if (!holds)
        abort();
}

/* A copy of a text, of "" where it is NULL. Free it. */
static inline char *copy_text(const char *text) {
    return must(strdup(text ? text : ""));
}

/* What printf would print. Free it. */
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *vformat_text(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* An array of `count` items, of `size` bytes each, with room for one more: it grows at powers of two. Takes
 * `items`, which is NULL at first, and never fails. */
void *grown(void *items, size_t count, size_t size);

#endif
