/* Makes room in a crowd: the places and bytes of one unserved or idle peer must not keep the others out. */
#ifndef LISTENER_UL_CROWD_H
#define LISTENER_UL_CROWD_H

#include "listener/ul/association.h"

/* What all connections together may hold before they are served: requests that are not whole or not answered, and
 * TLS handshakes, at so much for each. */
#define CROWD_MAX_BYTES       (4 * 1024 * 1024)
#define CROWD_HANDSHAKE_BYTES (32 * 1024)
/* Where no more connections are accepted, so many of those go at once that have been without a whole request for so
 * long. */
#define CROWD_LEAVE_AT_ONCE 256
#define CROWD_REQUEST_MS    1000
/* A place is taken from an association that has had nothing under way for this time, or a message slower than
 * OXIDICOM_MIN_RATE: where places are wanted, deadlines are shorter. */
#define CROWD_IDLE_MS 10000

/* Counts the association's bytes. If all hold too much, the oldest connections with partial requests are closed;
 * if that is not enough, this one is rejected for now. */
void crowd_count(association_t *association);

/* Closes connections that have waited for longest with a request that is not whole, where no more can be accepted.
 */
void crowd_make_room(site_t *site, int64_t now_ms);

/* The next waiting association: first from addresses that hold less than half of `most` places, then by waiting
 * time. NULL: nobody waits. */
association_t *crowd_next(const site_t *site, int64_t most);

/* Takes a place for each that waits, where all are taken: from an address that holds more than half, or from who
 * has been idle for longest. */
void crowd_take_places(site_t *site, int64_t most, int64_t now_ms);

#endif
