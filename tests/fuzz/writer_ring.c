/* A writer's inbox: chunks and cancels as they come, over a store in memory. Input: parts, a message head and its
 * data by turns. */
#include "common/log.h"
#include "proto/ring.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"
#include "writer/objects.h"

/* Executions before the folders that objects have made are removed. */
#define FOLDERS_KEPT 200

static struct {
    incoming_environment_t environment;
    zsock_t *listener, *notifier; /* connected to nobody: messages are dropped */
} bench;

static void set_up(void) {
    zsys_init();
    zsys_handler_set(NULL);
    log_start("fuzz", "off", NULL);
    CHECK(head_start());
    bench.listener = zsock_new(ZMQ_PUSH);
    bench.notifier = zsock_new(ZMQ_PUSH);
    store_t *store = store_new(scratch_folder(), "0", 1, false);
    CHECK(store);
    static holdings_t holdings;
    report_t *report = report_new(NULL, bench.listener, bench.notifier, "writer-0");
    bench.environment = (incoming_environment_t){
        .store = store, .report = report, .holdings = &holdings, .homes = homes_new(), .series = series_memo_new()};
}

static void handle(objects_t *objects, const Ring__Envelope *envelope, reader_t data) {
    zmq_msg_t frame;
    CHECK(zmq_msg_init_size(&frame, reader_left(&data)) == 0);
    if (reader_left(&data))
        memcpy(zmq_msg_data(&frame), data.at, reader_left(&data));
    if (envelope->body_case == RING__ENVELOPE__BODY_CHUNK)
        objects_on_chunk(objects, envelope->chunk, &frame);
    else if (envelope->body_case == RING__ENVELOPE__BODY_CANCEL)
        objects_on_cancel(objects, envelope->cancel);
    else if (envelope->body_case == RING__ENVELOPE__BODY_RELEASED)
        objects_on_released(objects, envelope->released->listener);
    (void)objects_on_turn(objects);
    zmq_msg_close(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned executions;
    if (!bench.environment.store)
        set_up();
    objects_t *objects = objects_new(&bench.environment, bench.listener);
    reader_t input = reader_over(data, size), head, body;
    size_t messages = 0;
    while (part_next(&input, &head) && part_next(&input, &body)) {
        Ring__Envelope *envelope = ring_unpack(head.at, reader_left(&head));
        if (envelope) {
            handle(objects, envelope, body);
            ring__envelope__free_unpacked(envelope, NULL);
        }
        CHECK(objects_open(objects) <= ++messages);
    }
    objects_destroy(&objects);
    if (++executions % FOLDERS_KEPT == 0)
        scratch_remove("SERVICES");
    return 0;
}
