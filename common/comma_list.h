/* Lists in settings: items between commas, spaces around them of no meaning. */
#ifndef COMMON_COMMA_LIST_H
#define COMMON_COMMA_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Takes the next item, which may be empty, from `*list`; the item points into the list. False after the last. */
bool comma_list_next(const char **list, const char **item, size_t *size);

#endif
