/* The state of an association. The files of this folder change it; dimse/operations.c its messages. */
#ifndef LISTENER_UL_STATE_H
#define LISTENER_UL_STATE_H

#include <netinet/in.h>
#include <sys/queue.h>

#include "listener/custody/state.h"
#include "listener/net/connection.h"
#include "listener/ul/negotiation.h"
#include "listener/ul/patience.h"
#include "listener/ul/pdu_stream.h"

/* PS3.8 table 9-10; the states of a requestor do not occur. */
typedef enum association_state {
    STA1_IDLE, /* no connection (any more) */
    STA2_AWAITING_ASSOCIATE_RQ,
    STA3_AWAITING_LOCAL_RESPONSE, /* for a place among the associations served */
    STA6_DATA_TRANSFER,
    STA8_AWAITING_RELEASE_RESPONSE, /* for the last objects to be acknowledged */
    STA13_AWAITING_CLOSE,
} association_state_t;

/* What an association waits for from us; for each there is a list in the roster. */
typedef enum attention {
    ATTENTION_NONE,
    ATTENTION_REQUEST, /* STA2: its request is partial; by arrival */
    ATTENTION_PLACE,   /* STA3: among the served ones */
    ATTENTION_ROOM,    /* in the buffer, to be read on */
    ATTENTION_ENDED,   /* nothing more is taken from it: to be wound up */
    ATTENTIONS
} attention_t;

/* How an association ended; for its span, its metric, and the wait of its series. */
typedef enum outcome {
    OUTCOME_OPEN,
    OUTCOME_RELEASED,
    OUTCOME_REJECTED,
    OUTCOME_ABORTED_BY_PEER,
    OUTCOME_ABORTED_BY_OXIDICOM,
    OUTCOME_TIMED_OUT,
    OUTCOME_CONNECTION_LOST,
} outcome_t;

/* For its span; nanoseconds since 1970. */
typedef struct traced {
    int64_t begun_ns, requested_ns, ended_ns;
    char *why;             /* owned */
    bool told;             /* the notifier knows of it */
    uint64_t object_spans; /* objects that have spans of their own, */
    uint64_t summed;       /* and objects without a span */
    int64_t summed_ns;
} traced_t;

typedef struct association {
    TAILQ_ENTRY(association) next;
    TAILQ_ENTRY(association) attended;
    struct site *site;
    association_state_t state;
    attention_t attention; /* changed by roster_attend alone */
    bool timed_out;        /* that is why it is aborted */
    outcome_t outcome;     /* the first end that the peer saw */
    log_context_t context;
    share_t *share; /* of the buffer */
    connection_t connection;
    struct in6_addr address;
    char *peer;           /* address and port */
    bool address_crowded; /* it has more connections than OXIDICOM_CONNECTIONS_PER_ADDRESS */
    char *calling_ae, *called_ae;
    pdu_stream_t stream;
    associate_rq_t rq; /* while it waits to be answered; its bytes are rq_bytes */
    uint8_t *rq_bytes;
    size_t rq_size;
    size_t crowd_bytes;                /* that it holds before it is served (crowd.h) */
    presentation_contexts_t *contexts; /* NULL before the A-ASSOCIATE-AC */
    uint32_t peer_max_pdu_length;
    uint8_t *command_set; /* being gathered */
    size_t command_set_size;
    uint8_t command_context_id;
    struct message *receiving;                    /* its data set is under way */
    TAILQ_HEAD(message_list, message) unanswered; /* complete, waiting for the ring */
    size_t unanswered_count;
    traced_t traced;
    uint16_t operations; /* that the peer may have outstanding; 1: it did not negotiate more */
    bool only_verification;
    bool any_input;
    bool owes_end;    /* an object was begun, and the notifier has not been told of the end */
    bool input_ended; /* the peer has closed its half, and waits for answers */
    int64_t begun_ms; /* TCP accept */
    int64_t since_ms; /* of the state */
    patience_t patience;
    uint64_t stored, refused, bytes; /* objects, objects, bytes of data sets */
} association_t;

#endif
