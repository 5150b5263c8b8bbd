/* Spans that the notifier says for others: those of writers, which have no network, and those of associations that
 * died with their listener, with what it has heard of them. In memory only: a listener that lives tells it again to
 * a new notifier. */
#ifndef NOTIFIER_METRICS_TRACED_H
#define NOTIFIER_METRICS_TRACED_H

#include "proto/ring.h"

typedef struct traced traced_t;

traced_t *traced_new(void);
void traced_destroy(traced_t **self_p);

void traced_on_association(traced_t *self, const Ring__AssociationTraced *message);
/* Objects of it were stored, or one was refused. */
void traced_on_stored(traced_t *self, const Ring__Stored *stored);
void traced_on_refused(traced_t *self, const Ring__Refused *refused);
/* Says what a writer did in this attempt, where the object has a span of its own; also of an event that was heard
 * before. */
void traced_say_stored(const Ring__Stored *stored);
void traced_say_refused(const Ring__Refused *refused);
/* Listeners other than this one are dead, since `died_ns` at the latest: says the spans of what they left open. */
void traced_close_others(traced_t *self, uint64_t listener, int64_t died_ns);

#endif
