/* A budget of log lines for each peer. A peer that knocks without end uses up its own lines only, and the log still
 * tells of the others. Safe from any thread. */
#ifndef COMMON_LOG_PEERS_H
#define COMMON_LOG_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"

/* A peer may have a warning each LOG_PEER_WARN_MS, an info each LOG_PEER_INFO_MS, and LOG_PEER_BURST_MS of them at
 * once: fewer than one place in the source may write (log.h). */
#define LOG_PEER_WARN_MS  500
#define LOG_PEER_INFO_MS  50
#define LOG_PEER_BURST_MS 30000
/* Peers, and kinds of complaints about them, that are known at once; those beyond take the places of others. */
#define LOG_PEERS_MAX 1024

/* Whether a line of this level may be written of the peer, `number` its address as a number. Says how many
 * could not where one may again; `name` is for that. */
bool log_peer_may(log_level_t level, uint64_t number, const char *name);
/* As log_seldom, of each peer for itself: for complaints that a peer could cause with every connection. */
bool log_peer_seldom(uint64_t number, const char *kind, uint64_t *left_out);

/* The number of a peer, from the text of its address and port. */
uint64_t log_peer_number(const char *name);

#endif
