/* Private to this folder: series.c, chunk.c, suspects.c <- dispatch.c <- object.c, writers.c <- custody.c, each
 * calls those before it. */
#ifndef LISTENER_CUSTODY_PRIVATE_H
#define LISTENER_CUSTODY_PRIVATE_H

#include "listener/custody/state.h"

/* --- chunk.c: the bytes of objects, and who holds how many --- */

/* Bytes of a data set. Shared with ZeroMQ's thread while they are on their way to a writer, hence the counts. */
typedef struct chunk {
    TAILQ_ENTRY(chunk) next;
    atomic_int holders;
    budget_t *budget; /* where its capacity is counted */
    uint64_t offset;
    size_t size, capacity;
    uint8_t *bytes;
} chunk_t;

/* Held by the custody; let go of it with budget_drop. */
budget_t *budget_new(void);
void budget_drop(budget_t *budget);

/* The chunk that grows, which there is not or which is full, with room for at least one byte. */
chunk_t *chunk_with_room(object_t *object, size_t wanted);
/* The growing chunk, if need be a new and empty one, becomes ready to be sent. */
void chunk_seal(object_t *object);
/* Called by the object and, as a zmq_free_fn, by ZeroMQ's thread; the last of them frees. */
void chunk_drop(void *bytes, void *chunk);
/* Frees the chunks that end at `offset` or before, but not the growing one. */
void chunk_free_until(object_t *object, uint64_t offset);
void chunk_free_all(object_t *object);

/* --- series.c: which series of an association are open, and how many of their objects are answered --- */

share_t *share_find(custody_t *custody, uint64_t association);
/* It was given the association's last object; NULL: none was that is still there. */
void share_stay_with(share_t *share, writer_link_t *writer);
/* In the journal that the notifier has. */
bool series_is_open(const share_t *share, uint64_t token);
/* It is open in this journal, which may be another than the present notifier's. */
void series_open(share_t *share, uint64_t token, uint64_t journal);
/* An object of it is answered with Success. */
void series_count(share_t *share, uint64_t token);
/* The counts; free them. */
Ring__Answered *series_answered(const share_t *share, size_t *count);

/* --- suspects.c: objects that a writer had in hand when it died --- */

/* Deaths of a writer with an object in hand, after which no writer reads that object again. */
#define SUSPECT_DEATHS_MAX 3

/* This writer has died: each object that it had in hand becomes suspect, or more so. */
void suspects_blame(custody_t *custody, const writer_link_t *writer);
/* Whether any is there: then each chunk asks for credit, so that it is known what a writer has in hand. */
bool suspects_any(const custody_t *custody);
/* A suspect has this writer, or waits for it: nothing else may be sent to it. */
bool suspects_hold(const custody_t *custody, const writer_link_t *writer);
/* Whether the object may be sent to its writer: a suspect only alone, others where none holds the writer. */
bool suspects_allow(const object_t *object, bool held);
/* Its answer is known. */
void suspects_forget(object_t *object);

/* --- dispatch.c: writers, attempts, turns --- */

/* Bytes that its writer has in hand: credit or Written was asked for, and has not come. */
static inline uint64_t dispatch_awaited(const object_t *object) {
    return object->asked > object->taken ? object->asked - object->taken : 0;
}
/* Whether it has something that its own window allows to be sent. */
static inline bool dispatch_can_send(const object_t *object) {
    return object->writer && object->unsent && object->sent - object->taken < OBJECT_WINDOW_BYTES;
}
/* Sends chunks within its window and its writer's. */
void dispatch_pump(object_t *object);
/* Gives the object, from its begin, to the writer that had the association's last one, or where that has no room to
 * the one with the least outstanding; without any it waits. */
void dispatch_assign(object_t *object);
/* Its writer is no more: sends it again or gives it up. */
void dispatch_redeliver(object_t *object, const char *why);
/* So much of the attempt is with its writer. */
void dispatch_credit(object_t *object, uint64_t taken);
/* Its file is durable: its bytes are awaited no more, but it stays with its writer. */
void dispatch_written(object_t *object, uint64_t token);
/* Frees credited chunks, and from now on always. */
void dispatch_stream(object_t *object);
/* Its writer is to forget the attempt. */
void dispatch_cancel(const object_t *object);
/* Its response is known: it leaves its writer, and is answered when complete. */
void dispatch_answer(object_t *object, response_t response);
/* Takes it from its writer, and out of the custody. */
void dispatch_withdraw(object_t *object);
/* Tells the writer that it may go; `incarnation` 0: because the listener does. */
void dispatch_release(const custody_t *custody, writer_link_t *writer, uint64_t incarnation);
/* The same to a leaving one, once nothing is outstanding. */
void dispatch_release_if_done(const custody_t *custody, writer_link_t *writer);
/* Whether it gets further objects. */
bool dispatch_may_assign(const writer_link_t *writer);

/* --- writers.c: who is there --- */

void writers_on_alive(custody_t *custody, const Ring__Alive *alive);
/* Forgets writers that have been silent for too long. */
void writers_tick(custody_t *custody, int64_t now_ms);
void writers_lost(custody_t *custody, writer_link_t *writer, const char *why);
/* The same after a death of its process, perhaps of an object. */
void writers_died(custody_t *custody, writer_link_t *writer, const char *why);
void writers_clear(custody_t *custody);

#endif
