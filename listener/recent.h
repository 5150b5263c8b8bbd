/* What peers were refused lately, for those who look from outside: rejections, aborts of ours, and C-STOREs that
 * were answered with anything but Success. Kept in memory only; the log has all of it. */
#ifndef LISTENER_RECENT_H
#define LISTENER_RECENT_H

#include "listener/ul/association.h"

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

/* Texts are copied and cut. `what` is A-ASSOCIATE-RJ or A-ABORT. */
void recent_add(recent_t *recent, const association_t *association, const char *what, const char *why);
void recent_add_store(recent_t *recent, const association_t *association, const message_t *message,
                      const response_t *response);

/* The nth newest, from 0; NULL after the last. */
const refused_t *recent_nth(const recent_t *recent, size_t n);

#endif
