/* The clients of the HTTP endpoint: each has limited time, and a new one always gets a place. Safe from any
 * thread. */
#ifndef NOTIFIER_HTTP_CLIENTS_H
#define NOTIFIER_HTTP_CLIENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Connections at once, and how many of these places are kept free for the next ones: probes among them. */
#define CLIENTS_MAX     64
#define CLIENTS_RESERVE 8
/* Times for a whole request and for a whole answer. */
#define CLIENTS_REQUEST_MAX_MS 15000
#define CLIENTS_ANSWER_MAX_MS  30000
/* A viewer that vanished from the network is given up after this. */
#define CLIENTS_UNACKNOWLEDGED_MS 20000

/* A connection, while it is there. */
typedef struct client {
    bool used;
    int fd;
    struct sockaddr_storage address;
    int64_t since_ms;  /* of the request that is being read, or of the answer */
    uint64_t number;   /* rises with since_ms, also within a millisecond */
    bool is_answering; /* the request is there */
    bool is_viewer;    /* its answer has no end */
    bool is_ending;    /* its connection was shut down */
} client_t;

typedef struct clients {
    pthread_mutex_t lock;
    client_t list[CLIENTS_MAX];
    uint64_t numbers; /* the last one */
} clients_t;

void clients_init(clients_t *clients);
void clients_clear(clients_t *clients);

/* A new connection. If few places are free, the connection that has been silent for longest before its request
 * ends: of this address if it has half of all places, else of any. NULL: there is no place. */
client_t *clients_add(clients_t *clients, int fd);
/* The connection has ended, and its descriptor is about to be closed. */
void clients_remove(clients_t *clients, client_t *client);

/* Its request is there (`is_answering`), or its answer has gone and the next request may come. */
void clients_begin(clients_t *clients, client_t *client, bool is_answering);
/* Its answer has no end. A vanished client is noticed by missing acknowledgements. */
void clients_become_viewer(clients_t *clients, client_t *client);

/* Ends the connections at the end of their time. A library's own timeout begins anew with each byte, so a byte now
 * and then would keep a place for ever. */
void clients_tick(clients_t *clients, int64_t now_ms);

#endif
