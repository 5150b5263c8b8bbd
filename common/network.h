/* Addresses of both families and networks of them, as in 10.1.0.0/16 or fd00::/8 (RFC 4632, RFC 4291). */
#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* Of a socket's peer, IPv4 as IPv6 has it, ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that it does not matter which
 * socket it came to. Anything but IPv4 and IPv6 is ::. */
struct in6_addr network_address_of(const struct sockaddr_storage *peer);

/* What a peer can choose its address from: an IPv4 address alone, or the /64 of an IPv6 one (RFC 4291 2.5.4). */
struct in6_addr network_site_of(const struct in6_addr *address);

/* Whether the text is an address, and no name. */
bool network_is_address(const char *text);
/* Whether `size` bytes are a port that can be connected to: 1 to 65535, in decimal. */
bool network_is_port(const char *text, size_t size);

/* A host of 100 characters in brackets, a port of 5, and what is between them. */
#define NETWORK_PLACE_BYTES 128
/* Host and port for people: host:4222, [::1]:4222 (RFC 3986 3.2.2). Longer ones are cut. */
void network_place(const char *host, const char *port, char place[NETWORK_PLACE_BYTES]);

/* Whether each item of a comma list is an address or network. */
bool networks_valid(const char *list);
/* Whether one of a valid list contains the address. */
bool networks_contain(const char *list, const struct in6_addr *address);

#endif
