/* What becomes of an object that is refused: its reason, and its bytes for the quarantine. Private to incoming.c.
 */
#ifndef WRITER_INCOMING_REFUSAL_H
#define WRITER_INCOMING_REFUSAL_H

#include "writer/incoming_state.h"

/* Its data set is bad, while storage is well: it is kept where there is a quarantine, and goes there when it is
 * whole. `data`: its bytes that came last, for which there may be `credit`. `is_part10`: the kept file begins with
 * a header. */
void incoming_refusal_of_data_set(incoming_t *self, const refusal_t *refusal, bool is_part10, zmq_msg_t *data,
                                  uint64_t credit);
/* The same for a head that can't be read. The series it belongs to may have been read nevertheless: its watchers
 * shall hear of it. */
void incoming_refusal_of_unreadable(incoming_t *self, const char *why, zmq_msg_t *data, uint64_t credit);
/* Writers died of it: nothing of it is read. */
void incoming_refusal_unread(incoming_t *self);
/* Only who holds much is refused; others still have room then. */
void incoming_refusal_for_memory(incoming_t *self);
/* With its first bytes that are too many: no repetition cures that. */
void incoming_refusal_for_size(incoming_t *self);
/* Its deposit has failed. Returns its state. */
incoming_state_t incoming_refusal_by_storage(incoming_t *self);

/* While INCOMING_KEPT: takes its next bytes. */
void incoming_refusal_keep(incoming_t *self, zmq_msg_t *data, uint64_t credit);
/* While INCOMING_KEPT: ends it where it is whole. Returns its state. */
incoming_state_t incoming_refusal_go_on(incoming_t *self);

#endif
