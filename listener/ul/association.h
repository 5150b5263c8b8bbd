/* One association, from the TCP accept to the last acknowledgement: the acceptor's half of the state machine of
 * PS3.8 9.2. Its actions (PS3.8 tables 9-6 to 9-9) are named where they are performed. */
#ifndef LISTENER_UL_ASSOCIATION_H
#define LISTENER_UL_ASSOCIATION_H

#include "listener/ul/site.h"

#define INPUT_ENDED "connection closed by the peer"

/* Owns `fd` afterwards. `address` and `peer`, its name, are copied. Returns NULL, with fd closed, where the kernel
 * has no room for it. */
association_t *association_new(site_t *site, int fd, uint64_t number, const struct in6_addr *address,
                               const char *peer);
/* Its messages are gone. */
void association_destroy(association_t **self_p);

/* Sends to the peer, while there is a connection. */
void association_send(association_t *association, const uint8_t *bytes, size_t size);
/* Sends A-ABORT and waits for the peer to close. */
void association_abort(association_t *association, abort_reason_t reason, const char *why);
/* Closes the connection; complete objects go on being stored. `how` is for the log. */
void association_close(association_t *association, outcome_t outcome, const char *how);
/* Our last PDU is sent: half close, and let the peer read it before the end. */
void association_await_close(association_t *association, outcome_t outcome, const char *how);
/* How it ended, for the notifier. */
Ring__Ending association_ending(const association_t *association);
/* The peer has ended its input. Returns whether it still gets answers. */
bool association_end_input(association_t *association);
/* A message was answered: perhaps the last before a release, or before the end of a half-closed connection. */
void association_on_answered(association_t *association);

/* Whether its peer has a line of this level left (log_peers.h). */
bool association_may_log(const association_t *association, log_level_t level);
/* The same of a complaint that a peer could cause with every connection: once in LOG_SELDOM_MS. */
bool association_seldom(const association_t *association, const char *kind, uint64_t *left_out);
/* The reason that its span will give. */
void association_note_why(association_t *association, const char *why);
/* The only place where a state changes. */
void association_set_state(association_t *association, association_state_t state);
/* Frees the request, which is answered or will never be. */
void association_drop_request(association_t *association);

/* Between A-ASSOCIATE-AC and A-RELEASE-RP. */
bool association_is_served(association_state_t state);

#endif
