#include "writer/storage/trouble.h"

#include <string.h>

#include "common/plural.h"

/* Of this kind; the last place is shared by those for which there is none. */
static log_limit_t *limit_of(trouble_t *trouble, int reason) {
    int i = 0;
    while (i < TROUBLE_KINDS - 1 && trouble->kinds[i].reason != 0 && trouble->kinds[i].reason != reason)
        i++;
    trouble->kinds[i].reason = reason;
    return &trouble->kinds[i].limit;
}

void trouble_say(trouble_t *trouble, const log_context_t *object, const char *step, int reason, const char *hint) {
    uint64_t left_out;
    trouble->objects++;
    if (!log_rarely(limit_of(trouble, reason), &left_out))
        return;
    log_error(object, "storage failed to %s a file: %s%s%s", step, strerror(reason), hint, log_more(left_out));
}

void trouble_over(trouble_t *trouble) {
    if (trouble->objects > 0)
        log_info(NULL, "storage works again, %llu %s failed meanwhile", (unsigned long long)trouble->objects,
                 plural(trouble->objects, "object", "objects"));
    trouble->objects = 0;
}
