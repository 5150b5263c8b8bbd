/* Memory, without which a process can do nothing that is right. */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stddef.h>

/* Returns what was allocated; ends the process where nothing was. */
void *must(void *allocated);

/* An array of `count` items, of `size` bytes each, with room for one more: it grows at powers of two. Takes
 * `items`, which is NULL at first, and never fails. */
void *grown(void *items, size_t count, size_t size);

#endif
