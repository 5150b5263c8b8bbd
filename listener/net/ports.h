/* The sockets that peers connect to: at the ports of the settings, or handed over by a supervisor. */
#ifndef LISTENER_NET_PORTS_H
#define LISTENER_NET_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/settings.h"
#include "common/supervision.h"

#define PORTS_MAX (2 + SUPERVISION_SOCKETS_MAX) /* plain, TLS, and those handed over */

typedef struct port {
    int fd;
    bool tls;
} port_t;

/* Zeroed: none is open. */
typedef struct ports {
    int epoll; /* borrowed; data.ptr of their events is NULL */
    port_t all[PORTS_MAX];
    size_t count;
} ports_t;

/* Listens, and watches for connections. Returns 0, or an exit status after logging why; call ports_close in any
 * case. */
int ports_open(ports_t *self, int epoll, const settings_t *settings) __attribute__((warn_unused_result));

/* While nobody can be accepted they must not be reported again and again: peers wait in the kernel. */
void ports_watch(ports_t *self, bool accepting);

void ports_close(ports_t *self);

#endif
