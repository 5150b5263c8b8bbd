/* Associations whose spans their listener has yet to say. Of those that died with their listener, the notifier says
 * them, with what it has heard. In memory only: a listener that lives tells it again to a new notifier. */
#ifndef NOTIFIER_TRACED_H
#define NOTIFIER_TRACED_H

#include "proto/ring.h"

typedef struct traced traced_t;

traced_t *traced_new(void);
void traced_destroy(traced_t **self_p);

void traced_on_association(traced_t *self, const Ring__AssociationTraced *message);
/* An object of it was stored or refused. */
void traced_on_stored(traced_t *self, const Ring__Stored *stored);
void traced_on_refused(traced_t *self, const Ring__Refused *refused);
/* Listeners other than this one are dead, since `died_ns` at the latest: says the spans of what they left open. */
void traced_close_others(traced_t *self, uint64_t listener, int64_t died_ns);

#endif
