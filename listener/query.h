/* What the listener tells the operator's tool. */
#ifndef LISTENER_QUERY_H
#define LISTENER_QUERY_H

#include "listener/server.h"

/* Message of the ring. Without a usable inbox in it nobody is answered. */
void query_on_status(const server_t *server, const custody_t *custody, const Ring__StatusQuery *query);

#endif
