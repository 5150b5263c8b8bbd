/* The peers' addresses: their names, and the number of connections of each. The /64 network of IPv6 counts as one
 * address: the owner of one address has all of it (RFC 6177). */
#ifndef LISTENER_NET_PEERS_H
#define LISTENER_NET_PEERS_H

#include <czmq.h>

#include "common/network.h"

/* Room for "[address%interface]:port". */
#define PEER_NAME_BYTES NETWORK_PLACE_BYTES

/* Address and port as people write them. */
void peer_name(const struct sockaddr_storage *address, socklen_t size, char name[PEER_NAME_BYTES]);

typedef struct peers {
    zhashx_t *by_address;
    size_t connections; /* of all of them */
} peers_t;

void peers_start(peers_t *peers);
void peers_clear(peers_t *peers);
/* One connection more of the address; returns how many it has now. */
size_t peers_add(peers_t *peers, const struct in6_addr *address);
/* A number for the address; all of one IPv6 network have the same. */
uint64_t peers_number(const struct in6_addr *address);
/* One less. */
void peers_remove(peers_t *peers, const struct in6_addr *address);
/* So many more, or less, of its connections are associations that hold a place. */
void peers_serve(peers_t *peers, const struct in6_addr *address, int change);
/* How many do. */
size_t peers_served(const peers_t *peers, const struct in6_addr *address);

#endif
