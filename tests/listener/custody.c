#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "listener/custody.h"
#include "tests/support/process.h"

/* A custody without sockets of its own, a writer's inbox that the test reads, and what was answered. */
typedef struct bench {
    char folder[32];
    stage_t stage;
    custody_t custody;
    zsock_t *inboxes[2]; /* of writer-a and writer-b */
    zsock_t *notifier;
    int answers;
    response_t last;
    object_t *abandoned; /* when the next answer is given, as by a peer that is found gone then */
} bench_t;

static void on_settled(void *owner, const response_t *response) {
    bench_t *bench = owner;
    bench->answers++;
    bench->last = *response;
    if (bench->abandoned)
        object_abandon(bench->abandoned);
    bench->abandoned = NULL;
}

static zsock_t *bind_inbox(const bench_t *bench, const char *id) {
    char *endpoint = stage_endpoint(bench->folder, id);
    zsock_t *inbox = zsock_new(ZMQ_PULL);
    zsock_set_rcvhwm(inbox, 0);
    cr_assert_eq(zsock_bind(inbox, "%s", endpoint), 0);
    freen(endpoint);
    return inbox;
}

static bench_t *bench_new(void) {
    bench_t *bench = calloc(1, sizeof *bench);
    strcpy(bench->folder, "/tmp/custody-XXXXXX");
    cr_assert_not_null(mkdtemp(bench->folder));
    zsys_handler_set(NULL);
    log_start("test", "error", NULL);
    bench->stage = (stage_t){.id = (char *)"listener", .incarnation = 7, .loop = zloop_new()};
    bench->stage.settings.run_dir = bench->folder;
    bench->stage.settings.buffer_size_bytes = 64 << 20;
    bench->stage.settings.store_timeout_ms = 60000;
    cr_assert_eq(custody_start(&bench->custody, &bench->stage, on_settled), 0);
    bench->inboxes[0] = bind_inbox(bench, "writer-a");
    bench->inboxes[1] = bind_inbox(bench, "writer-b");
    bench->notifier = bind_inbox(bench, "notifier");
    return bench;
}

static void bench_free(bench_t *bench) {
    custody_clear(&bench->custody);
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

static void say_alive(bench_t *bench, Ring__Stage stage, const char *id, uint64_t incarnation) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = stage;
    alive.id = (char *)(uintptr_t)id;
    alive.incarnation = incarnation;
    custody_on_alive(&bench->custody, &alive);
}

static void writer_alive(bench_t *bench, const char *id, uint64_t incarnation) {
    say_alive(bench, RING__STAGE__STAGE_WRITER, id, incarnation);
}

static object_t *begin(bench_t *bench) {
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"PACS";
    return custody_begin(&bench->custody, 3, &header, bench);
}

static void append(object_t *object, size_t size) {
    static uint8_t block[CHUNK_BYTES];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)(i * 7);
    for (size_t part; size > 0; size -= part) {
        part = size < sizeof block ? size : sizeof block;
        object_append(object, block, part);
    }
}

/* The next message in an inbox; NULL where none comes within `ms`. Free it. */
static Ring__Envelope *next(zsock_t *inbox, int ms, size_t *bytes) {
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

/* Takes chunks until the last of an object, or until none comes; returns the bytes and the attempt. */
static size_t take_object(zsock_t *inbox, bool *ended, uint32_t *attempt) {
    size_t total = 0, bytes;
    *ended = false;
    for (Ring__Envelope *e; !*ended && (e = next(inbox, 3000, &bytes));) {
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

static void acknowledge(bench_t *bench, uint64_t object, uint32_t status) {
    Ring__ObjectAck ack = RING__OBJECT_ACK__INIT, *acks[] = {&ack};
    ack.object = object;
    ack.status = status;
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.listener = bench->stage.incarnation;
    message.objects = acks;
    message.n_objects = 1;
    custody_on_acknowledged(&bench->custody, &message);
}

static void credit(bench_t *bench, const object_t *object, uint64_t taken) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = bench->stage.incarnation;
    id.object = object->context.object;
    Ring__Credit message = RING__CREDIT__INIT;
    message.object = &id;
    message.attempt = object->attempt;
    message.taken = taken;
    custody_on_credit(&bench->custody, &message);
}

Test(custody, answers_an_object_only_when_it_is_acknowledged) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, 20000);
    object_finish(object);
    bool ended;
    uint32_t attempt;
    cr_assert_eq(take_object(bench->inboxes[0], &ended, &attempt), 20000);
    cr_assert(ended);
    cr_assert_eq(bench->answers, 0);
    acknowledge(bench, 1, STATUS_SUCCESS);
    cr_assert_eq(bench->answers, 1);
    cr_assert(custody_idle(&bench->custody));
    acknowledge(bench, 1, STATUS_SUCCESS);
    cr_assert_eq(bench->answers, 1, "a second acknowledgement is nothing new");
    bench_free(bench);
}

