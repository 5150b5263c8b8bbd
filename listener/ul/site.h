/* What all associations share. */
#ifndef LISTENER_UL_SITE_H
#define LISTENER_UL_SITE_H

#include "listener/custody/custody.h"
#include "listener/net/peers.h"
#include "listener/ul/recent.h"
#include "listener/ul/roster.h"

typedef struct site {
    stage_t *stage;
    custody_t *custody;
    int epoll;
    uint8_t *input; /* RECEIVE_BUFFER_BYTES, shared by all connections: nothing stays in it */
    peers_t peers;
    roster_t roster;
    recent_t recent;
    size_t crowd_bytes; /* held by unserved connections (crowd.h) */
    bool draining;
    uint64_t stored_count, received_bytes; /* objects; of data sets */
    log_limit_t said_out_of_resources;
} site_t;

#endif
