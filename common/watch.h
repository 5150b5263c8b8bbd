/* Watches a ZeroMQ socket over its descriptor (zmq_getsockopt(3), ZMQ_FD). zloop_reader asks each of its sockets
 * in each turn of the loop, before and after it waits, with two system calls each time. */
#ifndef COMMON_WATCH_H
#define COMMON_WATCH_H

#include <czmq.h>

/* The loop calls `handler` when the socket may have messages. The handler must take them all: the descriptor
 * reports arrivals, not leftovers. It reports nothing of a connecting socket until zsock_events was asked once. Do
 * not send to the socket: a send may swallow the report. Returns 0, or -1. */
int watch_begin(zloop_t *loop, zsock_t *socket, zloop_fn *handler, void *argument)
    __attribute__((warn_unused_result));
/* Before the socket is destroyed. */
void watch_end(zloop_t *loop, zsock_t *socket);

/* Without a loop: waits until the socket, or an actor, has a message, or until `deadline_ms` (clock_ms). Returns
 * whether it has one. */
bool watch_until(void *socket, int64_t deadline_ms);

#endif
