/* Which presentation contexts are accepted (PS3.8 9.3.3.2, PS3.7 D.3.2). Pure. */
#ifndef LISTENER_UL_NEGOTIATION_H
#define LISTENER_UL_NEGOTIATION_H

#include "listener/ul/pdu.h"

typedef struct negotiation_policy {
    bool promiscuous;       /* every abstract syntax */
    bool uncompressed_only; /* native transfer syntaxes only */
} negotiation_policy_t;

/* An accepted context as the association keeps it. */
typedef struct presentation_context {
    char *abstract_syntax; /* owned; NULL: not accepted */
    const char *transfer_syntax;
} presentation_context_t;

/* Indexed by presentation context id. */
typedef presentation_context_t presentation_contexts_t[256];

/* Answers every proposed context in order: `answers` has room for rq->contexts_count, which is at most
 * PRESENTATION_CONTEXTS_MAX. The first acceptable
 * transfer syntax in the proposer's order is taken; a context id that came before is refused. Accepted ones are
 * put into `accepted`, which is empty before. Returns the number accepted. */
size_t negotiate(const associate_rq_t *rq, negotiation_policy_t policy, answered_context_t *answers,
                 presentation_contexts_t accepted);
void presentation_contexts_clear(presentation_contexts_t contexts);

/* Whether the request proposes nothing but Verification. */
bool proposes_only_verification(const associate_rq_t *rq);

#endif
