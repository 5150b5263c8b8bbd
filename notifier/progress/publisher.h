/* The way of LONK messages to NATS: a bounded queue and a thread that owns the connection (nats_link.h). Never
 * blocks its caller; what does not fit is dropped and counted. */
#ifndef NOTIFIER_PROGRESS_PUBLISHER_H
#define NOTIFIER_PROGRESS_PUBLISHER_H

#include <stddef.h>
#include <stdint.h>

#include "common/link_state.h"
#include "common/settings.h"

/* LONK messages waiting for NATS; more are dropped and counted. */
#define LONK_QUEUE_MESSAGES 10000
/* How long the end of the process waits for NATS to take what is left. */
#define LONK_FLUSH_MS 2000

typedef struct publisher publisher_t;

/* Without settings->nats_address everything is thrown away. `state` is written until the end. */
publisher_t *publisher_new(const settings_t *settings, link_state_t *state);
/* Waits until NATS has what is left, at most LONK_FLUSH_MS. */
void publisher_destroy(publisher_t **self_p);

/* A progress_publish_fn; `self` is the publisher. */
void publisher_publish(void *self, const char *subject, const void *payload, size_t size);
/* A progress_done_fn. */
void publisher_publish_done(void *self, const char *subject, uint32_t count);

/* Messages that wait to be handed to NATS, and those dropped so far for want of room. */
void publisher_count(publisher_t *publisher, uint64_t *waiting, uint64_t *dropped);

#endif
