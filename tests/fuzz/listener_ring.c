/* A listener's inbox: signs of life, credit, and events of objects and series, over objects in custody. Input:
 * message heads. */
#include "common/clock.h"
#include "common/log.h"
#include "listener/custody/custody.h"
#include "listener/custody/private.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

#define INCARNATION 7
#define OBJECTS     4

static stage_t stage;
static size_t answered;

static void take_answers(custody_t *custody) {
    for (object_t *object; (object = custody_take_answered(custody)); object_forget(object)) {
        CHECK(object->owner == &stage);
        answered++;
    }
}

static void set_up(void) {
    zsys_init();
    zsys_set_max_sockets(0); /* as many as there can be: another thread closes earlier inputs' sockets */
    zsys_handler_set(NULL);
    log_start("fuzz", "off", NULL);
    stage = (stage_t){.id = (char *)"listener", .incarnation = INCARNATION, .loop = zloop_new()};
    stage.settings.run_dir = (char *)scratch_folder();
    stage.settings.buffer_size_bytes = 4 << 20;
    stage.settings.store_timeout_ms = 60000;
}

/* Numbered from 1: complete, under way, with a chunk sent, and empty. */
static void begin_objects(custody_t *custody) {
    static const uint8_t bytes[CHUNK_BYTES + 100];
    static const size_t sizes[OBJECTS] = {1000, 1000, sizeof bytes, 0};
    share_t *share = share_new(custody, 1), *other = share_new(custody, 2);
    for (size_t i = 0; i < OBJECTS; i++) {
        Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
        object_t *object = object_begin(custody, share, &header, &stage);
        object_append(object, bytes, sizes[i]);
        if (i == 0)
            object_finish(object);
    }
    share_drop(share);
    custody_association_ended(custody, other, RING__ENDING__ENDING_RELEASED);
    share_drop(other);
}

static void handle(custody_t *custody, const Ring__Envelope *envelope) {
    switch (envelope->body_case) {
    case RING__ENVELOPE__BODY_ALIVE:
        custody_on_alive(custody, envelope->alive);
        break;
    case RING__ENVELOPE__BODY_LEAVING:
        writers_on_leaving(custody, envelope->leaving);
        break;
    case RING__ENVELOPE__BODY_CREDIT:
        custody_on_credit(custody, envelope->credit);
        break;
    case RING__ENVELOPE__BODY_WRITTEN:
        custody_on_written(custody, envelope->written);
        break;
    case RING__ENVELOPE__BODY_OPENED:
        custody_on_opened(custody, envelope->opened);
        break;
    case RING__ENVELOPE__BODY_ACKNOWLEDGED:
        custody_on_acknowledged(custody, envelope->acknowledged);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!stage.loop)
        set_up();
    custody_t custody = {0};
    answered = 0;
    CHECK(custody_start(&custody, &stage) == 0);
    begin_objects(&custody);
    reader_t input = reader_over(data, size), head;
    while (part_next(&input, &head)) {
        Ring__Envelope *envelope = ring_unpack(head.at, reader_left(&head));
        if (!envelope)
            continue;
        handle(&custody, envelope);
        custody_tick(&custody, clock_ms());
        take_answers(&custody);
        ring__envelope__free_unpacked(envelope, NULL);
    }
    CHECK(answered <= OBJECTS);
    /* Nobody takes queued messages; too many sockets would wait for that. */
    while (!TAILQ_EMPTY(&custody.writers))
        writers_lost(&custody, TAILQ_FIRST(&custody.writers), "the input ends");
    zsock_set_linger(custody.notifier, 0);
    custody_clear(&custody);
    return 0;
}
