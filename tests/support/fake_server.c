#include "tests/support/fake_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How soon the end is noticed, and how long a client that says nothing is served before the next gets its turn. */
#define TURN_MS   20
#define CLIENT_MS 3000

struct fake_server {
    const char *greeting, *filler;
    int listening, port;
    pthread_t thread;
    atomic_bool ended;
    atomic_int clients;
    _Atomic uint64_t sent;
};

/* Sends what fits. False: the client has gone. */
static bool send_some(fake_server_t *server, int client, const char *text) {
    ssize_t sent = send(client, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        server->sent += (uint64_t)sent;
    return sent >= 0;
}

static void serve(fake_server_t *server, int client) {
    bool fills = server->filler && *server->filler;
    if (*server->greeting && !send_some(server, client, server->greeting))
        return;
    for (int waited_ms = 0; !server->ended && (waited_ms < CLIENT_MS || !server->filler);) {
        struct pollfd item = {.fd = client, .events = fills ? POLLOUT : 0};
        if (poll(&item, 1, TURN_MS) == 0)
            waited_ms += TURN_MS;
        else if ((item.revents & (POLLERR | POLLHUP)) || !send_some(server, client, server->filler))
            return;
    }
}

static void *run(void *argument) {
    fake_server_t *server = argument;
    while (!server->ended) {
        struct pollfd item = {.fd = server->listening, .events = POLLIN};
        if (poll(&item, 1, TURN_MS) <= 0)
            continue;
        int client = accept4(server->listening, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        server->clients++;
        serve(server, client);
        close(client);
    }
    return NULL;
}

fake_server_t *fake_server_new(const char *greeting, const char *filler) {
    fake_server_t *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!server)
        abort();
    server->greeting = greeting;
    server->filler = filler;
    server->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listening, (struct sockaddr *)&address, size) != 0 || listen(server->listening, 16) != 0 ||
        getsockname(server->listening, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, run, server) != 0)
        abort();
    server->port = ntohs(address.sin_port);
    return server;
}

void fake_server_destroy(fake_server_t **self_p) {
    fake_server_t *server = *self_p;
    if (!server)
        return;
    server->ended = true;
    pthread_join(server->thread, NULL);
    close(server->listening);
    free(server);
    *self_p = NULL;
}

int fake_server_port(const fake_server_t *server) {
    return server->port;
}

uint64_t fake_server_sent_bytes(const fake_server_t *server) {
    return server->sent;
}

int fake_server_clients(const fake_server_t *server) {
    return server->clients;
}
