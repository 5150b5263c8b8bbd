#include <criterion/criterion.h>
#include <string.h>

#include "common/limits.h"
#include "common/stage.h"
#include "proto/ring.h"

/* An inbox in a folder of its own, and somebody connected to it. */
typedef struct pair {
    char folder[64];
    zsock_t *inbox, *outbox;
} pair_t;

static pair_t pair_new(void) {
    pair_t p = {.folder = "/tmp/ring-XXXXXX"};
    cr_assert_not_null(mkdtemp(p.folder));
    zsys_handler_set(NULL);
    char *endpoint = stage_endpoint(p.folder, "writer-1");
    p.inbox = zsock_new(ZMQ_PULL);
    cr_assert_eq(zsock_bind(p.inbox, "%s", endpoint), 0);
    freen(endpoint);
    p.outbox = ring_outbox_new(p.folder, "writer-1", 0);
    return p;
}

static void pair_clear(pair_t *p) {
    zsock_destroy(&p->outbox);
    zsock_destroy(&p->inbox);
    char path[128];
    snprintf(path, sizeof path, "%s/writer-1.sock", p->folder);
    unlink(path);
    rmdir(p->folder);
    zsys_shutdown();
}

typedef struct heard {
    int chunks;
    uint64_t offset;
    char data[64];
} heard_t;

static void on_chunk(void *self, const Ring__Envelope *envelope, zmq_msg_t *data) {
    heard_t *heard = self;
    heard->chunks++;
    heard->offset = envelope->chunk->offset;
    snprintf(heard->data, sizeof heard->data, "%.*s", (int)zmq_msg_size(data), (char *)zmq_msg_data(data));
}

static ring_handler_fn *const HANDLERS[] = {[RING__ENVELOPE__BODY_CHUNK] = on_chunk};

static ring_inbox_t inbox_for(heard_t *heard) {
    return (ring_inbox_t){.handlers = HANDLERS, .handlers_size = sizeof HANDLERS / sizeof *HANDLERS, .self = heard};
}

/* Drains until `count` messages came, or nothing comes for a second. */
static void drain(pair_t *p, ring_inbox_t *inbox, size_t count) {
    zpoller_t *poller = zpoller_new(p->inbox, NULL);
    for (size_t got = 0; got < count && zpoller_wait(poller, 1000) == p->inbox;)
        got += ring_drain(p->inbox, inbox);
    zpoller_destroy(&poller);
}

Test(ring, carries_a_chunk_with_its_bytes) {
    pair_t p = pair_new();
    heard_t heard = {0};
    ring_inbox_t inbox = inbox_for(&heard);
    Ring__Chunk chunk = RING__CHUNK__INIT;
    chunk.offset = 77;
    zmq_msg_t data;
    zmq_msg_init_size(&data, 5);
    memcpy(zmq_msg_data(&data), "bytes", 5);
    cr_assert_eq(ring_send_data(p.outbox, &RING_ENVELOPE(CHUNK, chunk, &chunk), &data), 0);
    drain(&p, &inbox, 1);
    cr_assert_eq(heard.chunks, 1);
    cr_assert_eq(heard.offset, 77);
    cr_assert_str_eq(heard.data, "bytes");
    pair_clear(&p);
}

Test(ring, counts_corrupt_and_unknown_messages_and_goes_on) {
    pair_t p = pair_new();
    heard_t heard = {0};
    ring_inbox_t inbox = inbox_for(&heard);
    Ring__Chunk chunk = RING__CHUNK__INIT;
    Ring__Leaving leaving = RING__LEAVING__INIT;
    Ring__Envelope later = RING_ENVELOPE(CHUNK, chunk, &chunk), empty = RING__ENVELOPE__INIT;
    later.version = PROTOCOL_VERSION + 1;
    void *raw = zsock_resolve(p.outbox);
    cr_assert_geq(zmq_send(raw, "\xFF\xFF\xFF", 3, 0), 0);
    cr_assert_geq(zmq_send(raw, "", 0, 0), 0);
    cr_assert_eq(ring_send(p.outbox, &RING_ENVELOPE(LEAVING, leaving, &leaving)), 0);
    cr_assert_eq(ring_send(p.outbox, &later), 0);
    cr_assert_eq(ring_send(p.outbox, &empty), 0);
    cr_assert_eq(ring_send(p.outbox, &RING_ENVELOPE(CHUNK, chunk, &chunk)), 0);
    drain(&p, &inbox, 6);
    cr_assert_eq(inbox.corrupt, 1);
    cr_assert_eq(inbox.unknown, 4); /* the empty frame unpacks to an envelope without a body */
    cr_assert_eq(heard.chunks, 1);
    pair_clear(&p);
}

