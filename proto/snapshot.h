/* The metrics of a process as a message of the ring, and its way to the notifier. */
#ifndef PROTO_SNAPSHOT_H
#define PROTO_SNAPSHOT_H

#include "common/stage.h"
#include "proto/ring.h"

typedef struct snapshot snapshot_t;

/* `stage` and `inbox` (NULL: none) must outlive it. NULL after logging where the run folder's path is too long. */
snapshot_t *snapshot_new(const stage_t *stage, Ring__Stage kind, ring_inbox_t *inbox);
void snapshot_destroy(snapshot_t **self_p);

/* Measures the process now and then, and fills the message with all that there is. It is valid until the next
 * call. */
const Ring__Metrics *snapshot_take(snapshot_t *self);

/* The same, and sends it to the notifier, with the listener's status (NULL: it is another stage). A notifier that
 * is not there does not matter: the next snapshot counts the same. It goes through a connection of its own, so that
 * it can't take the place of an event in a queue that fills up. */
void snapshot_send(snapshot_t *self, const Ring__ListenerStatus *listener);

#endif
