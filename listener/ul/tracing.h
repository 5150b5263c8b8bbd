/* The spans of an association: itself, its negotiation, its objects. What they say is counts, UIDs, AE titles and
 * addresses. */
#ifndef LISTENER_UL_TRACING_H
#define LISTENER_UL_TRACING_H

#include "listener/ul/association.h"

/* The TCP connection is accepted: from here on the association has a trace. */
void tracing_begin(association_t *association);
/* It is served; `proposed` and `accepted`: presentation contexts. The notifier hears of it, which says the span in
 * place of a listener that dies. */
void tracing_accepted(association_t *association, size_t proposed, size_t accepted);
/* Tells a notifier that began anew what tracing_accepted has told the old one. */
void tracing_say_again(association_t *association);
/* The end as the peer sees it; only the first counts. */
void tracing_outcome(association_t *association, outcome_t outcome, const char *how);
/* Nothing of it is left: says the span, unless the peer has never sent a byte, as health probes and scanners do. */
void tracing_end(association_t *association);

/* A C-STORE's command has arrived. */
void tracing_begin_object(association_t *association, message_t *message);
/* The data set is there. */
void tracing_received(message_t *message);
/* It is answered. */
void tracing_answered(message_t *message, uint16_t status);
/* It is over, answered or not: says the spans. */
void tracing_end_object(message_t *message);

#endif