Test(custody, sends_an_empty_last_chunk_when_the_data_set_ends_with_a_full_one) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, 2 * CHUNK_BYTES);
    object_finish(object);
    bool ended;
    uint32_t attempt;
    cr_assert_eq(take_object(bench->inboxes[0], &ended, &attempt), 2 * CHUNK_BYTES);
    cr_assert(ended);
    bench_free(bench);
}

Test(custody, sends_an_object_to_another_writer_when_its_own_is_replaced) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, 300000);
    bool ended;
    uint32_t attempt;
    take_object(bench->inboxes[0], &ended, &attempt);
    cr_assert_not(ended);
    writer_alive(bench, "writer-b", 2);
    writer_lost(&bench->custody, object->writer, "killed by the test");
    object_finish(object);
    cr_assert_eq(take_object(bench->inboxes[1], &ended, &attempt), 300000);
    cr_assert(ended);
    cr_assert_eq(attempt, 2);
    cr_assert_eq(bench->answers, 0);
    bench_free(bench);
}

Test(custody, takes_no_more_writers_than_a_launcher_can_start) {
    bench_t *bench = bench_new();
    char id[32];
    for (uint64_t i = 0; i < WRITERS_MAX + 100; i++) {
        snprintf(id, sizeof id, "writer-%d", (int)i);
        writer_alive(bench, id, i + 1);
    }
    size_t count = 0;
    writer_t *writer;
    TAILQ_FOREACH(writer, &bench->custody.writers, next)
    count++;
    cr_assert_eq(count, WRITERS_MAX);
    writer_alive(bench, "writer-0", 1000);
    cr_assert_eq(begin(bench)->writer->outstanding_objects, 1, "one that is replaced has its place");
    while (!TAILQ_EMPTY(&bench->custody.writers))
        writer_lost(&bench->custody, TAILQ_FIRST(&bench->custody.writers), "the test ends");
    bench_free(bench);
}

Test(custody, keeps_objects_for_a_writer_that_appears_later) {
    bench_t *bench = bench_new();
    object_t *object = begin(bench);
    append(object, 1000);
    object_finish(object);
    writer_alive(bench, "writer-b", 2);
    bool ended;
    uint32_t attempt;
    cr_assert_eq(take_object(bench->inboxes[1], &ended, &attempt), 1000);
    cr_assert(ended);
    bench_free(bench);
}

Test(custody, gives_objects_to_the_writer_with_the_least_outstanding) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    writer_alive(bench, "writer-b", 2);
    object_t *large = begin(bench), *small, *third;
    append(large, 100000);
    small = begin(bench);
    append(small, 10);
    third = begin(bench);
    cr_assert_neq(large->writer, small->writer);
    cr_assert_eq(third->writer, small->writer);
    bench_free(bench);
}

Test(custody, gives_a_leaving_writer_nothing_new_and_releases_it_when_it_is_done) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, 10);
    object_finish(object);
    writer_alive(bench, "writer-b", 2);
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = 1;
    custody_on_leaving(&bench->custody, &leaving);
    cr_assert_str_eq(begin(bench)->writer->id, "writer-b");
    Ring__Envelope *e = next(bench->inboxes[0], 500, NULL);
    cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_CHUNK);
    ring__envelope__free_unpacked(e, NULL);
    cr_assert_null(next(bench->inboxes[0], 100, NULL), "not before its object is acknowledged");
    acknowledge(bench, 1, STATUS_SUCCESS);
    e = next(bench->inboxes[0], 500, NULL);
    cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_RELEASED);
    cr_assert_eq(e->released->incarnation, 1);
    ring__envelope__free_unpacked(e, NULL);
    bench_free(bench);
}

