/* Bytes of files that have no place yet, by the address that sends them: nobody may fill storage with objects that
 * never end. Where the address is one of IPv6, all of its /64 count as one. */
#ifndef WRITER_STORAGE_SENDERS_H
#define WRITER_STORAGE_SENDERS_H

#include <czmq.h>
#include <stdatomic.h>

/* What an address may have unfinished in any case, so that the last room of a disk still takes usual objects. */
#define SENDER_LITTLE_BYTES (16 * 1024 * 1024)

typedef struct sender {
    atomic_ullong unfinished; /* bytes; changed by any thread */
    zhashx_t *all;            /* the table; the loop's, like the rest */
    char *address;
    size_t users;
} sender_t;

/* The table of all senders: empty. Nobody may hold a sender when it is destroyed with zhashx_destroy. */
zhashx_t *senders_new(void);

/* Of a peer, as the ring names it: ADDRESS:PORT or [ADDRESS]:PORT. Give it back with sender_release, which does
 * nothing with NULL. Both in the loop's thread. */
sender_t *sender_of(zhashx_t *all, const char *peer);
void sender_release(sender_t **self_p);

#endif
