#include "tests/listener/custody/custody_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/process.h"

void rig_take_answers(rig_t *rig) {
    for (object_t *object; !rig->leaves_answers && (object = custody_take_answered(&rig->custody));
         object_forget(object)) {
        cr_assert_eq(object->owner, rig);
        rig->answers++;
        rig->last = object->response;
        snprintf(rig->comment, sizeof rig->comment, "%s", object->response.error_comment);
    }
}

static zsock_t *bind_inbox(const rig_t *rig, const char *id) {
    char *endpoint = stage_endpoint(rig->folder, id);
    zsock_t *inbox = zsock_new(ZMQ_PULL);
    zsock_set_rcvhwm(inbox, 0);
    cr_assert_eq(zsock_bind(inbox, "%s", endpoint), 0);
    freen(endpoint);
    return inbox;
}

rig_t *rig_new(void) {
    rig_t *rig = calloc(1, sizeof *rig);
    strcpy(rig->folder, "/tmp/custody-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->folder));
    zsys_handler_set(NULL);
    log_start("test", "error", NULL);
    rig->stage = (stage_t){.id = (char *)"listener", .incarnation = 7, .loop = zloop_new()};
    rig->stage.settings.run_dir = rig->folder;
    rig->stage.settings.buffer_size_bytes = 64 << 20;
    rig->stage.settings.store_timeout_ms = 60000;
    rig->stage.settings.writer_operations = 4;
    cr_assert_eq(custody_start(&rig->custody, &rig->stage), 0);
    rig->inboxes[0] = bind_inbox(rig, "writer-a");
    rig->inboxes[1] = bind_inbox(rig, "writer-b");
    rig->notifier = bind_inbox(rig, "notifier");
    rig->custody.journal = JOURNAL;
    rig->share = share_new(&rig->custody, 3);
    return rig;
}

void rig_free(rig_t *rig) {
    custody_clear(&rig->custody);
    share_drop(rig->share);
    zloop_destroy(&rig->stage.loop);
    for (int i = 0; i < 2; i++)
        zsock_destroy(&rig->inboxes[i]);
    zsock_destroy(&rig->notifier);
    zsys_shutdown();
    zdir_t *folder = zdir_new(rig->folder, NULL);
    zdir_remove(folder, true);
    zdir_destroy(&folder);
    free(rig);
}

void rig_alive(rig_t *rig, Ring__Stage stage, const char *id, uint64_t incarnation) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = stage;
    alive.id = (char *)(uintptr_t)id;
    alive.incarnation = incarnation;
    custody_on_alive(&rig->custody, &alive);
}

void rig_writer_alive(rig_t *rig, const char *id, uint64_t incarnation) {
    rig_alive(rig, RING__STAGE__STAGE_WRITER, id, incarnation);
}

object_t *rig_begin_of(rig_t *rig, share_t *share) {
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"PACS";
    return object_begin(&rig->custody, share, &header, rig);
}

object_t *rig_begin(rig_t *rig) {
    return rig_begin_of(rig, rig->share);
}

void rig_append(object_t *object, size_t size) {
    static uint8_t block[CHUNK_BYTES];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7);
    for (size_t part; size > 0; size -= part) {
        part = size < sizeof block ? size : sizeof block;
        object_append(object, block, part);
    }
}

Ring__Envelope *rig_next(zsock_t *inbox, int ms, size_t *bytes) {
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

size_t rig_take_object(zsock_t *inbox, int ms, bool *ended, uint32_t *attempt) {
    size_t total = 0, bytes;
    *ended = false;
    for (Ring__Envelope *e; !*ended && (e = rig_next(inbox, ms, &bytes));) {
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

void rig_send_object(rig_t *rig, size_t size) {
    object_t *object = rig_begin(rig);
    rig_append(object, size);
    object_finish(object);
}

void rig_expect_object(rig_t *rig, int writer, size_t size, uint32_t attempt) {
    bool ended;
    uint32_t last_attempt;
    cr_assert_eq(rig_take_object(rig->inboxes[writer], PATIENCE_MS, &ended, &last_attempt), size);
    cr_assert(ended);
    cr_assert_eq(last_attempt, attempt);
}

void rig_expect_body(rig_t *rig, int writer, Ring__Envelope__BodyCase body) {
    Ring__Envelope *e = rig_next(rig->inboxes[writer], PATIENCE_MS, NULL);
    cr_assert(e && e->body_case == body);
    ring__envelope__free_unpacked(e, NULL);
}

void rig_written_attempt(rig_t *rig, uint64_t object, uint32_t attempt, uint32_t status) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = rig->stage.incarnation;
    id.object = object;
    Ring__Written message = RING__WRITTEN__INIT;
    message.object = &id;
    message.attempt = attempt;
    message.status = status;
    message.token = status ? 0 : TOKEN;
    custody_on_written(&rig->custody, &message);
    rig_take_answers(rig);
}

void rig_written(rig_t *rig, uint64_t object, uint32_t status) {
    const object_t *known = zhashx_lookup(rig->custody.by_number, &object);
    rig_written_attempt(rig, object, known ? known->attempt : 1, status);
}

void rig_opened(rig_t *rig, uint64_t journal, uint64_t association, uint64_t token) {
    Ring__Opening opening = RING__OPENING__INIT, *openings[] = {&opening};
    opening.association = association;
    opening.token = token;
    Ring__Opened message = RING__OPENED__INIT;
    message.listener = rig->stage.incarnation;
    message.journal = journal;
    message.openings = openings;
    message.n_openings = 1;
    custody_on_opened(&rig->custody, &message);
    rig_take_answers(rig);
}

void rig_finish(rig_t *rig, uint64_t object, uint32_t status) {
    const object_t *known = zhashx_lookup(rig->custody.by_number, &object);
    uint64_t association = known ? known->share->association : rig->share->association;
    rig_written(rig, object, status);
    rig_opened(rig, JOURNAL, association, TOKEN);
}

void rig_notifier_alive(rig_t *rig, uint64_t incarnation, uint64_t journal) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = RING__STAGE__STAGE_NOTIFIER;
    alive.id = (char[]){"notifier"};
    alive.incarnation = incarnation;
    alive.journal = journal;
    custody_on_alive(&rig->custody, &alive);
}

void rig_credit(rig_t *rig, const object_t *object, uint64_t taken) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = rig->stage.incarnation;
    id.object = object->context.object;
    Ring__Credit message = RING__CREDIT__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    message.taken = taken;
    custody_on_credit(&rig->custody, &message);
}