Test(custody, sends_everything_again_when_the_notifier_was_replaced) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 10);
    object_t *object = begin(bench);
    append(object, 500);
    object_finish(object);
    bool ended;
    uint32_t attempt;
    take_object(bench->inboxes[0], &ended, &attempt);
    cr_assert_eq(attempt, 1);
    say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 10);
    cr_assert_null(next(bench->inboxes[0], 100, NULL));
    say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 11);
    Ring__Envelope *e = next(bench->inboxes[0], 500, NULL);
    cr_assert(e && e->body_case == RING__ENVELOPE__BODY_CANCEL);
    ring__envelope__free_unpacked(e, NULL);
    cr_assert_eq(take_object(bench->inboxes[0], &ended, &attempt), 500);
    cr_assert_eq(attempt, 2);
    bench_free(bench);
}

Test(custody, sends_everything_again_when_the_notifier_was_replaced_before_this_listener_heard_of_one) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, 500);
    object_finish(object);
    bool ended;
    uint32_t attempt;
    take_object(bench->inboxes[0], &ended, &attempt);
    say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 11);
    Ring__Envelope *e = next(bench->inboxes[0], 500, NULL);
    cr_assert(e && e->body_case == RING__ENVELOPE__BODY_CANCEL);
    ring__envelope__free_unpacked(e, NULL);
    cr_assert_eq(take_object(bench->inboxes[0], &ended, &attempt), 500);
    cr_assert_eq(attempt, 2);
    bench_free(bench);
}

Test(custody, cancels_the_old_attempt_at_a_writer_that_lives_when_another_gets_the_next) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 10);
    object_t *object = begin(bench);
    append(object, CHUNK_BYTES);
    bool ended;
    uint32_t attempt;
    take_object(bench->inboxes[0], &ended, &attempt);
    writer_alive(bench, "writer-b", 2);
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = 1;
    custody_on_leaving(&bench->custody, &leaving);
    say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 11);
    cr_assert_str_eq(object->writer->id, "writer-b");
    Ring__Envelope *e = next(bench->inboxes[0], 500, NULL);
    cr_assert_not_null(e, "it keeps what it has for ever");
    cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_CANCEL);
    cr_assert_eq(e->cancel->object->object, 1);
    cr_assert_eq(e->cancel->attempt, 1);
    ring__envelope__free_unpacked(e, NULL);
    bench_free(bench);
}

/* --- what comes twice, out of order, or late --- */

Test(custody, takes_each_message_twice) {
    bench_t *bench = bench_new();
    for (int i = 0; i < 2; i++) {
        writer_alive(bench, "writer-a", 1);
        say_alive(bench, RING__STAGE__STAGE_NOTIFIER, "notifier", 10);
    }
    object_t *object = begin(bench);
    append(object, CREDIT_BYTES);
    bool ended;
    uint32_t attempt;
    take_object(bench->inboxes[0], &ended, &attempt);
    for (int i = 0; i < 2; i++)
        credit(bench, object, CREDIT_BYTES);
    cr_assert_eq(object->taken, CREDIT_BYTES);
    object_finish(object);
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = 1;
    for (int i = 0; i < 2; i++)
        custody_on_leaving(&bench->custody, &leaving);
    for (int i = 0; i < 2; i++)
        acknowledge(bench, 1, STATUS_SUCCESS);
    cr_assert_eq(bench->answers, 1);
    cr_assert_eq(bench->last.status, STATUS_SUCCESS);
    cr_assert(custody_idle(&bench->custody));
    cr_assert_eq(bench->custody.budget->held_bytes, 0);
    bench_free(bench);
}

Test(custody, keeps_to_the_newest_attempt_whatever_credits_and_writers_of_earlier_ones_come_late) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, CREDIT_BYTES);
    writer_alive(bench, "writer-b", 2);
    writer_lost(&bench->custody, object->writer, "thought dead by the test");
    cr_assert_eq(object->attempt, 2);
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = bench->stage.incarnation;
    id.object = 1;
    Ring__Credit late = RING__CREDIT__INIT;
    late.object = &id;
    late.attempt = 1;
    late.taken = CREDIT_BYTES;
    custody_on_credit(&bench->custody, &late);
    cr_assert_eq(object->taken, 0, "what the dead one took must still be sent");
    late.attempt = 2;
    custody_on_credit(&bench->custody, &late);
    late.taken = 1000;
    custody_on_credit(&bench->custody, &late);
    cr_assert_eq(object->taken, CREDIT_BYTES, "an older credit of the same attempt takes nothing back");
    /* The one that was thought dead says that it leaves, then that it lives. */
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = 1;
    custody_on_leaving(&bench->custody, &leaving);
    writer_alive(bench, "writer-a", 1);
    cr_assert_str_eq(object->writer->id, "writer-b");
    object_finish(object);
    acknowledge(bench, 1, STATUS_SUCCESS);
    cr_assert_eq(bench->answers, 1);
    bench_free(bench);
}

