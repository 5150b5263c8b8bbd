/* Sending and receiving the messages of the ring (ring.proto, PROTOCOL.md). */
#ifndef PROTO_RING_H
#define PROTO_RING_H

#include <czmq.h>

#include "common/log.h"
#include "proto/ring.pb-c.h"

/* In every envelope. */
#define PROTOCOL_VERSION 2

/* A PUSH socket connected to the inbox named `id` ("listener", "writer-0", …), which need not exist yet.
 * `queue_messages`: its limit for an absent or slow peer before ring_send fails; 0: none, for a sender that bounds
 * itself. NULL after logging if the path is too long. Free with zsock_destroy. */
zsock_t *ring_outbox_new(const char *run_dir, const char *id, int queue_messages);

/* The same, and in `monitor` a PAIR socket to be polled that hears when the outbox is connected and when that
 * breaks, which tells of a process' end at once; NULL where that can't be had. Free both with
 * ring_watched_outbox_destroy. */
zsock_t *ring_watched_outbox_new(const char *run_dir, const char *id, int queue_messages, zsock_t **monitor);
void ring_watched_outbox_destroy(zsock_t **outbox_p, zsock_t **monitor_p);

typedef enum ring_change { RING_NO_CHANGE, RING_CONNECTED, RING_DISCONNECTED } ring_change_t;

/* The next change that the monitor has heard of; does not wait. */
ring_change_t ring_monitor_next(zsock_t *monitor);

/* Sends one message without waiting. The message stays the caller's. Returns 0, or -1 with errno EAGAIN where
 * the queue is full: custody does not depend on any single message. */
int ring_send(zsock_t *outbox, const Ring__Envelope *envelope) __attribute__((warn_unused_result));

/* The same with a second frame. On success `data` is taken and left empty; on failure it stays the caller's. */
int ring_send_data(zsock_t *outbox, const Ring__Envelope *envelope, zmq_msg_t *data)
    __attribute__((warn_unused_result));

/* An envelope around one message: RING_ENVELOPE(CREDIT, credit, &credit). */
#define RING_ENVELOPE(CASE, member, message)                                                                       \
    ((Ring__Envelope){.base = PROTOBUF_C_MESSAGE_INIT(&ring__envelope__descriptor),                                \
                      .version = PROTOCOL_VERSION,                                                                 \
                      .body_case = RING__ENVELOPE__BODY_##CASE,                                                    \
                      .member = (message)})

/* Handles one message. The envelope is freed after the call; `data` is the second frame (empty where there was
 * none) and may be taken with zmq_msg_move. */
typedef void ring_handler_fn(void *self, const Ring__Envelope *envelope, zmq_msg_t *data);

/* What an inbox could not use; logged at most once a second. */
typedef struct ring_inbox {
    ring_handler_fn *const *handlers; /* indexed by body case; NULL: not for this stage */
    size_t handlers_size;
    void *self;
    uint64_t corrupt, unknown; /* messages */
    size_t deepest;            /* most messages taken at once since somebody has set it to 0 */
    log_limit_t complained;
} ring_inbox_t;

/* Handles the messages in the inbox, at most INBOX_BURST_MESSAGES. Returns how many it took. */
size_t ring_drain(zsock_t *socket, ring_inbox_t *inbox);

/* Decodes one message head; NULL if it is corrupt. Free with ring__envelope__free_unpacked (m, NULL). */
Ring__Envelope *ring_unpack(const void *bytes, size_t size);

#endif
