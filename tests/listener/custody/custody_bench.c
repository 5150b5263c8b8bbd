#include "tests/listener/custody/custody_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void bench_take_answers(bench_t *bench) {
    for (object_t *object; (object = custody_take_answered(&bench->custody)); object_forget(object)) {
        cr_assert_eq(object->owner, bench);
        bench->answers++;
        bench->last = object->response;
        snprintf(bench->comment, sizeof bench->comment, "%s", object->response.error_comment);
    }
}

static zsock_t *bind_inbox(const bench_t *bench, const char *id) {
    char *endpoint = stage_endpoint(bench->folder, id);
    zsock_t *inbox = zsock_new(ZMQ_PULL);
    zsock_set_rcvhwm(inbox, 0);
    cr_assert_eq(zsock_bind(inbox, "%s", endpoint), 0);
    freen(endpoint);
    return inbox;
}

bench_t *bench_new(void) {
    bench_t *bench = calloc(1, sizeof *bench);
    strcpy(bench->folder, "/tmp/custody-XXXXXX");
    cr_assert_not_null(mkdtemp(bench->folder));
    zsys_handler_set(NULL);
    log_start("test", "error", NULL);
    bench->stage = (stage_t){.id = (char *)"listener", .incarnation = 7, .loop = zloop_new()};
    bench->stage.settings.run_dir = bench->folder;
    bench->stage.settings.buffer_size_bytes = 64 << 20;
    bench->stage.settings.store_timeout_ms = 60000;
    cr_assert_eq(custody_start(&bench->custody, &bench->stage), 0);
    bench->inboxes[0] = bind_inbox(bench, "writer-a");
    bench->inboxes[1] = bind_inbox(bench, "writer-b");
    bench->notifier = bind_inbox(bench, "notifier");
    bench->share = share_new(3);
    return bench;
}

void bench_free(bench_t *bench) {
    custody_clear(&bench->custody);
    share_drop(bench->share);
    zloop_destroy(&bench->stage.loop);
    for (int i = 0; i < 2; i++)
        zsock_destroy(&bench->inboxes[i]);
    zsock_destroy(&bench->notifier);
    zsys_shutdown();
    zdir_t *folder = zdir_new(bench->folder, NULL);
    zdir_remove(folder, true);
    zdir_destroy(&folder);
    free(bench);
}

void bench_alive(bench_t *bench, Ring__Stage stage, const char *id, uint64_t incarnation) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = stage;
    alive.id = (char *)(uintptr_t)id;
    alive.incarnation = incarnation;
    custody_on_alive(&bench->custody, &alive);
}

void bench_writer_alive(bench_t *bench, const char *id, uint64_t incarnation) {
    bench_alive(bench, RING__STAGE__STAGE_WRITER, id, incarnation);
}

object_t *bench_begin_of(bench_t *bench, share_t *share) {
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"PACS";
    return object_begin(&bench->custody, share, &header, bench);
}

object_t *bench_begin(bench_t *bench) {
    return bench_begin_of(bench, bench->share);
}

void bench_append(object_t *object, size_t size) {
    static uint8_t block[CHUNK_BYTES];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7);
    for (size_t part; size > 0; size -= part) {
        part = size < sizeof block ? size : sizeof block;
        object_append(object, block, part);
    }
}

Ring__Envelope *bench_next(zsock_t *inbox, int ms, size_t *bytes) {
    zpoller_t *poller = zpoller_new(inbox, NULL);
    bool there = zpoller_wait(poller, ms) == inbox;
    zpoller_destroy(&poller);
    if (!there)
        return NULL;
    zmsg_t *message = zmsg_recv(inbox);
    zframe_t *head = zmsg_first(message), *data = zmsg_next(message);
    Ring__Envelope *envelope = ring_unpack(zframe_data(head), zframe_size(head));
    cr_assert_not_null(envelope);
    if (bytes)
        *bytes = data ? zframe_size(data) : 0;
    zmsg_destroy(&message);
    return envelope;
}

size_t bench_take_object(zsock_t *inbox, int ms, bool *ended, uint32_t *attempt) {
    size_t total = 0, bytes;
    *ended = false;
    for (Ring__Envelope *e; !*ended && (e = bench_next(inbox, ms, &bytes));) {
        cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_CHUNK);
        cr_assert_eq(e->chunk->offset, total);
        cr_assert_eq(e->chunk->header != NULL, total == 0);
        total += bytes;
        *ended = e->chunk->last;
        *attempt = e->chunk->attempt;
        ring__envelope__free_unpacked(e, NULL);
    }
    return total;
}

void bench_acknowledge(bench_t *bench, uint64_t object, uint32_t status) {
    Ring__ObjectAck ack = RING__OBJECT_ACK__INIT, *acks[] = {&ack};
    ack.object = object;
    ack.status = status;
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.listener = bench->stage.incarnation;
    message.objects = acks;
    message.n_objects = 1;
    custody_on_acknowledged(&bench->custody, &message);
    bench_take_answers(bench);
}

void bench_credit(bench_t *bench, const object_t *object, uint64_t taken) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = bench->stage.incarnation;
    id.object = object->context.object;
    Ring__Credit message = RING__CREDIT__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    message.taken = taken;
    custody_on_credit(&bench->custody, &message);
}
