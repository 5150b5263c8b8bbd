/* Objects that a writer had in hand when it died. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "listener/custody/private.h"
#include "tests/listener/custody/custody_rig.h"
#include "tests/support/process.h"

static object_t *send_object(rig_t *rig, size_t size) {
    object_t *object = rig_begin(rig);
    rig_append(object, size);
    object_finish(object);
    return object;
}

static writer_link_t *only_writer(rig_t *rig) {
    return TAILQ_FIRST(&rig->custody.writers);
}

/* Its objects are sent again to the next one. */
static void writer_dies(rig_t *rig, uint64_t next) {
    writers_died(&rig->custody, only_writer(rig), "killed by the test");
    rig_take_answers(rig);
    rig_writer_alive(rig, "writer-a", next);
}

static void fall_silent(rig_t *rig) {
    custody_tick(&rig->custody, clock_ms() + WRITER_SILENCE_MS + 1);
    cr_assert(TAILQ_EMPTY(&rig->custody.writers));
}

static bool is_in_hand(const object_t *object) {
    return dispatch_awaited(object) > 0;
}

Test(suspects, after_a_death_are_sent_one_at_a_time) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *first = send_object(rig, 1000), *second = send_object(rig, 1000), *third = send_object(rig, 1000);
    cr_expect(is_in_hand(first) && is_in_hand(second) && is_in_hand(third));
    writer_dies(rig, 2);
    cr_expect(is_in_hand(first) && !is_in_hand(second) && !is_in_hand(third));
    rig_finish(rig, first->context.object, 0);
    cr_expect(is_in_hand(second) && !is_in_hand(third));
    rig_finish(rig, second->context.object, 0);
    rig_finish(rig, third->context.object, 0);
    cr_expect_eq(rig->answers, 3);
    cr_expect_eq(rig->custody.suspects, 0);
    object_t *fourth = send_object(rig, 1000), *fifth = send_object(rig, 1000);
    cr_expect(is_in_hand(fourth) && is_in_hand(fifth));
    rig_free(rig);
}

Test(suspects, that_kill_three_writers_are_sent_to_be_refused_unread_and_then_not_at_all) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = send_object(rig, 1000);
    for (uint64_t life = 2; life <= 4; life++) {
        cr_expect_not(object->header.unread);
        writer_dies(rig, life);
    }
    cr_expect_eq(rig->answers, 0);
    cr_expect(object->header.unread);
    writer_dies(rig, 5); /* a release that reads it nevertheless, or a quarantine that kills, too */
    cr_expect_eq(rig->answers, 1);
    cr_expect_eq(rig->last.status, STATUS_OUT_OF_RESOURCES);
    cr_expect_str_eq(rig->comment, "its writer died or hung each time that it had this object");
    rig_free(rig);
}

/* An object that is refused for its neighbour's fault would be refused again and again. */
Test(suspects, that_share_deaths_with_a_deadly_object_are_stored) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *first = send_object(rig, 1000), *deadly = send_object(rig, 1000), *last = send_object(rig, 1000);
    writer_dies(rig, 2);
    rig_finish(rig, first->context.object, 0);
    for (uint64_t life = 3; life <= 4; life++) {
        cr_expect(is_in_hand(deadly) && !is_in_hand(last));
        writer_dies(rig, life);
    }
    cr_expect(deadly->header.unread);
    rig_written(rig, deadly->context.object, STATUS_OUT_OF_RESOURCES);
    cr_expect_eq(rig->last.status, STATUS_OUT_OF_RESOURCES);
    cr_expect_eq(last->deaths, 1);
    cr_expect_not(last->header.unread);
    rig_finish(rig, last->context.object, 0);
    cr_expect_eq(rig->last.status, STATUS_SUCCESS);
    rig_free(rig);
}

Test(suspects, keep_new_objects_from_their_writer_until_they_are_stored) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *suspect = send_object(rig, 1000);
    writer_dies(rig, 2);
    object_t *fresh = send_object(rig, 1000);
    cr_expect(is_in_hand(suspect) && !is_in_hand(fresh));
    writer_dies(rig, 3);
    cr_expect_eq(fresh->deaths, 0);
    rig_finish(rig, suspect->context.object, 0);
    cr_expect(is_in_hand(fresh));
    rig_finish(rig, fresh->context.object, 0);
    cr_expect_eq(rig->answers, 2);
    rig_free(rig);
}

/* A peer that stops in the middle of a suspect must not hold the writer. */
Test(suspects, hold_nobody_while_their_peer_sends_nothing) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *stopped = rig_begin(rig);
    rig_append(stopped, CHUNK_BYTES);
    writer_dies(rig, 2);
    cr_expect_eq(stopped->deaths, 1);
    object_t *other = send_object(rig, 1000);
    cr_expect_not(is_in_hand(other));
    rig_credit(rig, stopped, CHUNK_BYTES);
    cr_expect(is_in_hand(other));
    writer_dies(rig, 3);
    cr_expect_eq(stopped->deaths, 1, "it was not in hand");
    cr_expect_eq(other->deaths, 1);
    rig_free(rig);
}

Test(suspects, are_not_those_of_a_writer_that_was_told_to_end_or_that_storage_keeps) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = send_object(rig, 1000);
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = 1;
    writers_on_leaving(&rig->custody, &leaving);
    writer_dies(rig, 2);
    cr_expect_eq(object->deaths, 0);
    only_writer(rig)->kept_by_storage = true;
    fall_silent(rig);
    cr_expect_eq(object->deaths, 0);
    rig_writer_alive(rig, "writer-a", 3);
    rig_finish(rig, object->context.object, 0);
    cr_expect_eq(rig->answers, 1);
    rig_free(rig);
}

Test(suspects, are_those_of_a_writer_that_hangs) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = send_object(rig, 1000), *neighbour = send_object(rig, 1000);
    fall_silent(rig);
    rig_writer_alive(rig, "writer-a", 2);
    cr_expect(is_in_hand(object) && !is_in_hand(neighbour));
    for (uint64_t life = 3; life <= 4; life++) {
        fall_silent(rig);
        rig_writer_alive(rig, "writer-a", life);
    }
    cr_expect(object->header.unread);
    cr_expect_eq(neighbour->deaths, 1);
    rig_free(rig);
}
