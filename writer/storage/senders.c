#include "writer/storage/senders.h"

#include <arpa/inet.h>

#include "common/memory.h"
#include "common/network.h"

zhashx_t *senders_new(void) {
    return zhashx_new(); /* senders free themselves */
}

/* Free it. */
static char *address_of(const char *peer) {
    bool is_ipv6 = *peer == '[';
    const char *begin = peer + is_ipv6, *end = strrchr(begin, is_ipv6 ? ']' : ':');
    char *address = must(strndup(begin, end ? (size_t)(end - begin) : strlen(begin)));
    struct in6_addr bytes;
    if (!is_ipv6 || inet_pton(AF_INET6, address, &bytes) != 1)
        return address;
    free(address);
    bytes = network_site_of(&bytes);
    char site[INET6_ADDRSTRLEN];
    return copy_text(inet_ntop(AF_INET6, &bytes, site, sizeof site));
}

sender_t *sender_of(zhashx_t *all, const char *peer) {
    char *address = address_of(peer);
    sender_t *sender = zhashx_lookup(all, address);
    if (!sender) {
        sender = must(calloc(1, sizeof *sender));
        sender->all = all;
        sender->address = copy_text(address);
        zhashx_insert(all, address, sender);
    }
    free(address);
    sender->users++;
    return sender;
}

void sender_release(sender_t **self_p) {
    sender_t *self = *self_p;
    *self_p = NULL;
    if (!self || --self->users > 0)
        return;
    zhashx_delete(self->all, self->address);
    free(self->address);
    free(self);
}
