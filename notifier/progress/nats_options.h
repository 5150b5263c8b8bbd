/* What cnats is told before it connects: servers, who we are, TLS, and how patient it is. */
#ifndef NOTIFIER_PROGRESS_NATS_OPTIONS_H
#define NOTIFIER_PROGRESS_NATS_OPTIONS_H

#include <nats/nats.h>

#include "common/link_state.h"
#include "common/settings.h"

/* A NATS that reads nothing for so long is taken for gone. */
#define NATS_WRITE_TIMEOUT_MS 1000

/* Destroy them with natsOptions_Destroy. Whether the connection is lost goes to `state`, which outlives cnats'
 * threads. NULL after logging that the address is of no use. */
natsOptions *nats_options_new(const settings_t *settings, link_state_t *state);

#endif
