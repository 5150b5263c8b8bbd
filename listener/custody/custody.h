/* Custody of objects: from the first byte of a data set until its file is durable and its series open in the
 * journal, or it is given up. Owns the chunks, the budget, the writers and the unanswered objects; knows nothing
 * of TCP and associations. */
#ifndef LISTENER_CUSTODY_CUSTODY_H
#define LISTENER_CUSTODY_CUSTODY_H

#include "listener/custody/state.h"

/* A writer that has been silent this long is held up: all of it waits for storage, or it hangs. */
#define WRITER_HELD_UP_MS 2000

/* Returns 0, or an exit status after logging why. */
int custody_start(custody_t *custody, stage_t *stage);
void custody_clear(custody_t *custody);

/* Of a new association; let go of it with share_drop. */
share_t *share_new(custody_t *custody, uint64_t association);
void share_drop(share_t *share);

/* Takes a new object; the texts of `header` are copied. It belongs to the custody until object_abandon, or until it
 * is answered. `owner` is the caller's. */
object_t *object_begin(custody_t *custody, share_t *share, const Ring__ObjectHeader *header, void *owner);
void object_append(object_t *object, const uint8_t *bytes, size_t size);
/* Where its next bytes may be put, `*room` of them, before object_placed says how many were. NULL: nothing is known
 * of how large it will be, or they are not wanted. Valid until the object is changed. */
uint8_t *object_reserve(object_t *object, size_t *room);
void object_placed(object_t *object, size_t size);
/* The data set is complete. */
void object_finish(object_t *object);
/* The rest will never come: forget it, here and in the ring. */
void object_abandon(object_t *object);

/* The next object that is complete and has its response, the caller's until object_forget; NULL: none. To be asked
 * in each turn of the loop. */
object_t *custody_take_answered(custody_t *custody);
void object_forget(object_t *object);

/* How many bytes may be received now: at most RECEIVE_BYTES, 0: wait. `object` is the one under way, or NULL. */
size_t custody_room(custody_t *custody, const share_t *share, object_t *object);

/* The association has no unanswered object and will have none: says so until the notifier acknowledges it. */
void custody_association_ended(custody_t *custody, const share_t *share, Ring__Ending ending);

/* Tells the notifier of an association's span; `message` lacks only the listener. */
void custody_association_traced(custody_t *custody, Ring__AssociationTraced *message);

/* No object is unanswered. */
bool custody_has_answered(const custody_t *custody);
/* Nor is the end of an association unacknowledged. */
bool custody_idle(const custody_t *custody);

/* Call it often: it gives up late objects, looks after silent writers, repeats messages that may be lost. */
void custody_tick(custody_t *custody, int64_t now_ms);
/* Says that the listener lives. */
void custody_beat(custody_t *custody);
/* The listener drains: from now on the last writer stays until writers_release. A supervisor may end all at once.
 */
void writers_keep_last(custody_t *custody);
/* The listener ends: writers need not wait for it. */
void writers_release(custody_t *custody);

/* Messages of the ring. */
void custody_on_alive(custody_t *custody, const Ring__Alive *alive);
void writers_on_leaving(custody_t *custody, const Ring__Leaving *leaving);
void custody_on_credit(custody_t *custody, const Ring__Credit *credit);
void custody_on_written(custody_t *custody, const Ring__Written *written);
void custody_on_opened(custody_t *custody, const Ring__Opened *opened);
void custody_on_acknowledged(custody_t *custody, const Ring__Acknowledged *acknowledged);

#endif