Test(ring, throws_frames_after_the_second_away) {
    pair_t p = pair_new();
    heard_t heard = {0};
    ring_inbox_t inbox = inbox_for(&heard);
    Ring__Chunk chunk = RING__CHUNK__INIT;
    Ring__Envelope envelope = RING_ENVELOPE(CHUNK, chunk, &chunk);
    uint8_t head[256];
    size_t size = ring__envelope__pack(&envelope, head);
    void *raw = zsock_resolve(p.outbox);
    for (int i = 0; i < 2; i++) {
        cr_assert_geq(zmq_send(raw, head, size, ZMQ_SNDMORE), 0);
        cr_assert_geq(zmq_send(raw, "kept", 4, ZMQ_SNDMORE), 0);
        cr_assert_geq(zmq_send(raw, "one", 3, ZMQ_SNDMORE), 0);
        cr_assert_geq(zmq_send(raw, "two", 3, 0), 0);
    }
    drain(&p, &inbox, 2);
    cr_assert_eq(heard.chunks, 2);
    cr_assert_str_eq(heard.data, "kept");
    cr_assert_eq(inbox.corrupt + inbox.unknown, 0);
    pair_clear(&p);
}

Test(ring, refuses_a_run_folder_whose_socket_paths_are_too_long) {
    char folder[SOCKET_PATH_MAX_BYTES + 1];
    memset(folder, 'x', sizeof folder - 1);
    folder[0] = '/';
    folder[sizeof folder - 1] = 0;
    cr_assert_null(ring_outbox_new(folder, "notifier", 0));
    folder[SOCKET_PATH_MAX_BYTES - strlen("/notifier.sock")] = 0;
    char *endpoint = stage_endpoint(folder, "notifier");
    cr_assert_not_null(endpoint);
    freen(endpoint);
    folder[SOCKET_PATH_MAX_BYTES - strlen("/notifier.sock")] = 'x';
    folder[SOCKET_PATH_MAX_BYTES - strlen("/notifier.sock") + 1] = 0;
    cr_assert_null(stage_endpoint(folder, "notifier"));
}

Test(ring, fails_to_send_when_the_queue_for_an_absent_peer_is_full) {
    zsock_t *outbox = ring_outbox_new("/tmp/nobody-is-here", "notifier", 10);
    Ring__Leaving leaving = RING__LEAVING__INIT;
    int sent = 0;
    while (sent < 100 && ring_send(outbox, &RING_ENVELOPE(LEAVING, leaving, &leaving)) == 0)
        sent++;
    cr_assert_eq(sent, 10);
    cr_assert_eq(errno, EAGAIN);
    zsock_set_linger(outbox, 0);
    zsock_destroy(&outbox);
}

Test(protocol, describes_every_message) {
    zchunk_t *document = zchunk_slurp("proto/PROTOCOL.md", 0);
    cr_assert_not_null(document, "run in the top folder");
    char *text = zchunk_strdup(document);
    const ProtobufCMessageDescriptor *d = &ring__envelope__descriptor;
    for (unsigned i = 0; i < d->n_fields; i++) {
        if (d->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        const ProtobufCMessageDescriptor *message = d->fields[i].descriptor;
        char row[128];
        snprintf(row, sizeof row, "| `%s` |", message->short_name);
        cr_assert_not_null(strstr(text, row), "PROTOCOL.md has no row for %s", message->short_name);
    }
    freen(text);
    zchunk_destroy(&document);
}
