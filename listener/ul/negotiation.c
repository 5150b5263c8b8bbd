#include "listener/ul/negotiation.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "listener/ul/uids.h"

static bool abstract_syntax_accepted(syntax_uid_t uid, negotiation_policy_t policy) {
    if (uid.size == 0 || uid.size > UID_MAX_BYTES)
        return false;
    return uid_is(uid, VERIFICATION_SOP_CLASS) || policy.promiscuous || storage_sop_class_known(uid);
}

static const char *choose_transfer_syntax(const proposed_context_t *context, negotiation_policy_t policy) {
    reader_t items = context->transfer_syntaxes;
    syntax_uid_t uid;
    while (transfer_syntax_next(&items, &uid)) {
        const known_transfer_syntax_t *known = transfer_syntax_find(uid);
        if (known && (known->native || !policy.uncompressed_only))
            return known->uid;
    }
    return NULL;
}

static answered_context_t answer(const proposed_context_t *context, negotiation_policy_t policy, bool id_usable) {
    answered_context_t a = {.id = context->id, .transfer_syntax = IMPLICIT_VR_LITTLE_ENDIAN};
    const char *chosen = choose_transfer_syntax(context, policy);
    if (!id_usable)
        a.result = CONTEXT_NO_REASON;
    else if (!abstract_syntax_accepted(context->abstract_syntax, policy))
        a.result = CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED;
    else if (!chosen)
        a.result = CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED;
    else
        a.transfer_syntax = chosen;
    return a;
}

size_t negotiate(const associate_rq_t *rq, negotiation_policy_t policy, answered_context_t *answers,
                 presentation_contexts_t accepted) {
    bool seen[256] = {false};
    size_t count = 0;
    for (size_t i = 0; i < rq->contexts_count; i++) {
        const proposed_context_t *context = &rq->contexts[i];
        /* Ids are odd and differ (PS3.8 9.3.2.2); a message could not tell two of the same id apart. */
        answers[i] = answer(context, policy, (context->id & 1) && !seen[context->id]);
        seen[context->id] = true;
        if (answers[i].result != CONTEXT_ACCEPTED)
            continue;
        accepted[context->id] = (presentation_context_t){
            .abstract_syntax = must(strndup(context->abstract_syntax.text, context->abstract_syntax.size)),
            .transfer_syntax = answers[i].transfer_syntax,
        };
        count++;
    }
    return count;
}

void presentation_contexts_clear(presentation_contexts_t contexts) {
    for (size_t i = 0; i < 256; i++)
        free(contexts[i].abstract_syntax);
    memset(contexts, 0, sizeof(presentation_contexts_t));
}

bool proposes_only_verification(const associate_rq_t *rq) {
    for (size_t i = 0; i < rq->contexts_count; i++)
        if (!uid_is(rq->contexts[i].abstract_syntax, VERIFICATION_SOP_CLASS))
            return false;
    return rq->contexts_count > 0;
}
