/* Custody of objects: from the first byte of a data set until the ring has acknowledged it or it has been given up.
 * Owns the chunks, the budget, the writers and what is unacknowledged; knows nothing of TCP and associations. */
#ifndef LISTENER_CUSTODY_CUSTODY_H
#define LISTENER_CUSTODY_CUSTODY_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/stage.h"
#include "listener/dimse/dimse.h"
#include "proto/ring.h"

/* How much the chunks hold. ZeroMQ's thread may drop the last of them after the custody has ended, so the budget is
 * freed by whoever lets go of it last: the custody and each chunk hold it. */
typedef struct budget {
    atomic_size_t held_bytes;
    atomic_size_t holders;
} budget_t;

/* Bytes of a data set. Shared with ZeroMQ's thread while they are on their way to a writer, hence the counts. */
typedef struct chunk {
    TAILQ_ENTRY(chunk) next;
    atomic_int holders;
    budget_t *budget; /* where its capacity is counted */
    uint64_t offset;
    size_t size, capacity;
    uint8_t *bytes;
} chunk_t;

/* What one association holds of the buffer. It and each of its objects hold it. */
typedef struct share {
    uint64_t association;
    size_t held_bytes, holders;
} share_t;

#define WRITER_RELEASE_BYTES 32

typedef struct writer {
    TAILQ_ENTRY(writer) next;
    char *id;
    uint64_t incarnation;
    zsock_t *outbox;
    zsock_t *monitor; /* hears when the connection breaks */
    int64_t alive_ms;
    char release[WRITER_RELEASE_BYTES]; /* what it said of itself, for people: */
    uint32_t process;
    int64_t started_at;
    bool leaving;
    bool lost;                  /* is being forgotten */
    uint64_t outstanding_bytes; /* of unacknowledged objects */
    size_t outstanding_objects;
    uint64_t awaited_bytes; /* of all its objects (object_awaited) */
    uint64_t served;        /* association whose turn was last */
    bool crowded;           /* objects wait for their turn */
} writer_t;

typedef struct object {
    TAILQ_ENTRY(object) next;
    struct custody *custody;
    log_context_t context;     /* its two numbers */
    share_t *share;            /* of its association */
    void *owner;               /* handed to settled */
    Ring__ObjectHeader header; /* texts owned */
    uint32_t attempt;
    writer_t *writer; /* NULL: none is there to take it */
    TAILQ_HEAD(chunk_list, chunk) chunks;
    chunk_t *filling;               /* the last one, while it still grows; only then it is not sent */
    chunk_t *unsent;                /* first full chunk not yet sent in this attempt */
    uint64_t received, sent, taken; /* bytes */
    uint64_t asked;                 /* up to here credit or an acknowledgement will come, whatever the peer does */
    bool streaming;                 /* too large to keep whole: what is credited is freed */
    bool whole;                     /* nothing of it has been freed: it can be sent again */
    bool complete;                  /* all of it was received */
    bool failed;                    /* settled before it was complete: the rest is thrown away */
    response_t response;            /* what to say then; comment owned */
    int64_t progress_ms;            /* when it last came nearer to its end */
} object_t;

/* An ended association that the notifier has not acknowledged. */
typedef struct ended {
    TAILQ_ENTRY(ended) next;
    uint64_t association;
    int64_t said_ms;
} ended_t;

typedef struct custody {
    stage_t *stage;
    /* The object is answered with `response`; it is gone after the call. */
    void (*settled)(void *owner, const response_t *response);
    zsock_t *notifier;             /* outbox */
    uint64_t notifier_incarnation; /* 0: not heard of */
    TAILQ_HEAD(writer_list, writer) writers;
    TAILQ_HEAD(object_list, object) objects; /* in order of their begin */
    zhashx_t *by_number;
    TAILQ_HEAD(ended_list, ended) ended;
    uint64_t objects_begun;
    budget_t *budget;
    bool writers_hang;      /* the last one was given up for its silence, and none has come since */
    log_limit_t complained; /* of too many writers */
    /* Called with `watcher` when a writer came, leaves or is gone; NULL: nobody wants to know. */
    void (*writers_changed)(void *watcher);
    void *watcher;
} custody_t;

