#include "common/watch.h"

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
