/* Who has to go where there is no room for all that come: what one peer can hold without being served, or without
 * doing anything, must not keep the others out. */
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
/* A place is taken from an association that has had nothing under way for this time. */
#define CROWD_IDLE_MS 10000

/* Counts what the association holds now. Where that is too much with what others hold, those that have come first
 * with a request that is not whole are closed; where that is not enough, this one is rejected for now. */
void crowd_count(association_t *association);

/* Closes connections that have waited for longest with a request that is not whole, where no more can be accepted.
 */
void crowd_make_room(site_t *site, int64_t now_ms);

/* Which of those that wait for a place is next: one whose address holds less than half of `most` places before all
 * others, then who has waited for longest. NULL: nobody waits. */
association_t *crowd_next(const site_t *site, int64_t most);

/* Takes a place for each that waits, where all are taken: from an address that holds more than half, or from who
 * has been idle for longest. */
void crowd_take_places(site_t *site, int64_t most, int64_t now_ms);

#endif
