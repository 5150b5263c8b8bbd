/* Associations beside one another: their shares and turns. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/listener/custody/custody_rig.h"
#include "tests/support/process.h"

/* A peer that sends more than storage takes, and a later one. */
typedef struct pair {
    rig_t *rig;
    share_t *greedy, *modest;
} pair_t;

static pair_t pair_new(void) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    return (pair_t){rig, share_new(&rig->custody, 1), share_new(&rig->custody, 2)};
}

static void pair_free(pair_t *pair) {
    share_drop(pair->greedy);
    share_drop(pair->modest);
    rig_free(pair->rig);
}

static object_t *send_object(const pair_t *pair, share_t *share, size_t size) {
    object_t *object = rig_begin_of(pair->rig, share);
    rig_append(object, size);
    object_finish(object);
    return object;
}

static bool is_sent(const object_t *object) {
    return object->complete && object->sent == object->received && !object->unsent;
}

/* Objects of a chunk each, until one has to wait. Returns the first. */
static object_t *fill_window(const pair_t *pair) {
    object_t *first = send_object(pair, pair->greedy, CHUNK_BYTES);
    while (is_sent(send_object(pair, pair->greedy, CHUNK_BYTES)))
        ;
    return first;
}

Test(fairness, a_writer_is_given_no_more_at_once_than_its_window) {
    pair_t pair = pair_new();
    for (int i = 0; i < 100; i++)
        send_object(&pair, pair.greedy, CHUNK_BYTES);
    const writer_link_t *writer = TAILQ_FIRST(&pair.rig->custody.writers);
    cr_expect_leq(writer->awaited_bytes, WRITER_WINDOW_BYTES);
    cr_expect_eq(writer->outstanding_bytes, 100 * (uint64_t)CHUNK_BYTES);
    pair_free(&pair);
}

/* Its objects may take long there, for instance to be inflated. */
Test(fairness, an_association_leaves_room_for_another_in_the_window) {
    pair_t pair = pair_new();
    for (int i = 0; i < 50; i++)
        send_object(&pair, pair.greedy, CHUNK_BYTES);
    cr_expect_geq(pair.greedy->awaited_bytes, WRITER_WINDOW_BYTES / 2);
    for (int i = 0; i < 4; i++)
        cr_expect(is_sent(send_object(&pair, pair.modest, CHUNK_BYTES)));
    pair_free(&pair);
}

#define CROWD 60

Test(fairness, an_association_may_always_have_a_chunk_at_the_writer_however_many_others_do) {
    pair_t pair = pair_new();
    share_t *crowd[CROWD];
    for (uint64_t i = 0; i < CROWD; i++) {
        crowd[i] = share_new(&pair.rig->custody, 10 + i);
        for (int object = 0; object < 4; object++)
            send_object(&pair, crowd[i], CHUNK_BYTES);
    }
    object_t *first = send_object(&pair, pair.modest, CHUNK_BYTES),
             *second = send_object(&pair, pair.modest, CHUNK_BYTES);
    cr_expect(is_sent(first));
    cr_expect_not(is_sent(second));
    const writer_link_t *writer = TAILQ_FIRST(&pair.rig->custody.writers);
    cr_expect_leq(writer->awaited_bytes, WRITER_WINDOW_BYTES + (CROWD + 1) * CHUNK_BYTES);
    rig_finish(pair.rig, first->context.object, 0);
    cr_expect(is_sent(second));
    cr_expect_eq(pair.modest->awaited_bytes, CHUNK_BYTES);
    for (size_t i = 0; i < CROWD; i++)
        share_drop(crowd[i]);
    pair_free(&pair);
}

Test(fairness, all_is_sent_in_the_end) {
    pair_t pair = pair_new();
    for (int i = 0; i < 60; i++) {
        send_object(&pair, pair.greedy, 3 * CHUNK_BYTES + 5);
        send_object(&pair, pair.modest, 1000);
    }
    custody_t *custody = &pair.rig->custody;
    for (object_t *object; (object = TAILQ_FIRST(&custody->objects));) {
        while (object && !is_sent(object))
            object = TAILQ_NEXT(object, next);
        cr_assert_not_null(object, "there is always one that can be finished");
        rig_finish(pair.rig, object->context.object, 0);
    }
    cr_expect_eq(pair.rig->answers, 120);
    cr_expect_eq(pair.greedy->held_bytes + pair.modest->held_bytes, 0);
    cr_expect_eq(pair.greedy->awaited_bytes + pair.modest->awaited_bytes, 0);
    pair_free(&pair);
}

