#include "tests/writer/objects_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "common/message.h"
#include "common/stage.h"
#include "tests/support/process.h"
#include "tests/support/receiver.h"

struct rig rig;

static zsock_t *inbox(const char *id) {
    char *endpoint = stage_endpoint(rig.folder, id);
    zsock_t *socket = zsock_new(ZMQ_PULL);
    zsock_set_rcvtimeo(socket, PATIENCE_MS);
    cr_assert_eq(zsock_bind(socket, "%s", endpoint), 0);
    freen(endpoint);
    return socket;
}

void rig_init(void) {
    zsys_handler_set(NULL);
    log_start("test", "off", NULL);
    cr_assert(head_start());
    rig.folder = temporary_folder("objects");
    rig.root = text_of("%s/root", rig.folder);
    cr_assert_eq(mkdir(rig.root, 0755), 0);
    rig.listener = inbox("listener");
    rig.notifier = inbox("notifier");
    rig.to_listener = ring_outbox_new(rig.folder, "listener", 1000);
    rig.to_notifier = ring_outbox_new(rig.folder, "notifier", 10);
    rig.environment =
        (incoming_environment_t){.store = store_new(rig.root, "0", 1, true),
                                 .report = report_new(NULL, rig.to_listener, rig.to_notifier, "writer-0"),
                                 .holdings = &rig.holdings,
                                 .homes = homes_new(),
                                 .series = series_memo_new()};
    rig.objects = objects_new(&rig.environment, rig.to_listener);
}

void rig_fini(void) {
    objects_destroy(&rig.objects);
    report_destroy(&rig.environment.report);
    homes_destroy(&rig.environment.homes);
    series_memo_destroy(&rig.environment.series);
    store_destroy(&rig.environment.store);
    zsock_destroy(&rig.to_listener);
    zsock_destroy(&rig.to_notifier);
    zsock_destroy(&rig.listener);
    zsock_destroy(&rig.notifier);
    zsys_shutdown();
    remove_folder(rig.folder);
    free(rig.root);
    free(rig.folder);
}

/* --- what the listener does --- */

/* As if it had been unpacked. */
static Ring__ObjectHeader *header_on_heap(const Ring__ObjectHeader *header,
                                          const ProtobufCMessageUnknownField *unknown) {
    Ring__ObjectHeader *copy = message_copy(&header->base);
    if (!unknown)
        return copy;
    copy->base.n_unknown_fields = 1;
    copy->base.unknown_fields = must(malloc(sizeof *unknown));
    *copy->base.unknown_fields = *unknown;
    copy->base.unknown_fields->data = must(malloc(unknown->len));
    memcpy(copy->base.unknown_fields->data, unknown->data, unknown->len);
    return copy;
}

void send_bytes(sent_t which, const uint8_t *bytes, uint64_t offset, size_t size, bool last) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = which.listener ? which.listener : LISTENER;
    id.association = which.association ? which.association : 1;
    id.object = which.object ? which.object : 1;
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = which.calling_ae ? which.calling_ae : (char *)"RAWSCU";
    header.sop_class_uid = which.sop_class ? which.sop_class : (char *)"1.2.3";
    header.unread = which.unread;
    header.sop_instance_uid = which.sop_instance ? which.sop_instance : (char *)INSTANCE_UID;
    header.transfer_syntax_uid = which.syntax ? which.syntax : (char *)EXPLICIT_VR;
    Ring__Chunk chunk = RING__CHUNK__INIT;
    chunk.object = &id;
    chunk.attempt = which.attempt ? which.attempt : 1;
    chunk.offset = offset;
    chunk.last = last;
    chunk.header = offset || which.headless ? NULL : header_on_heap(&header, which.unknown);
    chunk.credit_wanted = which.credit_wanted;
    zmq_msg_t data;
    zmq_msg_init_size(&data, size);
    if (size)
        memcpy(zmq_msg_data(&data), bytes, size);
    objects_on_chunk(rig.objects, &chunk, &data);
    ring__object_header__free_unpacked(chunk.header, NULL); /* that nobody took */
    zmq_msg_close(&data);
}

void send_chunk(sent_t which, const data_set_t *set, size_t offset, size_t size, bool last) {
    send_bytes(which, set->bytes + offset, offset, size, last);
}

void send_by(sent_t which, const data_set_t *set, size_t step) {
    for (size_t at = 0; at < set->size; at += step)
        send_chunk(which, set, at, step < set->size - at ? step : set->size - at, at + step >= set->size);
}

void send_whole(sent_t which, const data_set_t *set) {
    send_by(which, set, set->size);
}

/* --- results --- */

