/* Reading: from an association's socket to its establishment, its messages, or its end. */
#ifndef LISTENER_INTAKE_H
#define LISTENER_INTAKE_H

#include "listener/ul/association.h"

/* epoll says so. */
void intake_on_readable(association_t *association);
void intake_on_writable(association_t *association);
void intake_on_hangup(association_t *association);

/* Reads on where there is room now. */
void intake_resume(association_t *association);

#endif
