/* The TCP side of the listener: sockets, the epoll set, who is served and who waits. */
#ifndef LISTENER_SERVER_H
#define LISTENER_SERVER_H

#include "listener/association.h"
#include "listener/tls.h"

#define LISTENING_SOCKETS_MAX 2 /* plain and TLS */

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
    TAILQ_HEAD(association_list, association) associations;
    uint64_t accepted_count;
    size_t served_count; /* associations that count against OXIDICOM_LISTENER_THREADS */
    bool draining;
    int64_t drained_at_ms; /* while draining: what is open then is aborted */
    log_limit_t said_out_of_resources;
    int64_t refusal_said_ms[REFUSALS]; /* last complaint of this kind */
    int64_t stranger_said_ms;          /* last one about a peer that does not speak DICOM */
    uint8_t *input;                    /* RECEIVE_BYTES, shared by all connections: nothing stays in it */
} server_t;

/* Listens. Returns 0, or an exit status after logging why. */
int server_start(server_t *server, stage_t *stage, custody_t *custody);
void server_clear(server_t *server);

/* The epoll set has events. */
void server_on_events(server_t *server);
/* Deadlines, admission, reading on, freeing what is over. To be called every TIMER_TICK_MS and whenever the ring
 * has answered. */
void server_tick(server_t *server);
/* No new associations: while some are open, which may finish until OXIDICOM_DRAIN_TIMEOUT, others are rejected as
 * transient. Then nobody listens any more. */
void server_drain(server_t *server);
/* Reads the TLS certificates again. */
void server_reload(server_t *server);
bool server_idle(const server_t *server);

/* --- for association.c --- */

/* Whether the association may be served now. */
bool server_has_place(const server_t *server, const association_t *association);

#endif
