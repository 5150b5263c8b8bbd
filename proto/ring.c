#include "proto/ring.h"

#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/stage.h"

/* A message head (protobuf) longer than this is corrupt: the longest legal one holds a few texts. */
#define MESSAGE_HEAD_MAX_BYTES (1024 * 1024)

/* Before the outbox connects: the first connection must not be missed. */
static zsock_t *monitor_new(zsock_t *outbox) {
    char *endpoint = zsys_sprintf("inproc://monitor-%p", (void *)outbox);
    zsock_t *monitor = NULL;
    if (zmq_socket_monitor(zsock_resolve(outbox), endpoint, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED) == 0)
        monitor = zsock_new_pair(endpoint);
    /* Else its descriptor misses the first arrival (common/watch.h). */
    if (monitor)
        (void)zsock_events(monitor);
    freen(endpoint);
    return monitor;
}

static zsock_t *outbox_new(const char *run_dir, const char *id, int queue_messages, zsock_t **monitor) {
    char *endpoint = stage_endpoint(run_dir, id);
    if (!endpoint)
        return NULL;
    zsock_t *outbox = zsock_new(ZMQ_PUSH);
    assert(outbox);
    zsock_set_sndhwm(outbox, queue_messages);
    zsock_set_linger(outbox, LINGER_MS);
    zsock_set_reconnect_ivl(outbox, 10);
    zsock_set_reconnect_ivl_max(outbox, 100);
    if (monitor)
        *monitor = monitor_new(outbox);
    if (zsock_connect(outbox, "%s", endpoint) != 0) {
        log_error(NULL, "can't connect to %s: %s", endpoint, strerror(errno));
        ring_watched_outbox_destroy(&outbox, monitor);
    }
    freen(endpoint);
    return outbox;
}

zsock_t *ring_outbox_new(const char *run_dir, const char *id, int queue_messages) {
    return outbox_new(run_dir, id, queue_messages, NULL);
}

zsock_t *ring_watched_outbox_new(const char *run_dir, const char *id, int queue_messages, zsock_t **monitor) {
    *monitor = NULL;
    return outbox_new(run_dir, id, queue_messages, monitor);
}

void ring_watched_outbox_destroy(zsock_t **outbox_p, zsock_t **monitor_p) {
    if (*outbox_p && monitor_p && *monitor_p) {
        zmq_socket_monitor(zsock_resolve(*outbox_p), NULL, 0);
        zsock_destroy(monitor_p);
    }
    zsock_destroy(outbox_p);
}

ring_change_t ring_monitor_next(zsock_t *monitor) {
    zmsg_t *event = zmsg_recv_nowait(monitor);
    zframe_t *what = event ? zmsg_first(event) : NULL;
    uint16_t number = 0;
    if (what && zframe_size(what) >= sizeof number)
        memcpy(&number, zframe_data(what), sizeof number);
    zmsg_destroy(&event);
    return number == ZMQ_EVENT_CONNECTED      ? RING_CONNECTED
           : number == ZMQ_EVENT_DISCONNECTED ? RING_DISCONNECTED
                                              : RING_NO_CHANGE;
}

/* Sends the packed envelope as one frame. */
static int send_head(void *socket, const Ring__Envelope *envelope, int flags) {
    zmq_msg_t head;
    size_t size = ring__envelope__get_packed_size(envelope);
    if (zmq_msg_init_size(&head, size) != 0)
        return -1;
    ring__envelope__pack(envelope, zmq_msg_data(&head));
    if (zmq_msg_send(&head, socket, ZMQ_DONTWAIT | flags) >= 0)
        return 0;
    int reason = errno;
    zmq_msg_close(&head);
    errno = reason;
    return -1;
}

int ring_send(zsock_t *outbox, const Ring__Envelope *envelope) {
    return send_head(zsock_resolve(outbox), envelope, 0);
}

int ring_send_data(zsock_t *outbox, const Ring__Envelope *envelope, zmq_msg_t *data) {
    void *socket = zsock_resolve(outbox);
    if (send_head(socket, envelope, ZMQ_SNDMORE) != 0)
        return -1;
    /* Once the first frame of a message is taken, ZeroMQ has room for the rest of it. */
    return zmq_msg_send(data, socket, ZMQ_DONTWAIT) >= 0 ? 0 : -1;
}

Ring__Envelope *ring_unpack(const void *bytes, size_t size) {
    return size <= MESSAGE_HEAD_MAX_BYTES ? ring__envelope__unpack(NULL, size, bytes) : NULL;
}

static void complain(ring_inbox_t *inbox, const char *reason) {
    metric_add(METRIC_INBOX_UNUSABLE, reason, 1);
    if (log_seldom(&inbox->complained, NULL))
        log_warn(NULL, "messages in the inbox that can't be used so far: %llu corrupt, %llu unknown",
                 (unsigned long long)inbox->corrupt, (unsigned long long)inbox->unknown);
}

static void handle(ring_inbox_t *inbox, zmq_msg_t *head, zmq_msg_t *data) {
    Ring__Envelope *envelope = ring_unpack(zmq_msg_data(head), zmq_msg_size(head));
    if (!envelope) {
        inbox->corrupt++;
        complain(inbox, "corrupt");
        return;
    }
    size_t kind = (size_t)envelope->body_case;
    if (envelope->version == PROTOCOL_VERSION && kind < inbox->handlers_size && inbox->handlers[kind]) {
        inbox->handlers[kind](inbox->self, envelope, data);
    } else {
        inbox->unknown++;
        complain(inbox, "unknown");
    }
    ring__envelope__free_unpacked(envelope, NULL);
}

/* Takes one whole message; false where none waits. Frames after the second are thrown away. */
static bool receive(void *socket, zmq_msg_t *head, zmq_msg_t *data) {
    if (zmq_msg_recv(head, socket, ZMQ_DONTWAIT) < 0)
        return false;
    zmq_msg_t extra;
    zmq_msg_t *into = data;
    for (bool more = zmq_msg_more(head); more; into = &extra) {
        if (into == &extra)
            zmq_msg_init(&extra);
        more = zmq_msg_recv(into, socket, 0) >= 0 && zmq_msg_more(into);
        if (into == &extra)
            zmq_msg_close(&extra);
    }
    return true;
}

size_t ring_drain(zsock_t *socket, ring_inbox_t *inbox) {
    size_t taken = 0;
    for (bool got = true; got && taken < INBOX_BURST_MESSAGES; taken += got) {
        zmq_msg_t head, data;
        zmq_msg_init(&head);
        zmq_msg_init(&data);
        got = receive(zsock_resolve(socket), &head, &data);
        if (got)
            handle(inbox, &head, &data);
        zmq_msg_close(&head);
        zmq_msg_close(&data);
    }
    metric_add(METRIC_INBOX_MESSAGES, NULL, taken);
    if (taken > inbox->deepest)
        inbox->deepest = taken;
    return taken;
}