Ring__Envelope *received(zsock_t *socket) {
    zframe_t *frame = zframe_recv(socket);
    cr_assert_not_null(frame, "nothing came");
    Ring__Envelope *envelope = ring_unpack(zframe_data(frame), zframe_size(frame));
    cr_assert_not_null(envelope);
    zframe_destroy(&frame);
    return envelope;
}

void expect_silence(zsock_t *socket) {
    report_flush(rig.environment.report);
    expect_silence_for_now(socket);
}

void expect_silence_for_now(zsock_t *socket) {
    zsock_set_rcvtimeo(socket, 50);
    zframe_t *frame = zframe_recv(socket);
    cr_expect_null(frame);
    zframe_destroy(&frame);
    zsock_set_rcvtimeo(socket, PATIENCE_MS);
}

void expect_written(uint64_t object, uint32_t attempt, uint32_t status) {
    Ring__Envelope *event = received(rig.listener);
    cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_WRITTEN);
    const Ring__Written *written = event->written;
    cr_expect_eq(written->object->listener, LISTENER);
    cr_expect_eq(written->object->association, 1);
    cr_expect_eq(written->object->object, object);
    cr_expect_eq(written->attempt, attempt);
    cr_expect_eq(written->status, status);
    cr_expect_eq(written->token != 0, status == 0);
    ring__envelope__free_unpacked(event, NULL);
}

/* The event that the object was stored, with its attempt. */
void expect_stored(uint64_t object, uint32_t attempt, size_t bytes) {
    expect_written(object, attempt, 0);
    report_flush(rig.environment.report);
    Ring__Envelope *event = received(rig.notifier);
    cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
    const Ring__Stored *stored = event->stored;
    cr_expect_eq(stored->listener, LISTENER);
    cr_expect_eq(stored->association, 1);
    cr_expect_neq(stored->token, 0);
    cr_assert_eq(stored->n_objects, 1);
    cr_expect_eq(stored->objects[0]->object, object);
    cr_expect_eq(stored->objects[0]->attempt, attempt);
    cr_expect_str_eq(stored->calling_ae, "RAWSCU");
    cr_expect_str_eq(stored->series->series_instance_uid, SERIES_UID);
    cr_expect_str_eq(stored->series->folder, FOLDER);
    cr_expect_str_eq(stored->series->pacs_name, "RAWSCU");
    cr_expect_str_eq(stored->objects[0]->file, FILE_NAME);
    cr_expect_eq(stored->objects[0]->bytes, bytes);
    cr_expect_str_eq(stored->writer, "writer-0");
    ring__envelope__free_unpacked(event, NULL);
}

void expect_refused(uint32_t status, uint32_t element, const char *series) {
    Ring__Envelope *answer = received(rig.listener);
    while (answer->body_case == RING__ENVELOPE__BODY_CREDIT) { /* for earlier ones */
        ring__envelope__free_unpacked(answer, NULL);
        answer = received(rig.listener);
    }
    cr_assert_eq(answer->body_case, RING__ENVELOPE__BODY_WRITTEN);
    cr_expect_eq(answer->written->status, status);
    cr_expect_eq(answer->written->offending_element, element);
    ring__envelope__free_unpacked(answer, NULL);
    Ring__Envelope *event = received(rig.notifier);
    cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_REFUSED);
    const Ring__Refused *refused = event->refused;
    cr_expect_eq(refused->status, status, "%04X: %s", refused->status, refused->reason);
    cr_expect_eq(refused->offending_element, element);
    cr_expect_str_eq(refused->series_instance_uid, series);
    cr_expect_str_eq(refused->calling_ae, "RAWSCU");
    cr_expect_gt(strlen(refused->error_comment), 0);
    cr_expect_leq(strlen(refused->error_comment), 64);
    ring__envelope__free_unpacked(event, NULL);
}

/* The stored file: a Part 10 header and the data set, bit for bit. Returns its size. */
size_t expect_file(const data_set_t *set) {
    char *path = text_of("%s/%s/%s", rig.root, FOLDER, FILE_NAME);
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_not_null(content, "%s", path);
    cr_assert_gt(size, set->size);
    cr_expect_arr_eq(content + 128, "DICM", 4);
    cr_expect_arr_eq(content + size - set->size, set->bytes, set->size);
    uint32_t group_length = (uint8_t)content[140] | (uint32_t)(uint8_t)content[141] << 8;
    cr_expect_eq(size, 144 + group_length + set->size);
    free(content);
    free(path);
    return size;
}

bool is_temporary_folder_empty(void) {
    char *path = text_of("%s/.oxidicom/tmp", rig.root);
    zdir_t *folder = zdir_new(path, NULL);
    bool empty = zdir_count(folder) == 0;
    zdir_destroy(&folder);
    free(path);
    return empty;
}
