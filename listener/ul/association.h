/* One association, from the TCP accept to the last acknowledgement: the acceptor's half of the state machine of
 * PS3.8 9.2, and the DIMSE messages on it. */
#ifndef LISTENER_UL_ASSOCIATION_H
#define LISTENER_UL_ASSOCIATION_H

#include <netinet/in.h>
#include <sys/queue.h>

#include "listener/custody/custody.h"
#include "listener/net/connection.h"
#include "listener/ul/admission.h"
#include "listener/ul/deadlines.h"
#include "listener/ul/negotiation.h"
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

/* What an association waits for from us; for each there is a list in the server. */
typedef enum attention {
    ATTENTION_NONE,
    ATTENTION_PLACE, /* STA3: among those that are served */
    ATTENTION_ROOM,  /* in the buffer, to be read on */
    ATTENTION_OVER,  /* nothing: it is to be freed */
    ATTENTIONS
} attention_t;

/* How an association ended; for its span and its metric. */
typedef enum outcome {
    OUTCOME_OPEN,
    OUTCOME_RELEASED,
    OUTCOME_REJECTED,
    OUTCOME_ABORTED_BY_PEER,
    OUTCOME_ABORTED_BY_OXIDICOM,
    OUTCOME_TIMED_OUT,
    OUTCOME_CONNECTION_LOST,
} outcome_t;

/* What its span will say; nanoseconds since 1970. */
typedef struct traced {
    int64_t begun_ns, requested_ns, ended_ns;
    outcome_t outcome;
    char *why;             /* owned */
    bool told;             /* the notifier knows of it */
    uint64_t object_spans; /* objects that have spans of their own, */
    uint64_t summed;       /* and those that have none */
    int64_t summed_ns;
} traced_t;

/* A message that has begun and is not answered. */
typedef struct message {
    TAILQ_ENTRY(message) next;
    struct association *association;
    uint8_t context_id;
    command_t command;
    object_t *object;              /* NULL: the data set is thrown away */
    response_t response;           /* what to say then */
    char *comment;                 /* of the response; owned */
    bool settled;                  /* its response is known, and waits for those before it */
    bool silent;                   /* it is not to be answered */
    trace_context_t trace;         /* zeroed: it has no span of its own */
    int64_t began_us;              /* its command was there */
    int64_t begun_ns, received_ns; /* since 1970; 0: it is not traced, not received */
    uint64_t object_number, bytes;
    uint16_t status; /* that it was answered with */
    bool answered;
} message_t;

typedef struct association {
    TAILQ_ENTRY(association) next;
    TAILQ_ENTRY(association) attended;
    struct server *server;
    association_state_t state;
    attention_t attention; /* changed by server_attend alone */
    bool timed_out;        /* that is why it is aborted */
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
    presentation_contexts_t *contexts; /* NULL before the A-ASSOCIATE-AC */
    uint32_t peer_max_pdu_length;
    uint8_t *command_set; /* being gathered */
    size_t command_set_size;
    uint8_t command_context_id;
    message_t *receiving;                         /* its data set is under way */
    TAILQ_HEAD(message_list, message) unanswered; /* complete, waiting for the ring */
    size_t unanswered_count;
    traced_t traced;
    uint16_t operations; /* that the peer may have outstanding; 1: it did not negotiate more */
    bool only_verification;
    bool any_input;
    bool used_custody; /* an object was begun: the notifier may know of it */
    bool input_ended;  /* the peer has closed its half, and waits for answers */
    int64_t begun_ms;  /* TCP accept */
    int64_t since_ms;  /* of the state */
    patience_t patience;
    uint64_t stored, refused, bytes; /* objects, objects, bytes of data sets */
} association_t;

/* Owns `fd` afterwards. `address` and `peer`, its name, are copied. Returns NULL, with fd closed, where the kernel
 * has no room for it. */
association_t *association_new(struct server *server, int fd, uint64_t number, const struct in6_addr *address,
                               const char *peer);
void association_destroy(association_t **self_p);

/* epoll says so. */
void association_on_readable(association_t *association);
void association_on_writable(association_t *association);
void association_on_hangup(association_t *association);

/* Sends A-ABORT and waits for the peer to close. */
void association_abort(association_t *association, abort_source_t source, abort_reason_t reason, const char *why);

/* Closes the connection; complete objects go on being stored. `how` is for the log. */
void association_close(association_t *association, outcome_t outcome, const char *how);

/* Reads on where there is room now. */
void association_resume(association_t *association);

/* --- messages.c: the DIMSE messages on an open association --- */

/* Bytes of a command or data set on an accepted presentation context. */
void messages_on_fragment(association_t *association, const stream_event_t *event);
/* Bytes of the data set under way, which were received where they stay. */
void messages_on_placed(association_t *association, size_t size, bool ends_object);
/* What was not received completely can't become anything any more. */
void messages_drop_partial(association_t *association);
/* Frees those that wait for the ring, whose objects are gone. */
void messages_clear(association_t *association);
/* The custody answers an object; `message` is its owner. */
void messages_on_settled(void *message, const response_t *response);

/* --- for messages.c and establishment.c --- */

/* Sends to the peer, while there is a connection. */
void association_send(association_t *association, const uint8_t *bytes, size_t size);
/* A message was answered: perhaps the last before a release, or before the end of a half-closed connection. */
void association_on_answered(association_t *association);
/* Our last PDU is sent: half close, and let the peer read it before the end. */
void association_await_close(association_t *association, outcome_t outcome, const char *how);
/* What its span will give as the reason. */
void association_note_why(association_t *association, const char *why);
/* The only place where a state changes. */
void association_set_state(association_t *association, association_state_t state);
/* Between A-ASSOCIATE-AC and A-RELEASE-RP. */
bool association_is_served(association_state_t state);
/* A PDU, a command set or a data set has begun and not ended. */
bool association_within_message(const association_t *association);

#endif