Test(fairness, those_that_wait_for_a_writer_that_dies_go_to_another) {
    pair_t pair = pair_new();
    fill_window(&pair);
    object_t *modest = send_object(&pair, pair.modest, 1000);
    rig_writer_alive(pair.rig, "writer-a", 2);
    const writer_link_t *writer = TAILQ_FIRST(&pair.rig->custody.writers);
    cr_expect_eq(writer->incarnation, 2);
    cr_expect_leq(writer->awaited_bytes, WRITER_WINDOW_BYTES);
    cr_expect_eq(modest->writer, writer);
    while (!is_sent(modest))
        rig_finish(pair.rig, TAILQ_FIRST(&pair.rig->custody.objects)->context.object, 0);
    pair_free(&pair);
}

/* Its bytes are not asked about yet, and it may never send the rest. */
Test(fairness, an_object_whose_peer_stops_takes_no_place_in_the_window) {
    pair_t pair = pair_new();
    for (int i = 0; i < 40; i++)
        rig_append(rig_begin_of(pair.rig, pair.greedy), 2 * CHUNK_BYTES);
    const writer_link_t *writer = TAILQ_FIRST(&pair.rig->custody.writers);
    cr_expect_eq(writer->awaited_bytes, 0);
    cr_expect(is_sent(send_object(&pair, pair.modest, 1000)));
    pair_free(&pair);
}

Test(fairness, there_is_always_room_for_one_more_association) {
    pair_t pair = pair_new();
    custody_t *custody = &pair.rig->custody;
    size_t all = (size_t)pair.rig->stage.settings.buffer_size_bytes;
    while (custody_room(custody, pair.greedy, NULL) > 0)
        send_object(&pair, pair.greedy, CHUNK_BYTES);
    cr_expect_lt(pair.greedy->held_bytes, all / 5 * 4 + 2 * CHUNK_BYTES);
    cr_expect_gt(pair.greedy->held_bytes, all / 4 * 3, "nor is it left without need");
    size_t held = pair.greedy->held_bytes;
    for (int i = 0; i < 16 && custody_room(custody, pair.modest, NULL) > 0; i++)
        send_object(&pair, pair.modest, CHUNK_BYTES);
    cr_expect_eq(pair.modest->held_bytes, 16 * CHUNK_BYTES);
    cr_expect_eq(pair.greedy->held_bytes, held);
    pair_free(&pair);
}

typedef struct stream {
    const pair_t *pair;
    object_t *object;
} stream_t;

/* ZeroMQ's thread lets go of a chunk some time after it was sent. */
static bool may_go_on(void *argument) {
    const stream_t *stream = argument;
    if (custody_room(&stream->pair->rig->custody, stream->pair->greedy, stream->object) >= CHUNK_BYTES)
        return true;
    if (stream->object->sent > stream->object->taken)
        rig_credit(stream->pair->rig, stream->object, stream->object->sent);
    return false;
}

Test(fairness, an_object_beyond_its_associations_share_is_no_longer_kept_whole_and_goes_on) {
    pair_t pair = pair_new();
    pair.rig->stage.settings.buffer_size_bytes = 4 << 20;
    for (int i = 0; i < 16; i++)
        send_object(&pair, pair.modest, CHUNK_BYTES);
    stream_t stream = {&pair, rig_begin_of(pair.rig, pair.greedy)};
    for (size_t received = 0; received < (8 << 20); received += CHUNK_BYTES) {
        cr_assert(await(may_go_on, &stream, PATIENCE_MS), "after %zu bytes", received);
        rig_append(stream.object, CHUNK_BYTES);
        cr_assert_leq(pair.rig->custody.budget->held_bytes, 4 << 20);
    }
    cr_expect(stream.object->streaming);
    pair_free(&pair);
}

/* Room for the credit of each, so that it is the size alone that counts. */
static object_t *receive_large(const pair_t *pair, share_t *share, size_t size) {
    object_t *object = rig_begin_of(pair->rig, share);
    for (size_t received = 0; received < size && !object->streaming; received += CHUNK_BYTES) {
        rig_append(object, CHUNK_BYTES);
        rig_credit(pair->rig, object, object->sent);
        (void)custody_room(&pair->rig->custody, share, object);
    }
    return object;
}

Test(fairness, a_large_object_is_kept_whole_only_while_half_of_the_buffer_is_free) {
    pair_t pair = pair_new();
    pair.rig->stage.settings.buffer_size_bytes = 32 << 20;
    cr_expect_not(receive_large(&pair, pair.modest, 8 << 20)->streaming);
    cr_expect_not(receive_large(&pair, pair.modest, 7 << 20)->streaming);
    object_t *large = receive_large(&pair, pair.greedy, 8 << 20);
    cr_expect(large->streaming);
    cr_expect_gt(large->received, RETAIN_CROWDED_BYTES);
    cr_expect_not(receive_large(&pair, pair.modest, RETAIN_CROWDED_BYTES)->streaming);
    pair_free(&pair);
}
