#include "tests/support/relay.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/process.h"

#define CONNECTIONS_MAX 64
/* How soon a change of what the relay does is noticed. */
#define TURN_MS 20

typedef struct pair {
    int ends[2]; /* client, server */
    size_t left; /* bytes until it is cut */
} pair_t;

struct relay {
    pthread_t thread;
    pthread_mutex_t lock; /* for the next connections */
    unsigned seed;
    size_t least, most; /* 0: nothing is cut */
    enum { PASSES, HANGS, REFUSES } mode;
    bool ended;
    int cuts;
    /* The thread's. */
    int listening, port, server_port;
    pair_t pairs[CONNECTIONS_MAX];
    size_t count;
};

/* As small as they get in a network, where loopback's take megabytes. */
static void keep_buffers_small(int s) {
    int segment = 536, bytes = 4096;
    setsockopt(s, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

/* A socket of loopback; connected to `port`, or listening where that is 0. -1: it can't be. */
static int loopback_socket(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    keep_buffers_small(s);
    bool done = port ? connect(s, (struct sockaddr *)&address, sizeof address) == 0
                     : bind(s, (struct sockaddr *)&address, sizeof address) == 0 && listen(s, 16) == 0;
    if (done)
        return s;
    close(s);
    return -1;
}

static void drop(relay_t *relay, size_t index) {
    /* As a cable does it: without a farewell. */
    struct linger now = {.l_onoff = 1};
    for (int end = 0; end < 2; end++) {
        setsockopt(relay->pairs[index].ends[end], SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(relay->pairs[index].ends[end]);
    }
    relay->pairs[index] = relay->pairs[--relay->count];
}

static void accept_one(relay_t *relay, bool refuses) {
    int client = accept4(relay->listening, NULL, NULL, SOCK_CLOEXEC);
    int server = refuses ? -1 : loopback_socket(relay->server_port);
    if (client < 0 || server < 0 || relay->count == CONNECTIONS_MAX) {
        close(client);
        close(server);
        return;
    }
    pair_t pair = {{client, server}, SIZE_MAX};
    pthread_mutex_lock(&relay->lock);
    if (relay->most)
        pair.left = relay->least + (size_t)rand_r(&relay->seed) % (relay->most - relay->least + 1);
    pthread_mutex_unlock(&relay->lock);
    relay->pairs[relay->count++] = pair;
}

/* Passes on the bytes from one end. False: the connection is over. */
static bool pass(relay_t *relay, pair_t *pair, int from) {
    char bytes[4096];
    ssize_t size = read(pair->ends[from], bytes, sizeof bytes < pair->left ? sizeof bytes : pair->left);
    if (size <= 0)
        return false;
    for (ssize_t at = 0, written; at < size; at += written)
        if ((written = send(pair->ends[1 - from], bytes + at, (size_t)(size - at), MSG_NOSIGNAL)) <= 0)
            return false;
    pair->left -= pair->left == SIZE_MAX ? 0 : (size_t)size;
    if (pair->left > 0)
        return true;
    pthread_mutex_lock(&relay->lock);
    relay->cuts++;
    pthread_mutex_unlock(&relay->lock);
    return false;
}

static void turn(relay_t *relay, int mode) {
    bool hangs = mode == HANGS;
    while (mode == REFUSES && relay->count > 0)
        drop(relay, 0);
    struct pollfd items[1 + 2 * CONNECTIONS_MAX] = {{.fd = relay->listening, .events = POLLIN}};
    size_t count = relay->count;
    for (size_t i = 0; i < 2 * count; i++)
        items[1 + i] = (struct pollfd){.fd = hangs ? -1 : relay->pairs[i / 2].ends[i % 2], .events = POLLIN};
    if (poll(items, 1 + 2 * count, TURN_MS) <= 0)
        return;
    /* From the last on, since a dropped one's place is taken by the last. */
    for (size_t i = count; i-- > 0;) {
        pair_t *pair = &relay->pairs[i];
        if ((items[1 + 2 * i].revents && !pass(relay, pair, 0)) ||
            (items[2 + 2 * i].revents && !pass(relay, pair, 1)))
            drop(relay, i);
    }
    if (items[0].revents)
        accept_one(relay, mode == REFUSES);
}

static void *run(void *argument) {
    relay_t *relay = argument;
    for (;;) {
        pthread_mutex_lock(&relay->lock);
        int mode = relay->mode;
        bool ended = relay->ended;
        pthread_mutex_unlock(&relay->lock);
        if (ended)
            return NULL;
        turn(relay, mode);
    }
}

relay_t *relay_new(int port) {
    relay_t *relay = calloc(1, sizeof *relay);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (!relay || (relay->listening = loopback_socket(0)) < 0 ||
        getsockname(relay->listening, (struct sockaddr *)&address, &size) != 0)
        abort();
    relay->port = ntohs(address.sin_port);
    relay->server_port = port;
    pthread_mutex_init(&relay->lock, NULL);
    if (pthread_create(&relay->thread, NULL, run, relay) != 0)
        abort();
    return relay;
}

void relay_destroy(relay_t **self_p) {
    relay_t *relay = *self_p;
    if (!relay)
        return;
    pthread_mutex_lock(&relay->lock);
    relay->ended = true;
    pthread_mutex_unlock(&relay->lock);
    pthread_join(relay->thread, NULL);
    while (relay->count > 0)
        drop(relay, 0);
    close(relay->listening);
    pthread_mutex_destroy(&relay->lock);
    free(relay);
    *self_p = NULL;
}

int relay_port(const relay_t *relay) {
    return relay->port;
}

static void set(relay_t *relay, int mode, unsigned seed, size_t least, size_t most) {
    pthread_mutex_lock(&relay->lock);
    relay->mode = mode;
    relay->seed = seed;
    relay->least = least;
    relay->most = most;
    pthread_mutex_unlock(&relay->lock);
}

void relay_cut(relay_t *relay, unsigned seed, size_t least, size_t most) {
    set(relay, PASSES, seed, least, most);
}

void relay_refuse(relay_t *relay) {
    set(relay, REFUSES, 0, 0, 0);
}

void relay_hang(relay_t *relay) {
    set(relay, HANGS, 0, 0, 0);
}

void relay_pass(relay_t *relay) {
    set(relay, PASSES, 0, 0, 0);
}

int relay_cuts(relay_t *relay) {
    pthread_mutex_lock(&relay->lock);
    int cuts = relay->cuts;
    pthread_mutex_unlock(&relay->lock);
    return cuts;
}

typedef struct wanted {
    relay_t *relay;
    int cuts;
} wanted_t;

static bool has_cut(void *argument) {
    const wanted_t *wanted = argument;
    return relay_cuts(wanted->relay) >= wanted->cuts;
}

bool relay_await_cuts(relay_t *relay, int cuts, int64_t ms) {
    return await(has_cut, &(wanted_t){relay, cuts}, ms);
}
