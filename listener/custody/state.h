/* The state of custody. Other folders read it; this one alone changes it. */
#ifndef LISTENER_CUSTODY_STATE_H
#define LISTENER_CUSTODY_STATE_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/stage.h"
#include "listener/custody/response.h"
#include "proto/ring.h"

/* Data set bytes travel to a writer in chunks of at most this size. */
#define CHUNK_BYTES (128 * 1024)
/* What custody_room grants at once. */
#define RECEIVE_BYTES (128 * 1024)
/* Sent to a writer and not yet credited, per object that is too large to retain. */
#define OBJECT_WINDOW_BYTES (2 * 1024 * 1024)
/* Sent to a writer and neither credited nor written, of all its objects; beyond that the associations take
 * turns, a chunk each. Enough to keep storage busy, and little enough that nobody waits long behind another's
 * objects. */
#define WRITER_WINDOW_BYTES (4 * 1024 * 1024)
/* One association may have so many times the free part of the window. It may always have one chunk: others may have
 * objects there that take long. */
#define WINDOW_SHARE_OF_FREE 4
/* Credit is wanted each time so much of an object has been sent since the last. */
#define CREDIT_BYTES (512 * 1024)
/* An object up to this size is kept whole for redelivery while the buffer has room. */
#define RETAIN_MAX_BYTES (16 * 1024 * 1024)
/* Once half of the buffer is used, only an object up to this size, so that several large ones at once do not fill
 * it. */
#define RETAIN_CROWDED_BYTES (4 * 1024 * 1024)
/* Open series of one association that the listener remembers; beyond that it forgets them, and has the next object
 * of each sent again. */
#define SERIES_KNOWN_MAX 16384
/* An ended association is said again to the notifier until it is acknowledged. */
#define END_REPEAT_MS        1000
#define WRITER_RELEASE_BYTES 32
/* Earlier notifiers that the listener remembers as gone. */
#define NOTIFIERS_GONE_MAX 16

/* How much the chunks hold. ZeroMQ's thread may drop the last of them after the custody has ended, so the custody
 * and each chunk hold the budget, and the last holder frees it. */
typedef struct budget {
    atomic_size_t held_bytes;
    atomic_size_t holders;
} budget_t;

/* A series that an association sends; the token is a writer's. */
typedef struct series {
    uint64_t token;
    uint64_t answered; /* with Success */
    uint64_t journal;  /* the notifier's journal when the series was opened for this association; 0: none */
    uint64_t other;    /* another's: perhaps the notifier's by now */
} series_t;

/* One association's share of the buffer, and its series. It and each of its objects hold it. */
typedef struct share {
    TAILQ_ENTRY(share) next;
    struct custody *custody;
    uint64_t association;
    size_t held_bytes, holders;
    uint64_t awaited_bytes;     /* of its objects, at all writers (see writer_link_t) */
    zhashx_t *series;           /* by token; NULL: none yet */
    bool forgot;                /* some of them */
    uint64_t refused;           /* objects, by writers */
    struct writer_link *writer; /* that was given its last object; NULL: none, or it is gone */
} share_t;

/* Why a writer says nothing. */
typedef enum silence {
    SILENCE_NONE,
    SILENCE_STORAGE, /* storage keeps it: it has said so before */
    SILENCE_UNKNOWN, /* its process is stopped, or its loop hangs, which storage can do, too */
} silence_t;

typedef struct writer_link {
    TAILQ_ENTRY(writer_link) next;
    char *id;
    uint64_t incarnation;
    zsock_t *outbox;
    zsock_t *monitor; /* hears when the connection breaks */
    int64_t alive_ms;
    char release[WRITER_RELEASE_BYTES]; /* its own words, for people: */
    uint32_t process;
    int64_t started_at;
    bool leaving;
    int64_t asked_ms;           /* when it first wanted to leave, the last one; 0: has not */
    bool lost;                  /* is being forgotten */
    bool kept_by_storage;       /* has said so: that is why it is silent */
    uint64_t outstanding_bytes; /* of unanswered objects */
    size_t outstanding_objects;
    size_t associations;    /* with their last object here */
    uint64_t awaited_bytes; /* of all its objects: sent and asked about, without an answer yet */
    uint64_t served;        /* association with the last turn */
    bool crowded;           /* objects wait for their turn */
} writer_link_t;

typedef struct object {
    TAILQ_ENTRY(object) next;
    struct custody *custody;
    log_context_t context; /* its two numbers */
    share_t *share;        /* of its association */
    void *owner;
    Ring__ObjectHeader header; /* texts owned */
    uint32_t attempt;
    writer_link_t *writer; /* NULL: none is there to take it */
    TAILQ_HEAD(chunk_list, chunk) chunks;
    struct chunk *filling;          /* the last one, while it still grows; only then it is not sent */
    struct chunk *unsent;           /* first full chunk not yet sent in this attempt */
    uint64_t received, sent, taken; /* bytes */
    uint64_t asked;                 /* credit or Written will come up to here without the peer */
    bool streaming;                 /* too large to keep whole: credited chunks are freed */
    bool whole;                     /* nothing of it has been freed: it can be sent again */
    bool complete;                  /* all of it was received */
    bool failed;                    /* its answer is known before it was complete: the rest is thrown away */
    bool written;                   /* its file is durable; it waits for its series to be open */
    uint32_t deaths;                /* or hangs, of a writer that had it in hand; above 0 it is a suspect */
    uint64_t token;                 /* of its series, once it is written */
    uint64_t notifier;              /* incarnation that was there when this attempt began; 0: none */
    response_t response;            /* once it is answered or failed; comment owned */
    int64_t progress_ms;            /* when it last came nearer to its end than any attempt before */
    uint64_t reached;               /* the highest `taken` of all attempts; one more: written */
} object_t;

/* An ended association that the notifier has not acknowledged. */
typedef struct ended {
    TAILQ_ENTRY(ended) next;
    uint64_t association;
    int64_t said_ms;
    Ring__Answered *answered; /* owned */
    size_t answered_count;
    uint64_t refused;
    Ring__Ending ending;
} ended_t;

typedef struct custody {
    stage_t *stage;
    zsock_t *notifier;                           /* outbox */
    uint64_t notifier_incarnation;               /* 0: not heard of */
    uint64_t notifiers_gone[NOTIFIERS_GONE_MAX]; /* earlier ones; their messages may be on their way yet */
    size_t notifiers_gone_next;
    uint64_t journal; /* as the notifier names it */
    TAILQ_HEAD(share_list, share) shares;
    TAILQ_HEAD(writer_list, writer_link) writers;
    bool writers_changed;                    /* one came, leaves or is gone, since somebody has set it to false */
    TAILQ_HEAD(object_list, object) objects; /* in order of their begin */
    zhashx_t *by_number;                     /* the same */
    struct object_list answered;             /* these are no longer among them */
    TAILQ_HEAD(ended_list, ended) ended;
    size_t ended_count;
    uint64_t objects_begun;
    size_t suspects; /* objects in custody that are suspects */
    budget_t *budget;
    bool keeps_last_writer; /* the listener drains */
    silence_t writers_gone; /* why the last one was given up, for its silence, and none has come since */
    log_limit_t complained; /* of too many writers */
    /* Called at the end of a turn after a writer's connection broke; NULL: nobody listens. */
    int (*end_turn)(stage_t *stage);
} custody_t;

#endif
