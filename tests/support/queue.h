/* Reads a queue of a RabbitMQ, message by message. */
#ifndef SUPPORT_QUEUE_H
#define SUPPORT_QUEUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct queue queue_t;

typedef struct delivered {
    json_t *body;       /* [args, kwargs, embed] */
    json_t *headers;    /* of the properties; nested tables and arrays included */
    json_t *properties; /* content_type, content_encoding, correlation_id, reply_to, delivery_mode, priority */
} delivered_t;

/* Connects and declares the queue durable; aborts the test where it can't. */
queue_t *queue_new(int port, const char *name);
void queue_destroy(queue_t **self_p);

/* Takes the next message, acknowledged; false where none waits. Free with delivered_clear. */
bool queue_take(queue_t *queue, delivered_t *delivered);
/* The same, waiting up to `ms`. */
bool queue_await(queue_t *queue, delivered_t *delivered, int64_t ms);
void delivered_clear(delivered_t *delivered);
/* A keyword argument of the task. */
json_t *delivered_argument(const delivered_t *delivered, const char *name);

#endif
