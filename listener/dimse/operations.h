/* The DIMSE messages on an open association (PS3.7 6.3): C-STORE goes into custody, C-ECHO is answered, every other
 * command is drained and refused. */
#ifndef LISTENER_DIMSE_OPERATIONS_H
#define LISTENER_DIMSE_OPERATIONS_H

#include "listener/dimse/dimse.h"
#include "listener/ul/association.h"
#include "listener/ul/tracing.h"

/* A message that has begun and is not answered. */
typedef struct message {
    TAILQ_ENTRY(message) next;
    association_t *association;
    uint8_t context_id;
    command_t command;
    object_t *object;    /* NULL: the data set is thrown away */
    response_t response; /* what to say then */
    bool answerable;     /* the custody has answered the object, which is the message's now */
    bool silent;         /* it is not to be answered */
    traced_object_t traced;
    int64_t began_us; /* its command was there */
} message_t;

/* Bytes of a command or data set on an accepted presentation context. */
void operations_on_fragment(association_t *association, const stream_event_t *event);
/* Bytes of the data set under way, which were received where they stay. */
void operations_on_placed(association_t *association, size_t size, bool ends_object);
/* Partial objects can't be finished any more. */
void operations_drop_partial(association_t *association);
/* Answers the peers of the objects that the custody has answered. Call it in each turn of the loop. */
void operations_answer(site_t *site);
/* Frees all messages of an association that is to be destroyed. */
void operations_clear(association_t *association);

#endif
