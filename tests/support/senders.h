/* PACS systems that send without a pause, each a process of its own: one short association after the other, and
 * unacknowledged objects again. */
#ifndef SUPPORT_SENDERS_H
#define SUPPORT_SENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SENDERS_MAX 16

/* The results, over all senders. */
typedef struct sent_counts {
    unsigned associations; /* ended by A-RELEASE-RP */
    unsigned turned_away;  /* connection refused, or A-ASSOCIATE-RJ (transient) */
    unsigned broken;       /* any other end */
    unsigned stored;       /* objects, each counted once: 0000 */
    unsigned a700;
    unsigned other; /* statuses */
    unsigned unanswered;
} sent_counts_t;

typedef struct senders_spec {
    int port;
    int senders;
    int per_association; /* objects */
    size_t bytes;        /* of pixel data in each */
    const char *series;  /* sender N has the series "<series>.N" and the calling AE "SENDER<N>" */
    bool once;           /* objects answered A700 are not sent again, but counted and left out */
} senders_spec_t;

typedef struct senders senders_t;

senders_t *senders_start(const senders_spec_t *spec);
sent_counts_t senders_counts(senders_t *self);
/* Objects of one sender that were acknowledged. */
unsigned senders_stored_by(senders_t *self, int sender);
/* Waits until every sender has had so many more objects stored; false after `ms`. */
bool senders_await_stored(senders_t *self, unsigned more, int64_t ms);
/* Each ends its association; waits for all. The counts stay. */
void senders_quiet(senders_t *self);
/* The same, and frees it. Returns the counts. */
sent_counts_t senders_stop(senders_t **self_p);

#endif
