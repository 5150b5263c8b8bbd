#include "listener/ul/admission.h"

#include <string.h>

#include "common/comma_list.h"

/* PS3.8 9.3.4 */
static const rejection_t PROTOCOL_VERSION = {REJECTED_PERMANENT, SOURCE_ACSE, ACSE_PROTOCOL_VERSION_NOT_SUPPORTED,
                                             "no protocol version in common"},
                         APPLICATION_CONTEXT = {REJECTED_PERMANENT, SOURCE_USER,
                                                USER_APPLICATION_CONTEXT_NOT_SUPPORTED,
                                                "unknown application context"},
                         TOO_MANY_CONTEXTS = {REJECTED_PERMANENT, SOURCE_PRESENTATION,
                                              PRESENTATION_LOCAL_LIMIT_EXCEEDED,
                                              "more presentation contexts than are answered"},
                         CALLED_AE = {REJECTED_PERMANENT, SOURCE_USER, USER_CALLED_AE_TITLE_NOT_RECOGNIZED,
                                      "it calls another AE title than OXIDICOM_SCP_AET"},
                         CALLING_AE = {REJECTED_PERMANENT, SOURCE_USER, USER_CALLING_AE_TITLE_NOT_RECOGNIZED,
                                       "its AE title is not in OXIDICOM_ALLOW_CALLING_AETS"};

static bool is_listed(const char *list, const char *title) {
    const char *item;
    size_t size;
    while (comma_list_next(&list, &item, &size))
        if (strlen(title) == size && memcmp(item, title, size) == 0)
            return true;
    return false;
}

const rejection_t *admission_rejection(const settings_t *settings, const associate_rq_t *rq, const char *called_ae,
                                       const char *calling_ae) {
    if (!(rq->protocol_version & 1)) /* a bit for each version, PS3.8 table 9-11 */
        return &PROTOCOL_VERSION;
    if (!uid_is(rq->application_context, APPLICATION_CONTEXT_NAME))
        return &APPLICATION_CONTEXT;
    if (settings->require_called_aet && strcmp(called_ae, settings->scp_aet) != 0)
        return &CALLED_AE;
    if (settings->allow_calling_aets && !is_listed(settings->allow_calling_aets, calling_ae))
        return &CALLING_AE;
    return rq->contexts_count > PRESENTATION_CONTEXTS_MAX ? &TOO_MANY_CONTEXTS : NULL;
}
