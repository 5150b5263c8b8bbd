/* The connection to NATS. Errors and done of each series must get through: they are kept until NATS has answered
 * after them and the connection outlived that; else they are published again over the next connection, after the
 * last count. Everything else is published once, or counted as lost. Owned by the publisher's thread; may block it
 * for a bounded time. */
#ifndef NOTIFIER_PROGRESS_NATS_LINK_H
#define NOTIFIER_PROGRESS_NATS_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "common/link_state.h"
#include "common/settings.h"
#include "notifier/progress/lonk.h"

typedef struct nats_link nats_link_t;

/* NATS has errors and done of this reception. */
typedef void nats_link_taken_fn(void *self, int64_t reception);

/* Connects if it can, and keeps `state` true. All must outlive it. */
nats_link_t *nats_link_new(const settings_t *settings, link_state_t *state, nats_link_taken_fn *taken, void *self);
/* When there was last no connection, by clock_ms; INT64_MAX: there is none. */
int64_t nats_link_interrupted_ms(const nats_link_t *link);
void nats_link_destroy(nats_link_t **self_p);

void nats_link_publish(nats_link_t *link, const char *subject, const void *payload, size_t size);
/* A series is over. Copies it; `taken` is called once. */
void nats_link_publish_done(nats_link_t *link, const lonk_final_t *final);

/* Connects, publishes lost messages again, and hears whether NATS has the others. Returns in how many milliseconds
 * it wants to be called again; -1: there is no need. */
int64_t nats_link_service(nats_link_t *link);

/* Waits until NATS has everything, at most `ms`. */
void nats_link_flush(nats_link_t *link, int64_t ms);

#endif
