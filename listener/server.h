/* The TCP side of the listener: sockets, the epoll set, who is served and who waits. */
#ifndef LISTENER_SERVER_H
#define LISTENER_SERVER_H

#include "common/limits.h"
#include "listener/net/peers.h"
#include "listener/net/tls.h"
#include "listener/recent.h"
#include "listener/ul/association.h"

#define LISTENING_SOCKETS_MAX (2 + SUPERVISION_SOCKETS_MAX) /* plain, TLS, and those handed over */

typedef struct listening {
    int fd;
    bool tls;
} listening_t;

typedef struct server {
    stage_t *stage;
    custody_t *custody;
    negotiation_policy_t policy;
    int epoll;
    tls_t tls;
    listening_t listening[LISTENING_SOCKETS_MAX];
    size_t listening_count;
    bool accepting; /* the listening sockets are watched */
    TAILQ_HEAD(association_list, association) associations;
    struct association_list attended[ATTENTIONS]; /* in the order in which they came to wait */
    size_t connections_count, connections_max;
    peers_t peers;
    uint64_t accepted_count;
    uint64_t stored_count, received_bytes; /* objects; of data sets */
    recent_t recent;
    size_t served_count; /* associations that count against OXIDICOM_LISTENER_THREADS */
    bool draining;
    int64_t drained_at_ms; /* while draining: what is open then is aborted */
    log_limit_t said_out_of_resources;
    log_limit_t refusals[REFUSALS]; /* of TLS */
    log_limit_t strangers;          /* peers that do not speak DICOM */
    uint8_t *input;                 /* RECEIVE_BUFFER_BYTES, shared by all connections: nothing stays in it */
    log_limit_t rejections, late, crowded, full;
} server_t;

/* Of zeroes makes a server that server_clear takes. */
void server_init(server_t *server);
/* Listens. Returns 0, or an exit status after logging why. */
int server_start(server_t *server, stage_t *stage, custody_t *custody);
void server_clear(server_t *server);

/* The epoll set has events. */
void server_on_events(server_t *server);
/* Admission, reading on, freeing what is over: looks at those associations alone that wait for it. To be called
 * whenever the ring has answered. */
void server_catch_up(server_t *server);
/* The same, and the deadlines of all associations. To be called every TIMER_TICK_MS. */
void server_tick(server_t *server);
/* No new associations: while some are open, which may finish until OXIDICOM_DRAIN_TIMEOUT, others are rejected as
 * transient. Then nobody listens any more. */
void server_drain(server_t *server);
/* Reads the TLS certificates again. */
void server_reload(server_t *server);
/* A notifier began anew. */
void server_say_traces_again(server_t *server);
bool server_idle(const server_t *server);

/* --- for association.c --- */

/* Whether the association may be served now. */
bool server_has_place(const server_t *server, const association_t *association);
/* Moves the association to the list of what it waits for now. */
void server_attend(server_t *server, association_t *association, attention_t attention);
/* Its connection was closed. */
void server_on_closed(server_t *server, const struct in6_addr *address);

#endif