Test(custody, does_not_release_a_writer_that_it_takes_for_gone) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, CHUNK_BYTES);
    bool ended;
    uint32_t attempt;
    take_object(bench->inboxes[0], &ended, &attempt);
    custody_tick(&bench->custody, clock_ms() + WRITER_SILENCE_MS + 1);
    cr_assert_null(object->writer);
    for (Ring__Envelope *e; (e = next(bench->inboxes[0], 200, NULL));) {
        cr_expect_neq(e->body_case, RING__ENVELOPE__BODY_RELEASED,
                      "it would drop what it is given when it is back");
        ring__envelope__free_unpacked(e, NULL);
    }
    bench_free(bench);
}

Test(custody, takes_the_acknowledgement_of_an_object_that_was_just_given_to_another_writer) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    writer_alive(bench, "writer-b", 2);
    object_t *object = begin(bench);
    append(object, 100);
    object_finish(object);
    writer_lost(&bench->custody, object->writer, "thought dead by the test");
    acknowledge(bench, 1, STATUS_SUCCESS); /* of what the dead one had stored before */
    cr_assert_eq(bench->answers, 1);
    acknowledge(bench, 1, STATUS_OUT_OF_RESOURCES);
    cr_assert_eq(bench->answers, 1);
    cr_assert_eq(bench->last.status, STATUS_SUCCESS);
    bench_free(bench);
}

Test(custody, frees_a_large_object_as_it_is_credited_and_never_holds_more_than_its_window) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    size_t most = 0, sent = 0;
    while (sent < 4 * (size_t)RETAIN_MAX_BYTES) {
        while (custody_room(&bench->custody, object) > 0) {
            append(object, CHUNK_BYTES);
            sent += CHUNK_BYTES;
        }
        size_t bytes;
        Ring__Envelope *e = next(bench->inboxes[0], 1000, &bytes);
        cr_assert_not_null(e);
        uint64_t taken = e->chunk->offset + bytes;
        if (e->chunk->credit_wanted)
            credit(bench, object, taken);
        ring__envelope__free_unpacked(e, NULL);
        if (object->streaming && bench->custody.budget->held_bytes > most)
            most = bench->custody.budget->held_bytes;
    }
    cr_assert_lt(most, RETAIN_MAX_BYTES + 2 * OBJECT_WINDOW_BYTES);
    cr_assert_lt(bench->custody.budget->held_bytes, 2 * OBJECT_WINDOW_BYTES);
    cr_assert_not(object->whole);
    bench_free(bench);
}

static bool nothing_held(void *bench) {
    return ((bench_t *)bench)->custody.budget->held_bytes == 0;
}

Test(custody, answers_a700_for_a_large_object_whose_writer_is_gone) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, CHUNK_BYTES);
    object_stream(object);
    Ring__Envelope *e = next(bench->inboxes[0], 500, NULL);
    ring__envelope__free_unpacked(e, NULL);
    credit(bench, object, CHUNK_BYTES);
    writer_alive(bench, "writer-a", 2);
    cr_assert_eq(bench->answers, 0, "the peer is still sending");
    append(object, CHUNK_BYTES);
    cr_assert_eq(custody_room(&bench->custody, object), RECEIVE_BYTES, "the rest is taken and thrown away");
    cr_assert(await(nothing_held, bench, 5000), "ZeroMQ gives up what it was to send to the writer");
    object_finish(object);
    cr_assert_eq(bench->answers, 1);
    cr_assert_eq(bench->last.status, STATUS_OUT_OF_RESOURCES);
    bench_free(bench);
}

static bool held_by_the_test_alone(void *budget) {
    return ((budget_t *)budget)->holders == 1;
}

Test(custody, may_end_while_zeromq_still_holds_chunks_for_a_writer_that_is_not_there) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-absent", 3);
    object_t *object = begin(bench);
    append(object, 1000);
    object_finish(object);
    budget_t *budget = bench->custody.budget;
    budget->holders++;
    cr_assert_eq(budget->holders, 3, "the custody, the chunk and the test");
    bench_free(bench);
    cr_assert(await(held_by_the_test_alone, budget, 20000));
    cr_assert_eq(budget->held_bytes, 0);
    budget_drop(budget);
}

