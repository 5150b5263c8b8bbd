#include "notifier/http/clients.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/clock.h"

void clients_init(clients_t *clients) {
    *clients = (clients_t){0};
    pthread_mutex_init(&clients->lock, NULL);
}

void clients_clear(clients_t *clients) {
    pthread_mutex_destroy(&clients->lock);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return a->ss_family == AF_INET6 && memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                                              &((const struct sockaddr_in6 *)b)->sin6_addr, 16) == 0;
}

/* Shuts the connection down: the library then closes it. */
static void end(client_t *client) {
    client->is_ending = true;
    (void)shutdown(client->fd, SHUT_RDWR); /* fails where the client has gone by itself */
}

/* Holders of a place that have not asked for anything yet; of the address, unless it is NULL. */
static client_t *longest_silent(clients_t *clients, const struct sockaddr_storage *address) {
    client_t *found = NULL;
    for (client_t *client = clients->list; client < clients->list + CLIENTS_MAX; client++)
        if (client->used && !client->is_ending && !client->is_viewer && !client->is_answering &&
            (!address || same_address(address, &client->address)) && (!found || client->number < found->number))
            found = client;
    return found;
}

static void make_room(clients_t *clients, const struct sockaddr_storage *address) {
    size_t used = 0, of_address = 0;
    for (client_t *client = clients->list; client < clients->list + CLIENTS_MAX; client++) {
        used += client->used && !client->is_ending;
        of_address += client->used && !client->is_ending && same_address(address, &client->address);
    }
    if (used < CLIENTS_MAX - CLIENTS_RESERVE && of_address < CLIENTS_MAX / 2)
        return;
    client_t *victim = longest_silent(clients, of_address >= CLIENTS_MAX / 2 ? address : NULL);
    if (victim)
        end(victim);
}

client_t *clients_add(clients_t *clients, int fd) {
    client_t new = {.used = true, .fd = fd, .since_ms = clock_ms()};
    socklen_t size = sizeof new.address;
    (void)getpeername(fd, (struct sockaddr *)&new.address, &size); /* none, if it has gone */
    client_t *client = clients->list;
    pthread_mutex_lock(&clients->lock);
    new.number = ++clients->numbers;
    make_room(clients, &new.address);
    while (client < clients->list + CLIENTS_MAX && client->used)
        client++;
    if (client < clients->list + CLIENTS_MAX)
        *client = new;
    else
        client = NULL;
    pthread_mutex_unlock(&clients->lock);
    return client;
}

void clients_remove(clients_t *clients, client_t *client) {
    pthread_mutex_lock(&clients->lock);
    client->used = false;
    pthread_mutex_unlock(&clients->lock);
}

void clients_begin(clients_t *clients, client_t *client, bool is_answering) {
    pthread_mutex_lock(&clients->lock);
    client->since_ms = clock_ms();
    client->number = ++clients->numbers;
    client->is_answering = is_answering;
    client->is_viewer = false;
    pthread_mutex_unlock(&clients->lock);
}

void clients_become_viewer(clients_t *clients, client_t *client) {
    unsigned most_ms = CLIENTS_UNACKNOWLEDGED_MS;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms, sizeof most_ms); /* later, then */
    pthread_mutex_lock(&clients->lock);
    client->is_viewer = true;
    pthread_mutex_unlock(&clients->lock);
}

void clients_tick(clients_t *clients, int64_t now_ms) {
    pthread_mutex_lock(&clients->lock);
    for (client_t *client = clients->list; client < clients->list + CLIENTS_MAX; client++) {
        int64_t most_ms = client->is_answering ? CLIENTS_ANSWER_MAX_MS : CLIENTS_REQUEST_MAX_MS;
        if (client->used && !client->is_viewer && now_ms - client->since_ms >= most_ms)
            end(client);
    }
    pthread_mutex_unlock(&clients->lock);
}
