/* The objects in progress of this writer: which chunk belongs to which, and what makes one obsolete. */
#ifndef WRITER_OBJECTS_H
#define WRITER_OBJECTS_H

#include "writer/incoming.h"

typedef struct objects objects_t;

/* `environment` and `listener` (an outbox) must outlive it. */
objects_t *objects_new(const incoming_environment_t *environment, zsock_t *listener);
/* Removes the temporary files of all that are open; deposits_await gets the ones in storage just now. */
void objects_destroy(objects_t **self_p);

/* How many are open. */
size_t objects_open(const objects_t *self);

/* The incarnation of the listener that sent the last chunk; 0: none has yet. */
uint64_t objects_listener(const objects_t *self);

/* Messages of the ring. Chunks that do not continue an object that is open are ignored: the listener, unanswered,
 * sends the object again. Takes the data, and the header of an object that begins. */
void objects_on_chunk(objects_t *self, Ring__Chunk *chunk, zmq_msg_t *data);
void objects_on_cancel(objects_t *self, const Ring__Cancel *cancel);

/* Inflates heads for a moment, the associations in turn, so that only who sends much to be inflated waits for it.
 * Returns whether something is left for the loop's next turn. */
bool objects_on_turn(objects_t *self);

/* Jobs of the pool have come back. */
void objects_on_done(objects_t *self);

/* This writer's incarnation: chunks for another one are ignored from now on, and open objects are dropped: they
 * were sent to the old one. */
void objects_renew(objects_t *self, uint64_t writer);

/* The listener of this incarnation owes nothing: its open objects were answered without this writer. */
void objects_on_released(objects_t *self, uint64_t listener);

/* Nobody will send more: drops partial objects. */
void objects_drop_unfinished(objects_t *self);

#endif
