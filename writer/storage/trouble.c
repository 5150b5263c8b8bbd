#include "writer/storage/trouble.h"

#include <errno.h>
#include <string.h>

#include "common/metrics.h"
#include "common/plural.h"

/* Of this kind; the last place is shared by those for which there is none. */
static log_limit_t *limit_of(trouble_t *trouble, int reason) {
    int i = 0;
    while (i < TROUBLE_KINDS - 1 && trouble->kinds[i].reason != 0 && trouble->kinds[i].reason != reason)
        i++;
    trouble->kinds[i].reason = reason;
    return &trouble->kinds[i].limit;
}

bool trouble_may_pass(int reason) {
    return reason == ENOSPC || reason == EDQUOT || reason == EIO || reason == EROFS || reason == ESTALE ||
           reason == ENOTCONN || reason == ETIMEDOUT || reason == EHOSTDOWN;
}

/* Other errors are of one object, or of its place. */
static bool is_of_all_storage(int reason) {
    return trouble_may_pass(reason) || reason == ENODEV || reason == EACCES || reason == EPERM;
}

void trouble_say(trouble_t *trouble, const log_context_t *object, const char *step, int reason, const char *hint) {
    uint64_t left_out;
    trouble->objects++;
    if (is_of_all_storage(reason))
        metric_set(METRIC_STORAGE_FAILING, NULL, 1);
    if (!log_rarely(limit_of(trouble, reason), &left_out))
        return;
    log_error(object, "storage failed to %s a file: %s%s%s", step, strerror(reason), hint, log_more(left_out));
}

void trouble_over(trouble_t *trouble) {
    if (trouble->objects == 0)
        return;
    log_info(NULL, "storage works again, %llu %s failed meanwhile", (unsigned long long)trouble->objects,
             plural(trouble->objects, "object", "objects"));
    metric_set(METRIC_STORAGE_FAILING, NULL, 0);
    trouble->objects = 0;
}
