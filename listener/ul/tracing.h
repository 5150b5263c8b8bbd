/* The spans of an association: itself, its negotiation, its objects. They hold counts, UIDs, AE titles and
 * addresses. */
#ifndef LISTENER_UL_TRACING_H
#define LISTENER_UL_TRACING_H

#include "listener/ul/site.h"

/* The TCP connection is accepted: from here on the association has a trace. */
void tracing_begin(association_t *association);
/* It is served; `proposed` and `accepted`: presentation contexts. The notifier hears of it, which says the span in
 * place of a listener that dies. */
void tracing_accepted(association_t *association, size_t proposed, size_t accepted);
/* Tells a notifier that began anew what tracing_accepted has told the old one. */
void tracing_say_again(association_t *association);
/* It has its outcome. */
void tracing_outcome(association_t *association, const char *how);
/* Nothing of it is left: says the span, unless the peer has never sent a byte, as health probes and scanners do. */
void tracing_end(association_t *association);

/* A C-STORE, for its span. */
typedef struct traced_object {
    trace_context_t trace;         /* zeroed: it has no span of its own */
    int64_t begun_ns, received_ns; /* since 1970; 0: it is not traced, not received */
    uint64_t number, bytes;
    uint16_t status; /* that it was answered with */
    bool answered;
} traced_object_t;

/* Its command has arrived. */
void tracing_begin_object(association_t *association, traced_object_t *object);
/* The data set is there. */
void tracing_received(traced_object_t *object);
/* It is answered. */
void tracing_answered(association_t *association, traced_object_t *object, uint16_t status);
/* It is over, answered or not: says the spans. */
void tracing_end_object(association_t *association, const traced_object_t *object, const char *sop_class_uid,
                        const char *sop_instance_uid);

#endif