Test(custody, stops_taking_bytes_when_the_buffer_is_used_up_and_goes_on_when_there_is_room) {
    bench_t *bench = bench_new();
    bench->stage.settings.buffer_size_bytes = 4 << 20;
    for (int i = 0; i < 8; i++) {
        object_t *object = begin(bench);
        for (int j = 0; j < 8 && custody_room(&bench->custody, object) >= CHUNK_BYTES; j++)
            append(object, CHUNK_BYTES);
    }
    cr_assert_leq(bench->custody.budget->held_bytes, 4 << 20);
    cr_assert_eq(custody_room(&bench->custody, NULL), 0);
    object_t *first = TAILQ_FIRST(&bench->custody.objects);
    object_abandon(first);
    cr_assert_gt(custody_room(&bench->custody, NULL), 0);
    bench_free(bench);
}

Test(custody, answers_a700_when_nothing_stores_the_object_in_time) {
    bench_t *bench = bench_new();
    object_t *object = begin(bench);
    append(object, 100);
    object_finish(object);
    int64_t now = clock_ms();
    custody_tick(&bench->custody, now + 59000);
    cr_assert_eq(bench->answers, 0);
    custody_tick(&bench->custody, now + 61000);
    cr_assert_eq(bench->answers, 1);
    cr_assert_eq(bench->last.status, STATUS_OUT_OF_RESOURCES);
    bench_free(bench);
}

Test(custody, survives_an_answer_that_ends_the_objects_behind_it) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *answered = begin(bench);
    append(answered, CHUNK_BYTES);
    object_stream(answered);
    Ring__Envelope *e = next(bench->inboxes[0], 500, NULL);
    ring__envelope__free_unpacked(e, NULL);
    credit(bench, answered, CHUNK_BYTES);
    object_finish(answered);
    bench->abandoned = begin(bench);
    append(bench->abandoned, 100);
    writer_alive(bench, "writer-a", 2);
    cr_assert_eq(bench->answers, 1);
    cr_assert(custody_idle(&bench->custody));
    /* The same when it has waited for too long. */
    object_t *waits = begin(bench);
    append(waits, 100);
    object_finish(waits);
    bench->abandoned = begin(bench);
    append(bench->abandoned, 100);
    custody_tick(&bench->custody, clock_ms() + 61000);
    cr_assert_eq(bench->answers, 2);
    cr_assert(custody_idle(&bench->custody));
    bench_free(bench);
}

Test(custody, takes_a_silent_writer_for_gone) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    cr_assert_not_null(object->writer);
    custody_tick(&bench->custody, clock_ms() + WRITER_SILENCE_MS + 1);
    cr_assert_null(object->writer);
    cr_assert_eq(bench->answers, 0);
    bench_free(bench);
}

Test(custody, repeats_the_end_of_an_association_until_it_is_acknowledged) {
    bench_t *bench = bench_new();
    custody_association_ended(&bench->custody, 5);
    int64_t now = clock_ms();
    custody_tick(&bench->custody, now + END_REPEAT_MS + 1);
    for (int i = 0; i < 2; i++) {
        Ring__Envelope *e = next(bench->notifier, 500, NULL);
        cr_assert_not_null(e);
        cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_ASSOCIATION_ENDED);
        cr_assert_eq(e->association_ended->association, 5);
        ring__envelope__free_unpacked(e, NULL);
    }
    uint64_t ends[] = {5};
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.listener = 7;
    message.associations = ends;
    message.n_associations = 1;
    custody_on_acknowledged(&bench->custody, &message);
    cr_assert(custody_idle(&bench->custody));
    bench_free(bench);
}

Test(custody, ignores_what_is_meant_for_an_earlier_listener) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-a", 1);
    object_t *object = begin(bench);
    append(object, 10);
    object_finish(object);
    bench->stage.incarnation = 8;
    Ring__ObjectAck ack = RING__OBJECT_ACK__INIT, *acks[] = {&ack};
    ack.object = 1;
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.listener = 7;
    message.objects = acks;
    message.n_objects = 1;
    custody_on_acknowledged(&bench->custody, &message);
    cr_assert_eq(bench->answers, 0);
    bench_free(bench);
}

Test(custody, ignores_writers_with_names_that_are_no_inboxes) {
    bench_t *bench = bench_new();
    writer_alive(bench, "writer-../../x", 1);
    writer_alive(bench, "listener", 1);
    writer_alive(bench, "", 1);
    cr_assert(TAILQ_EMPTY(&bench->custody.writers));
    bench_free(bench);
}
