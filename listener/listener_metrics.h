/* The present load of the listener, for its snapshots (proto/snapshot.h). */
#ifndef LISTENER_LISTENER_METRICS_H
#define LISTENER_LISTENER_METRICS_H

#include "listener/server.h"

void listener_metrics_set(const server_t *server, const custody_t *custody);

#endif
