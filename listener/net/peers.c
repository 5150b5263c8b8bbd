#include "listener/net/peers.h"

#include "common/memory.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* --- names ------------------------------------------------------------------------------------------- */

void peer_name(const struct sockaddr_storage *address, socklen_t size, char name[PEER_NAME_BYTES]) {
    char host[PEER_NAME_BYTES - NI_MAXSERV - 4], port[NI_MAXSERV];
    if (getnameinfo((const struct sockaddr *)address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(name, PEER_NAME_BYTES, "unknown");
    else /* IPv4 on the socket of both families */
        network_place(host + (strncmp(host, "::ffff:", 7) == 0 ? 7 : 0), port, name);
}

/* --- counts ------------------------------------------------------------------------------------------ */

typedef struct peer {
    struct in6_addr network;
    size_t connections, served;
} peer_t;

static peer_t *find(const peers_t *peers, const struct in6_addr *address) {
    struct in6_addr network = network_site_of(address);
    return zhashx_lookup(peers->by_address, &network);
}

static size_t hash_address(const void *key) {
    uint64_t halves[2];
    memcpy(halves, key, sizeof halves);
    return (size_t)((halves[0] ^ halves[1] * 0x9E3779B97F4A7C15u) * 0xC2B2AE3D27D4EB4Fu);
}

uint64_t peers_number(const struct in6_addr *address) {
    struct in6_addr network = network_site_of(address);
    return hash_address(&network);
}

static int compare_addresses(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct in6_addr));
}

static void destroy_peer(void **item) {
    free(*item);
    *item = NULL;
}

void peers_start(peers_t *peers) {
    peers->by_address = zhashx_new();
    zhashx_set_key_hasher(peers->by_address, hash_address);
    zhashx_set_key_comparator(peers->by_address, compare_addresses);
    zhashx_set_key_duplicator(peers->by_address, NULL); /* the key is in the item */
    zhashx_set_key_destructor(peers->by_address, NULL);
    zhashx_set_destructor(peers->by_address, destroy_peer);
}

void peers_clear(peers_t *peers) {
    zhashx_destroy(&peers->by_address);
}

size_t peers_add(peers_t *peers, const struct in6_addr *address) {
    peer_t *peer = find(peers, address);
    if (!peer) {
        peer = must(calloc(1, sizeof *peer));
        peer->network = network_site_of(address);
        zhashx_insert(peers->by_address, &peer->network, peer);
    }
    peers->connections++;
    return ++peer->connections;
}

void peers_remove(peers_t *peers, const struct in6_addr *address) {
    peer_t *peer = find(peers, address);
    assert(peer);
    peers->connections--;
    if (--peer->connections == 0)
        zhashx_delete(peers->by_address, &peer->network);
}

void peers_serve(peers_t *peers, const struct in6_addr *address, int change) {
    if (change == 0)
        return;
    peer_t *peer = find(peers, address);
    assert(peer);
    peer->served += (size_t)change;
}

size_t peers_served(const peers_t *peers, const struct in6_addr *address) {
    const peer_t *peer = find(peers, address);
    return peer ? peer->served : 0;
}
