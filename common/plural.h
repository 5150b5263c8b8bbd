/* Words beside a number, in lines of the log and what the tools print. */
#ifndef COMMON_PLURAL_H
#define COMMON_PLURAL_H

#include <stdint.h>

/* The words for one, or for another number: "file", "files". */
static inline const char *plural(uint64_t count, const char *one, const char *more) {
    return count == 1 ? one : more;
}

#endif
