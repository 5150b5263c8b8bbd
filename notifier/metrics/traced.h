/* Spans that the notifier sends for others: the writers', which have no network, and spans of a dead
 * listener's associations. In memory only: a living listener tells a new notifier again. */
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
/* Other listeners than this one are dead, since `died_ns` at the latest: sends the spans of their open
 * associations. */
void traced_close_others(traced_t *self, uint64_t listener, int64_t died_ns);

#endif
