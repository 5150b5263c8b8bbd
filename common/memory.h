/* Memory, without which a process can do nothing that is right. */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Returns the allocated memory; ends the process if there is none. */
static inline void *must(void *allocated) {
    if (!allocated)
        abort();
    return allocated;
}

/* Ends the process if it is false, through lack of memory or a fault of ours. */
static inline void must_hold(bool holds) {
    if (!holds)
        abort();
}

/* A copy of a text, of "" for NULL. Free it. */
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
