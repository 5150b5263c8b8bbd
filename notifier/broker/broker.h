/* The way of registrations to the broker: a thread that owns the connection, makes the message of each
 * registration right before sending it, and reports its fate. It reconnects for ever. Nothing is kept here across
 * a restart: the journal does that. */
#ifndef NOTIFIER_BROKER_BROKER_H
#define NOTIFIER_BROKER_BROKER_H

#include <czmq.h>

#include "common/link_state.h"
#include "common/settings.h"
#include "notifier/broker/queue_state.h"
#include "notifier/cube/registration.h"

/* What the thread says to the loop, one at a time over its pipe. */
typedef enum broker_event {
    BROKER_CONNECTED,    /* registrations may be handed over */
    BROKER_DISCONNECTED, /* all unfinished ones come back as OUTCOME_UNSENT first */
    BROKER_BLOCKED,      /* it accepts nothing for now: handed registrations wait */
    BROKER_UNBLOCKED,    /* it takes messages again; not said where the connection ends meanwhile */
    BROKER_SETTLED,      /* a registration comes back */
    BROKER_ENDED,        /* the thread's last word, for broker_destroy */
} broker_event_t;

/* Whether each address of the setting is of its scheme's form; if not, logs which one is not. Connects to nothing.
 */
bool broker_can_read_address(const settings_t *settings);
/* Starts the thread, which can read the address. Until its end it reads the settings and writes the state and, if
 * given, `queue`, the queue's state. Readable when broker_receive has something. */
zactor_t *broker_new(settings_t *settings, link_state_t *state, queue_state_t *queue);
/* Ends the thread without waiting for confirmations. Frees the thread's registrations. Returns false after logging
 * if the thread does not end, for instance because a filesystem:// broker's folder lies in absent storage: it uses
 * settings and state until the process ends. */
bool broker_destroy(zactor_t **self_p) __attribute__((warn_unused_result));

/* Hands a counted registration over; it comes back. Takes it. */
void broker_send(zactor_t *broker, registration_t **registration_p);

/* Takes what the thread said, without waiting; false: nothing. `registration` is set only for BROKER_SETTLED and is
 * the caller's then. */
bool broker_receive(zactor_t *broker, broker_event_t *event, registration_t **registration);

#endif
