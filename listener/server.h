/* The TCP side of the listener: sockets, the epoll set, who is served and who waits. */
#ifndef LISTENER_SERVER_H
#define LISTENER_SERVER_H

#include "listener/net/ports.h"
#include "listener/net/tls.h"
#include "listener/ul/site.h"

/* Peers have so long to close after an abort at the end of OXIDICOM_DRAIN_TIMEOUT. */
#define DRAIN_CLOSE_MS 500
/* How often deadlines are looked at. */
#define TIMER_TICK_MS 100

/* TLS handshakes, requests and C-ECHOs cost far more than bytes of an object. So many connections without a place
 * are read in one turn of the loop, and all that have one. */
#define SERVER_UNSERVED_AT_ONCE 8

typedef struct server {
    site_t site;
    tls_t tls;
    ports_t ports;
    bool accepting; /* the ports are watched */
    size_t connections_max;
    uint64_t accepted_count;
    int64_t drained_at_ms; /* while draining: open associations are aborted then */
    log_limit_t full;
} server_t;

/* Of zeroes makes a server that server_clear takes. */
void server_init(server_t *server);
/* Listens. Returns 0, or an exit status after logging why. */
int server_start(server_t *server, stage_t *stage, custody_t *custody);
void server_clear(server_t *server);

/* Answers, admission, reading on, winding up: looks at those associations alone that wait for it. To be called at
 * the end of each turn of the loop; server_on_events and server_tick do it themselves. */
void server_catch_up(server_t *server);
/* The epoll set has events. */
void server_on_events(server_t *server);
/* The deadlines of all associations. To be called every TIMER_TICK_MS. */
void server_tick(server_t *server);
/* No new associations: while some are open, which may finish until OXIDICOM_DRAIN_TIMEOUT, others are rejected as
 * transient. Then nobody listens any more. */
void server_drain(server_t *server);
/* Reads the TLS certificates again. */
void server_reload(server_t *server);
/* A notifier began anew. */
void server_say_traces_again(server_t *server);
bool server_idle(const server_t *server);

#endif
