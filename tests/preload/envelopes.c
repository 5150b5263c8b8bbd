/* Messages of the ring: stages send them into PUSH sockets and take them from a PULL socket, in one thread. */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "proto/ring.pb-c.h"
#include "tests/preload/preload.h"

static _Thread_local void *sending, *taking; /* sockets in the middle of a message */
static _Thread_local const rule_t *send_rule, *take_rule, *handled_rule;

static bool is_kind(void *socket, int kind) {
    int type = -1;
    size_t size = sizeof type;
    return zmq_getsockopt(socket, ZMQ_TYPE, &type, &size) == 0 && type == kind;
}

/* "send/Chunk"; "" for an unreadable head. `from`: the sender of an Alive. */
static Ring__Envelope *read_head(zmq_msg_t *head, const char *what, char call[40], const char **from) {
    static const char *const stages[] = {NULL, "listener", "writer", "notifier"};
    Ring__Envelope *envelope = ring__envelope__unpack(NULL, zmq_msg_size(head), zmq_msg_data(head));
    const ProtobufCFieldDescriptor *field =
        envelope ? protobuf_c_message_descriptor_get_field(&ring__envelope__descriptor, envelope->body_case) : NULL;
    *from = NULL;
    *call = 0;
    if (field)
        snprintf(call, 40, "%s/%s", what, ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name);
    if (field && envelope->body_case == RING__ENVELOPE__BODY_ALIVE && envelope->alive->stage <= 3)
        *from = stages[envelope->alive->stage];
    return envelope;
}

static void record_promises(const Ring__Envelope *envelope) {
    if (envelope->body_case == RING__ENVELOPE__BODY_STORED) {
        const Ring__Stored *s = envelope->stored;
        for (size_t i = 0; i < s->n_objects; i++)
            record_promise("stored %lu %lu %s/%s", s->listener, s->objects[i]->object, s->series->folder,
                           s->objects[i]->file);
    } else if (envelope->body_case == RING__ENVELOPE__BODY_WRITTEN && envelope->written->status == 0) {
        const Ring__Written *w = envelope->written;
        record_promise("written %lu %lu %lu %lu", w->object->listener, w->object->object, w->object->association,
                       w->token);
    } else if (envelope->body_case == RING__ENVELOPE__BODY_OPENED) {
        const Ring__Opened *o = envelope->opened;
        for (size_t i = 0; i < o->n_openings; i++)
            record_promise("opened %lu %lu %lu", o->listener, o->openings[i]->association, o->openings[i]->token);
    }
}

int zmq_msg_send(zmq_msg_t *message, void *socket, int flags) {
    char call[40];
    const char *from;
    if (!is_kind(socket, ZMQ_PUSH))
        return REAL(zmq_msg_send)(message, socket, flags);
    if (sending != socket) {
        Ring__Envelope *envelope = read_head(message, "send", call, &from);
        if (envelope)
            record_promises(envelope);
        if (envelope)
            ring__envelope__free_unpacked(envelope, NULL);
        if (!fault_begin(call, NULL, from, &send_rule))
            return -1;
    }
    int sent = REAL(zmq_msg_send)(message, socket, flags);
    sending = sent >= 0 && (flags & ZMQ_SNDMORE) ? socket : NULL;
    if (sent >= 0 && !sending)
        fault_end(send_rule);
    return sent;
}

/* A handler has run when its process asks for the next message. */
int zmq_msg_recv(zmq_msg_t *message, void *socket, int flags) {
    char call[40];
    const char *from;
    if (!is_kind(socket, ZMQ_PULL))
        return REAL(zmq_msg_recv)(message, socket, flags);
    fault_end(handled_rule);
    handled_rule = NULL;
    int taken = REAL(zmq_msg_recv)(message, socket, flags);
    if (taken < 0)
        return taken;
    if (taking != socket) {
        Ring__Envelope *envelope = read_head(message, "take", call, &from);
        if (envelope)
            ring__envelope__free_unpacked(envelope, NULL);
        (void)fault_begin(call, NULL, from, &take_rule);
    }
    taking = zmq_msg_more(message) ? socket : NULL;
    if (!taking)
        handled_rule = take_rule;
    return taken;
}
