/* Real servers of the tests' own on free loopback ports. */
#ifndef SUPPORT_SERVERS_H
#define SUPPORT_SERVERS_H

#include "tests/support/process.h"

typedef struct nats_server {
    int port;
    pid_t pid;
} nats_server_t;

/* port 0: a free one. Aborts the test where it does not come up. */
void nats_server_start(nats_server_t *server, int port);
/* The same with further options of its command line, NULL-terminated. */
void nats_server_start_with(nats_server_t *server, int port, const char *const *options);
void nats_server_stop(nats_server_t *server);

/* One Erlang node with a folder and an epmd of its own. */
typedef struct rabbitmq {
    char *folder;
    int port, distribution_port, epmd_port;
    pid_t pid, epmd;
    /* Where set before it starts: a folder with ca.crt, server.crt and server.key, and the port of 127.0.0.1 and
     * 127.0.0.2 where it speaks TLS with those who show a certificate of that CA. */
    const char *certificates;
    int tls_port;
} rabbitmq_t;

/* A new node, or a paused one on its old port with its old state. */
void rabbitmq_start(rabbitmq_t *rabbitmq);
/* Stops the node and keeps its folder. */
void rabbitmq_pause(rabbitmq_t *rabbitmq);
/* Raises or clears its memory alarm; under it, it takes no messages. */
void rabbitmq_alarm(rabbitmq_t *rabbitmq, bool raised);
/* Closes all connections, as an operator would. */
void rabbitmq_close_connections(rabbitmq_t *rabbitmq);
void rabbitmq_stop(rabbitmq_t *rabbitmq);

/* Keeps messages on the disk before it answers. */
typedef struct redis_server {
    char *folder, *socket; /* owned; the Unix socket is there while it runs */
    int port;
    pid_t pid;
} redis_server_t;

/* A new one, or a paused one on its old port with its old data. `options`: further ones of its command line,
 * NULL-terminated, or NULL. */
void redis_start(redis_server_t *redis, const char *const *options);
/* Ends it with a signal (SIGTERM, SIGKILL) and keeps its folder. */
void redis_pause(redis_server_t *redis, int signal_number);
void redis_stop(redis_server_t *redis);

/* A Celery worker that applies CUBE's rules (cube.py) to files below `files_root`, and appends a line of JSON for
 * each task to `record`. */
pid_t celery_worker_start(const char *broker, const char *queue, const char *files_root, const char *record,
                          const char *log);

#endif
