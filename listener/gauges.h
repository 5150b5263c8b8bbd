/* What the listener holds and whom it serves right now, for the figures that it sends (proto/figures.h). */
#ifndef LISTENER_GAUGES_H
#define LISTENER_GAUGES_H

#include "listener/server.h"

void gauges_set(const server_t *server, const custody_t *custody);

#endif
