/* The listener's status: for the operator's tool, and with its metrics for the notifier. */
#ifndef LISTENER_LISTENER_STATUS_H
#define LISTENER_LISTENER_STATUS_H

#include "common/limits.h"
#include "listener/server.h"

/* Associations that are named to those who look from outside. */
#define ASSOCIATIONS_SHOWN_MAX 100

/* Room for a status; its texts belong to server and custody. */
typedef struct listener_view {
    Ring__ListenerStatus status;
    Ring__Alive self, writer_selves[WRITERS_MAX];
    Ring__WriterStatus writers[WRITERS_MAX], *writer_pointers[WRITERS_MAX];
    Ring__OpenAssociation associations[ASSOCIATIONS_SHOWN_MAX], *association_pointers[ASSOCIATIONS_SHOWN_MAX];
    Ring__Refusal refusals[REFUSALS_KEPT], *refusal_pointers[REFUSALS_KEPT];
} listener_view_t;

/* Fills it, valid until anything changes, and returns its status. */
const Ring__ListenerStatus *listener_status_view(listener_view_t *view, const server_t *server,
                                                 const custody_t *custody);

/* Message of the ring. Without a usable inbox in it nobody is answered. */
void listener_status_on_query(const server_t *server, const custody_t *custody, const Ring__StatusQuery *query);

#endif
