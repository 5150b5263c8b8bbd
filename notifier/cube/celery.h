/* Celery's message protocol 2: body, headers and properties of a task, and the envelope that kombu puts around it
 * on brokers without properties of their own. https://docs.celeryq.dev/en/stable/internals/protocol.html */
#ifndef NOTIFIER_CUBE_CELERY_H
#define NOTIFIER_CUBE_CELERY_H

#include <jansson.h>
#include <uuid/uuid.h>

#include "notifier/cube/registration.h"

#define CELERY_TASK             "pacsfiles.tasks.register_pacs_series"
#define CELERY_CONTENT_TYPE     "application/json"
#define CELERY_CONTENT_ENCODING "utf-8"
#define CELERY_PERSISTENT       2

/* Who sends: the same for all tasks of a process. */
typedef struct celery_sender {
    char reply_to[UUID_STR_LEN];
    char *origin; /* owned */
} celery_sender_t;

void celery_sender_init(celery_sender_t *sender);
void celery_sender_clear(celery_sender_t *sender);

/* A message that is ready for any broker. */
typedef struct celery_message {
    const char *id;       /* the task's; the registration's */
    const char *reply_to; /* the sender's */
    json_t *headers;
    char *body; /* JSON, ASCII */
} celery_message_t;

/* Makes the message of a registration with ndicom and task_id; both must outlive it. Clear it. */
void celery_message_init(celery_message_t *message, const celery_sender_t *sender,
                         const registration_t *registration);
void celery_message_clear(celery_message_t *message);

/* The message as kombu's virtual transports (filesystem, Redis) store it, as JSON. Free it. */
char *celery_envelope(const celery_message_t *message, const char *queue);

#endif
