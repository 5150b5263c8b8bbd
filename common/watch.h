/* Hears of what comes to a ZeroMQ socket over the descriptor that it has (zmq_getsockopt(3), ZMQ_FD). zloop_reader
 * asks each of its sockets in each turn of the loop, before and after it waits, with two system calls each time. */
#ifndef COMMON_WATCH_H
#define COMMON_WATCH_H

#include <czmq.h>

/* Has the loop call `handler` when the socket may have something to receive. The handler must take all that is
 * there: the descriptor tells that something has come, not that something is left. Of a socket that connects, it
 * tells nothing until zsock_events has been asked once. And the socket must not be sent to, which may see to what
 * has come. Returns 0, or -1. */
int watch_begin(zloop_t *loop, zsock_t *socket, zloop_fn *handler, void *argument)
    __attribute__((warn_unused_result));
/* Before the socket is destroyed. */
void watch_end(zloop_t *loop, zsock_t *socket);

#endif
