/* Who may: what a request is refused for before its presentation contexts are looked at. Pure. */
#ifndef LISTENER_UL_ADMISSION_H
#define LISTENER_UL_ADMISSION_H

#include "common/settings.h"
#include "listener/ul/pdu.h"

/* An A-ASSOCIATE-RJ, and why in words for the log. */
typedef struct rejection {
    reject_result_t result;
    reject_source_t source;
    uint8_t reason;
    const char *why;
} rejection_t;

/* Returns the reason of a refusal, first about the protocol, then about the titles (UTF-8, without padding); NULL:
 * none. */
const rejection_t *admission_rejection(const settings_t *settings, const associate_rq_t *rq, const char *called_ae,
                                       const char *calling_ae);

#endif
