/* What peers were refused lately, for those who look from outside: rejections, aborts of ours, and C-STOREs that
 * were answered with anything but Success. Kept in memory only; the log has all of it. */
#ifndef LISTENER_UL_RECENT_H
#define LISTENER_UL_RECENT_H

#include "common/limits.h"
#include "common/metrics.h"
#include "listener/ul/state.h"

/* Refusals that are remembered. */
#define REFUSALS_KEPT 24

typedef struct refused {
    int64_t at; /* milliseconds since 1970 */
    uint64_t association, times;
    char calling_ae[METRIC_LABEL_MAX_BYTES + 1];
    char peer[64];
    char what[16];
    char sop_instance_uid[UID_MAX_BYTES + 1];
    char why[128];
} refused_t;

typedef struct recent {
    refused_t items[REFUSALS_KEPT];
    size_t count, next;
} recent_t;

/* Texts are copied and cut. `what` is A-ASSOCIATE-RJ, A-ABORT, or the status of a C-STORE; `uid` is its SOP
 * instance, else NULL. */
void recent_add(recent_t *recent, const association_t *association, const char *what, const char *why,
                const char *uid);

/* The nth newest, from 0; NULL after the last. */
const refused_t *recent_nth(const recent_t *recent, size_t n);

#endif
