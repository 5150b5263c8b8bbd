#include "common/watch.h"

#include "common/clock.h"

static zmq_pollitem_t item_of(zsock_t *socket) {
    return (zmq_pollitem_t){.fd = zsock_fd(socket), .events = ZMQ_POLLIN};
}

int watch_begin(zloop_t *loop, zsock_t *socket, zloop_fn *handler, void *argument) {
    zmq_pollitem_t item = item_of(socket);
    return zloop_poller(loop, &item, handler, argument);
}

void watch_end(zloop_t *loop, zsock_t *socket) {
    zmq_pollitem_t item = item_of(socket);
    zloop_poller_end(loop, &item);
}

bool watch_until(void *socket, int64_t deadline_ms) {
    int64_t left_ms = deadline_ms - clock_ms();
    zmq_pollitem_t item = {.socket = zsock_resolve(socket), .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, left_ms > 0 ? (long)left_ms : 0) > 0;
}
