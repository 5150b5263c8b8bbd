#include "common/comma_list.h"

#include <string.h>

bool comma_list_next(const char **list, const char **item, size_t *size) {
    if (!*list)
        return false;
    const char *begin = *list, *end = begin + strcspn(begin, ",");
    *list = *end ? end + 1 : NULL;
    while (begin < end && *begin == ' ')
        begin++;
    while (end > begin && end[-1] == ' ')
        end--;
    *item = begin;
    *size = (size_t)(end - begin);
    return true;
}
