#include "common/network.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/comma_list.h"

typedef struct network {
    struct in6_addr address;
    unsigned prefix_bits; /* of the 128 */
} network_t;

#define IPV6_BITS  128
#define SITE_BYTES 8
#define IPV4_BITS  32

static struct in6_addr mapped(struct in_addr v4) {
    struct in6_addr v6 = {.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
    memcpy(v6.s6_addr + 12, &v4, sizeof v4);
    return v6;
}

struct in6_addr network_address_of(const struct sockaddr_storage *peer) {
    if (peer->ss_family == AF_INET6)
        return ((const struct sockaddr_in6 *)peer)->sin6_addr;
    if (peer->ss_family == AF_INET)
        return mapped(((const struct sockaddr_in *)peer)->sin_addr);
    return in6addr_any;
}

struct in6_addr network_site_of(const struct in6_addr *address) {
    struct in6_addr site = *address;
    if (!IN6_IS_ADDR_V4MAPPED(address))
        memset(site.s6_addr + SITE_BYTES, 0, sizeof site.s6_addr - SITE_BYTES);
    return site;
}

bool network_is_port(const char *text, size_t size) {
    long port = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || port > UINT16_MAX)
            return false;
        port = 10 * port + text[i] - '0';
    }
    return port >= 1 && port <= UINT16_MAX;
}

void network_place(const char *host, const char *port, char place[NETWORK_PLACE_BYTES]) {
    snprintf(place, NETWORK_PLACE_BYTES, strchr(host, ':') ? "[%.100s]:%.5s" : "%.100s:%.5s", host, port);
}

bool network_is_address(const char *text) {
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* Decimal digits alone, at most `most`. */
static bool parse_prefix(const char *text, unsigned most, unsigned *bits) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *bits = (unsigned)value;
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && value <= most;
}

/* Reads one address or network, e.g. "10.1.0.0/16", "::1". */
static bool network_parse(const char *text, size_t size, network_t *network) {
    char copy[INET6_ADDRSTRLEN + sizeof "/128"];
    if (size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    char *slash = strchr(copy, '/');
    if (slash)
        *slash = 0;
    struct in_addr v4;
    bool is_v4 = inet_pton(AF_INET, copy, &v4) == 1;
    if (is_v4)
        network->address = mapped(v4);
    else if (inet_pton(AF_INET6, copy, &network->address) != 1)
        return false;
    network->prefix_bits = IPV6_BITS;
    if (!slash)
        return true;
    if (!parse_prefix(slash + 1, is_v4 ? IPV4_BITS : IPV6_BITS, &network->prefix_bits))
        return false;
    network->prefix_bits += is_v4 ? IPV6_BITS - IPV4_BITS : 0;
    return true;
}

static bool network_contains(const network_t *network, const struct in6_addr *address) {
    size_t whole = network->prefix_bits / 8, rest = network->prefix_bits % 8;
    if (memcmp(network->address.s6_addr, address->s6_addr, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xFF00 >> rest);
    return rest == 0 || ((network->address.s6_addr[whole] ^ address->s6_addr[whole]) & mask) == 0;
}

bool networks_valid(const char *list) {
    const char *item;
    size_t size;
    network_t network;
    while (comma_list_next(&list, &item, &size))
        if (!network_parse(item, size, &network))
            return false;
    return true;
}

bool networks_contain(const char *list, const struct in6_addr *address) {
    const char *item;
    size_t size;
    network_t network;
    while (comma_list_next(&list, &item, &size))
        if (network_parse(item, size, &network) && network_contains(&network, address))
            return true;
    return false;
}
