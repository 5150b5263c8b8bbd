/* The way of LONK messages to NATS: a bounded queue and a thread that owns the connection (nats_link.h). Never
 * blocks its caller; messages without room are dropped and counted. */
#ifndef NOTIFIER_PROGRESS_PUBLISHER_H
#define NOTIFIER_PROGRESS_PUBLISHER_H

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/link_state.h"
#include "common/settings.h"
#include "notifier/progress/lonk.h"

/* LONK messages waiting for NATS; more are dropped and counted. */
#define LONK_QUEUE_MESSAGES 10000
/* How long the end of the process waits for NATS to take the rest. */
#define LONK_FLUSH_MS 2000
/* How long for the thread: cnats knows no deadline while it connects to a server that falls silent. */
#define PUBLISHER_END_MS (LONK_FLUSH_MS + 3000)

typedef struct publisher publisher_t;

/* Without settings->nats_address everything is thrown away. `state` is written until the end. */
publisher_t *publisher_new(const settings_t *settings, link_state_t *state);
/* False, after logging: the thread does not end, and goes on to use `state` and the settings. */
bool publisher_destroy(publisher_t **self_p) __attribute__((warn_unused_result));

/* Readable when publisher_taken has something; NULL: it never has. */
zsock_t *publisher_socket(publisher_t *publisher);
/* Takes the reception of a done that NATS has; false: there is none now, after publisher_end: no more. */
bool publisher_taken(publisher_t *publisher, int64_t *reception);
/* Takes no more messages, and waits until NATS has the rest, at most LONK_FLUSH_MS; publisher_taken waits, too, at
 * most PUBLISHER_END_MS. */
void publisher_end(publisher_t *publisher);

/* A progress_publish_fn; `self` is the publisher. */
void publisher_publish(void *self, const char *subject, const void *payload, size_t size);
/* A progress_done_fn. */
bool publisher_publish_done(void *self, const lonk_final_t *final);
/* A progress_interrupted_fn. */
int64_t publisher_interrupted_ms(void *self);

/* Messages that wait to be handed to NATS, and those dropped so far for want of room. */
void publisher_count(publisher_t *publisher, uint64_t *waiting, uint64_t *dropped);

#endif
