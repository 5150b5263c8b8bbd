/* The interface of a kind of broker. broker.c drives it from a thread of its own, so everything here may block for
 * a bounded time. common/broker_schemes.h maps addresses to kinds. */
#ifndef NOTIFIER_BROKER_TRANSPORT_H
#define NOTIFIER_BROKER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/settings.h"
#include "notifier/broker/failure.h"
#include "notifier/cube/celery.h"

#define BROKER_CONNECT_TIMEOUT_MS 5000
#define BROKER_CONFIRM_TIMEOUT_MS 30000
/* A quiet connection is looked after this often: heartbeats, confirms that stay away. */
#define BROKER_SERVICE_MS 1000

/* How a transport reports the fate of the messages that `send` took. */
typedef struct transport_results {
    void *self;
    /* The message with this tag (`multiple`: and all before it) is finished. `why`: unless confirmed. */
    void (*finished)(void *self, uint64_t tag, bool multiple, registration_outcome_t outcome, const char *why);
    /* The broker sent this task back; its end is reported later. */
    void (*returned)(void *self, const char *task_id, const char *why);
    /* The broker takes nothing for a while (`why`: its alarm), or takes messages again (NULL). Until then nothing
     * is finished, and the connection is well. */
    void (*blocked)(void *self, const char *why);
    /* So many messages wait in the queue (-1: the broker does not let us see it), for so many consumers (-1: it
     * does not know). */
    void (*looked)(void *self, int64_t waiting, int64_t consumers);
} transport_results_t;

typedef struct transport {
    /* `address`: one address of that scheme; the settings outlive the transport. Nothing is connected. NULL: the
     * address is not of its form. */
    void *(*create)(const char *address, const settings_t *settings, transport_results_t results);
    /* Returns 0, or -1 with the failure. */
    int (*connect)(void *self, failure_t *failure);
    /* A descriptor that becomes readable when `service` has something to do; -1: none. */
    int (*descriptor)(void *self);
    /* Sends a message. Tags count from 1 in each connection, one up with each message. It is finished later, or
     * from within. -1: with the failure; the connection is useless then. */
    int (*send)(void *self, const celery_message_t *message, uint64_t tag, failure_t *failure);
    /* Handles arrived bytes, and keeps the connection alive. Called at least every BROKER_SERVICE_MS. -1: as of
     * send. */
    int (*service)(void *self, failure_t *failure);
    /* Looks at the queue; its state is told later, or from within. -1: as of send. */
    int (*look)(void *self, failure_t *failure);
    /* Closes the connection. */
    void (*disconnect)(void *self);
    /* Frees a transport that is not connected. */
    void (*destroy)(void *self);
} transport_t;

extern const transport_t TRANSPORT_AMQP, TRANSPORT_REDIS, TRANSPORT_FILESYSTEM;

#endif