/* Returns 0, or an exit status after logging why. */
int custody_start(custody_t *custody, stage_t *stage, void (*settled)(void *, const response_t *));
void custody_clear(custody_t *custody);

/* Of a new association; let go of it with share_drop. */
share_t *share_new(uint64_t association);
void share_drop(share_t *share);

/* Takes a new object; the texts of `header` are copied. It belongs to the custody and is alive until settled has
 * been called for it, or object_abandon. */
object_t *custody_begin(custody_t *custody, share_t *share, const Ring__ObjectHeader *header, void *owner);
void object_append(object_t *object, const uint8_t *bytes, size_t size);
/* Where its next bytes may be put, `*room` of them, before object_placed says how many were. NULL: nothing is known
 * of how large it will be, or they are not wanted. Valid until the object is changed. */
uint8_t *object_reserve(object_t *object, size_t *room);
void object_placed(object_t *object, size_t size);
/* The data set is complete. May call settled at once. */
void object_finish(object_t *object);
/* The rest will never come: forget it, here and in the ring. settled is not called. */
void object_abandon(object_t *object);

/* How many bytes may be received now: at most RECEIVE_BYTES, 0: wait. `object` is the one under way, or NULL. */
size_t custody_room(custody_t *custody, const share_t *share, object_t *object);

/* The association has no unanswered object and will have none: says so until the notifier acknowledges it. */
void custody_association_ended(custody_t *custody, uint64_t association);

/* Tells the notifier of an association's span; `message` lacks only the listener. */
void custody_association_traced(custody_t *custody, Ring__AssociationTraced *message);

/* Nothing is unacknowledged. */
bool custody_idle(const custody_t *custody);

/* To be called often: gives up what waited too long, looks after silent writers, repeats what may have got lost. */
void custody_tick(custody_t *custody, int64_t now_ms);
/* Says that the listener lives. */
void custody_beat(custody_t *custody);
/* The listener ends: writers need not wait for it. */
void custody_release_writers(custody_t *custody);

/* Messages of the ring. */
void custody_on_alive(custody_t *custody, const Ring__Alive *alive);
void custody_on_leaving(custody_t *custody, const Ring__Leaving *leaving);
void custody_on_credit(custody_t *custody, const Ring__Credit *credit);
void custody_on_acknowledged(custody_t *custody, const Ring__Acknowledged *acknowledged);

/* --- shared by custody.c, object.c and writers.c --- */

/* Held by the custody; let go of it with budget_drop. */
budget_t *budget_new(void);
void budget_drop(budget_t *budget);

/* Sends what its window and its writer's allow. */
void object_pump(object_t *object);
/* Whether it has something that its own window allows to be sent. */
bool object_can_send(const object_t *object);
/* Sends one chunk; false where the writer's queue takes nothing. */
bool object_send_next(object_t *object);
/* Bytes of which its writer has been asked to say what became of them, and has not. */
uint64_t object_awaited(const object_t *object);
/* Gives the object, from its begin, to the writer with the least outstanding; without one it waits. */
void object_assign(object_t *object);
/* Its writer is no more: sends it again or gives it up. */
void object_redeliver(object_t *object, const char *why);
/* Answers the object, now or as soon as it is complete. */
void object_settle(object_t *object, uint16_t status, uint32_t offending_element, const char *comment);
/* The same, and the ring forgets it. */
void object_give_up(object_t *object, uint16_t status, const char *comment);
/* Takes it out of the custody and frees it. */
void object_destroy(object_t **self_p);
/* Frees what is credited, and from now on always. */
void object_stream(object_t *object);

writer_t *writers_least_outstanding(custody_t *custody);
bool writer_has_room(const writer_t *writer);
/* Of so many bytes nothing is awaited any more: objects whose turn it is go on. */
void writer_has_answered(custody_t *custody, writer_t *writer, uint64_t bytes);
void writer_lost(custody_t *custody, writer_t *writer, const char *why);
void writers_clear(custody_t *custody);
/* Tells a leaving writer that may go. */
void writer_release_if_done(custody_t *custody, writer_t *writer);

#endif
