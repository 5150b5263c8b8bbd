#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "listener/custody/private.h"
#include "tests/listener/custody/custody_rig.h"
#include "tests/support/process.h"

static rig_t *rig;

static void set_up(void) {
    rig = rig_new();
}

static void tear_down(void) {
    if (rig)
        rig_free(rig);
}

TestSuite(custody, .init = set_up, .fini = tear_down);

/* Takes what a writer was sent of an object that has not ended. */
static void take(int inbox) {
    bool ended;
    uint32_t attempt;
    rig_take_object(rig->inboxes[inbox], 3000, &ended, &attempt); /* until nothing comes any more */
    cr_assert_not(ended);
}

/* The writer of this incarnation says that it leaves. */
static void leave(uint64_t incarnation) {
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = incarnation;
    writers_on_leaving(&rig->custody, &leaving);
}

Test(custody, sends_an_empty_last_chunk_when_the_data_set_ends_with_a_full_one) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 2 * CHUNK_BYTES);
    rig_expect_object(rig, 0, 2 * CHUNK_BYTES, 1);
}

Test(custody, sends_an_object_to_another_writer_when_its_own_is_replaced) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    rig_append(object, 300000);
    take(0);
    rig_writer_alive(rig, "writer-b", 2);
    writers_lost(&rig->custody, object->writer, "killed by the test");
    object_finish(object);
    rig_expect_object(rig, 1, 300000, 2);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0);
}

Test(custody, takes_no_more_writers_than_a_launcher_can_start) {
    char id[32];
    for (uint64_t i = 0; i < WRITERS_MAX + 100; i++) {
        snprintf(id, sizeof id, "writer-%d", (int)i);
        rig_writer_alive(rig, id, i + 1);
    }
    size_t count = 0;
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &rig->custody.writers, next)
    count++;
    cr_assert_eq(count, WRITERS_MAX);
    rig_writer_alive(rig, "writer-0", 1000);
    cr_assert_eq(rig_begin(rig)->writer->outstanding_objects, 1, "one that is replaced has its place");
    while (!TAILQ_EMPTY(&rig->custody.writers))
        writers_lost(&rig->custody, TAILQ_FIRST(&rig->custody.writers), "the test ends");
}

Test(custody, keeps_objects_for_a_writer_that_appears_later) {
    rig_send_object(rig, 1000);
    rig_writer_alive(rig, "writer-b", 2);
    rig_expect_object(rig, 1, 1000, 2);
}

/* An object of another association, with so many bytes by now. */
static object_t *begin_of_another(size_t size) {
    static uint64_t association = 100;
    share_t *share = share_new(&rig->custody, association++);
    object_t *object = rig_begin_of(rig, share);
    share_drop(share); /* the object holds it */
    rig_append(object, size);
    return object;
}

Test(custody, gives_an_associations_first_object_to_the_writer_with_the_least_outstanding) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    object_t *large = begin_of_another(100000), *small = begin_of_another(10), *third = begin_of_another(0);
    cr_assert_neq(large->writer, small->writer);
    cr_assert_eq(third->writer, small->writer);
}

Test(custody, spreads_associations_over_writers_that_have_nothing_to_do) {
    share_t *other = share_new(&rig->custody, 4);
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    object_t *first = rig_begin(rig);
    const writer_link_t *writer = first->writer;
    object_abandon(first);
    object_t *second = rig_begin_of(rig, other);
    cr_assert_neq(second->writer, writer);
    object_abandon(second);
    share_drop(other);
    cr_assert_eq(TAILQ_FIRST(&rig->custody.writers)->associations +
                     TAILQ_LAST(&rig->custody.writers, writer_list)->associations,
                 1, "one that has ended is counted no more");
}

Test(custody, gives_an_association_the_same_writer_while_that_has_room) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    object_t *object = rig_begin(rig);
    writer_link_t *writer = object->writer;
    rig_append(object, 100000);
    for (int i = 1; i < rig->stage.settings.writer_operations; i++) {
        object = rig_begin(rig);
        cr_assert_eq(object->writer, writer, "the other one has less outstanding");
    }
    object = rig_begin(rig);
    cr_assert_neq(object->writer, writer, "all its threads have an object");
    cr_assert_eq(rig_begin(rig)->writer, object->writer, "now that is the last one");
}

Test(custody, gives_an_association_another_writer_where_the_last_one_has_much_to_write) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    object_t *large = rig_begin(rig);
    rig_append(large, WRITER_WINDOW_BYTES / 2 - 1);
    cr_assert_eq(rig_begin(rig)->writer, large->writer);
    rig_append(large, 1);
    cr_assert_neq(rig_begin(rig)->writer, large->writer);
}

Test(custody, gives_an_association_another_writer_where_the_last_one_is_gone) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    object_t *object = rig_begin(rig);
    object_abandon(object);
    writers_lost(&rig->custody, rig->share->writer, "killed by the test");
    cr_assert_null(rig->share->writer);
    cr_assert_eq(rig_begin(rig)->writer, TAILQ_FIRST(&rig->custody.writers));
}

Test(custody, gives_a_leaving_writer_nothing_new_and_releases_it_when_it_is_done) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 10);
    rig_writer_alive(rig, "writer-b", 2);
    leave(1);
    cr_assert_str_eq(rig_begin(rig)->writer->id, "writer-b");
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CHUNK);
    cr_assert_null(rig_next(rig->inboxes[0], 100, NULL), "not before its object is acknowledged");
    rig_finish(rig, 1, STATUS_SUCCESS);
    Ring__Envelope *e = rig_next(rig->inboxes[0], PATIENCE_MS, NULL);
    cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_RELEASED);
    cr_assert_eq(e->released->incarnation, 1);
    ring__envelope__free_unpacked(e, NULL);
}

Test(custody, cancels_the_old_attempt_at_a_writer_that_lives_when_another_gets_the_next) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    object_t *object = rig_begin(rig);
    rig_append(object, CHUNK_BYTES);
    take(0);
    rig_writer_alive(rig, "writer-b", 2);
    leave(1);
    dispatch_redeliver(object, "the test wants it");
    cr_assert_str_eq(object->writer->id, "writer-b");
    Ring__Envelope *e = rig_next(rig->inboxes[0], PATIENCE_MS, NULL);
    cr_assert_not_null(e, "it keeps what it has for ever");
    cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_CANCEL);
    cr_assert_eq(e->cancel->object->object, 1);
    cr_assert_eq(e->cancel->attempt, 1);
    ring__envelope__free_unpacked(e, NULL);
}

/* --- repeated, reordered, late --- */

Test(custody, takes_each_message_twice) {
    for (int i = 0; i < 2; i++) {
        rig_writer_alive(rig, "writer-a", 1);
        rig_notifier_alive(rig, 10, JOURNAL);
    }
    object_t *object = rig_begin(rig);
    rig_append(object, CREDIT_BYTES);
    take(0);
    for (int i = 0; i < 2; i++)
        rig_credit(rig, object, CREDIT_BYTES);
    cr_assert_eq(object->taken, CREDIT_BYTES);
    object_finish(object);
    for (int i = 0; i < 2; i++)
        leave(1);
    for (int i = 0; i < 2; i++)
        rig_finish(rig, 1, STATUS_SUCCESS);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, STATUS_SUCCESS);
    cr_assert(custody_idle(&rig->custody));
    cr_assert_eq(rig->custody.budget->held_bytes, 0);
}

Test(custody, keeps_to_the_newest_attempt_whatever_credits_and_writers_of_earlier_ones_come_late) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    rig_append(object, CREDIT_BYTES);
    rig_writer_alive(rig, "writer-b", 2);
    writers_lost(&rig->custody, object->writer, "thought dead by the test");
    cr_assert_eq(object->attempt, 2);
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = rig->stage.incarnation;
    id.object = 1;
    Ring__Credit late = RING__CREDIT__INIT;
    late.object = &id;
    late.attempt = 1;
    late.taken = CREDIT_BYTES;
    custody_on_credit(&rig->custody, &late);
    cr_assert_eq(object->taken, 0, "what the dead one took must still be sent");
    late.attempt = 2;
    custody_on_credit(&rig->custody, &late);
    late.taken = 1000;
    custody_on_credit(&rig->custody, &late);
    cr_assert_eq(object->taken, CREDIT_BYTES, "an older credit of the same attempt takes nothing back");
    /* The writer given up for dead says that it leaves, then that it lives. */
    leave(1);
    rig_writer_alive(rig, "writer-a", 1);
    cr_assert_str_eq(object->writer->id, "writer-b");
    object_finish(object);
    rig_finish(rig, 1, STATUS_SUCCESS);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 1);
}

Test(custody, does_not_release_a_writer_that_it_takes_for_gone) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    rig_append(object, CHUNK_BYTES);
    take(0);
    custody_tick(&rig->custody, clock_ms() + WRITER_SILENCE_MS + 1);
    cr_assert_null(object->writer);
    for (Ring__Envelope *e; (e = rig_next(rig->inboxes[0], 200, NULL));) {
        cr_expect_neq(e->body_case, RING__ENVELOPE__BODY_RELEASED,
                      "it would drop what it is given when it is back");
        ring__envelope__free_unpacked(e, NULL);
    }
}

/* The newest attempt may be at the same file, and the notifier will hear of its event. */
Test(custody, takes_no_word_of_an_earlier_attempt_of_an_object_that_was_given_to_another_writer) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    object_t *object = rig_begin(rig);
    rig_append(object, 100);
    object_finish(object);
    writers_lost(&rig->custody, object->writer, "thought dead by the test");
    rig_written_attempt(rig, 1, 1, STATUS_SUCCESS); /* of what the dead one had stored before */
    cr_assert_eq(rig->answers, 0);
    rig_written_attempt(rig, 1, 1, STATUS_OUT_OF_RESOURCES);
    cr_assert_eq(rig->answers, 0);
    rig_written_attempt(rig, 1, 2, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, STATUS_SUCCESS);
    rig_written_attempt(rig, 1, 2, STATUS_OUT_OF_RESOURCES);
    cr_assert_eq(rig->answers, 1);
}

Test(custody, frees_a_large_object_as_it_is_credited_and_never_holds_more_than_its_window) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    size_t most = 0, sent = 0;
    while (sent < 4 * (size_t)RETAIN_MAX_BYTES) {
        while (custody_room(&rig->custody, rig->share, object) > 0) {
            rig_append(object, CHUNK_BYTES);
            sent += CHUNK_BYTES;
        }
        size_t bytes;
        Ring__Envelope *e = rig_next(rig->inboxes[0], PATIENCE_MS, &bytes);
        cr_assert_not_null(e);
        uint64_t taken = e->chunk->offset + bytes;
        if (e->chunk->credit_wanted)
            rig_credit(rig, object, taken);
        ring__envelope__free_unpacked(e, NULL);
        if (object->streaming && rig->custody.budget->held_bytes > most)
            most = rig->custody.budget->held_bytes;
    }
    cr_assert_lt(most, RETAIN_MAX_BYTES + 2 * OBJECT_WINDOW_BYTES);
    cr_assert_lt(rig->custody.budget->held_bytes, 2 * OBJECT_WINDOW_BYTES);
    cr_assert_not(object->whole);
}

static bool nothing_held(void *argument) {
    return ((const rig_t *)argument)->custody.budget->held_bytes == 0;
}

Test(custody, answers_a700_for_a_large_object_whose_writer_is_gone) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    rig_append(object, CHUNK_BYTES);
    dispatch_stream(object);
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CHUNK);
    rig_credit(rig, object, CHUNK_BYTES);
    rig_writer_alive(rig, "writer-a", 2);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0, "the peer is still sending");
    rig_append(object, CHUNK_BYTES);
    cr_assert_eq(custody_room(&rig->custody, rig->share, object), RECEIVE_BYTES,
                 "the rest is taken and thrown away");
    cr_assert(await(nothing_held, rig, PATIENCE_MS), "ZeroMQ gives up what it was to send to the writer");
    object_finish(object);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, STATUS_OUT_OF_RESOURCES);
}

static bool held_by_the_test_alone(void *budget) {
    return ((budget_t *)budget)->holders == 1;
}

Test(custody, may_end_while_zeromq_still_holds_chunks_for_a_writer_that_is_not_there) {
    rig_writer_alive(rig, "writer-absent", 3);
    rig_send_object(rig, 1000);
    budget_t *budget = rig->custody.budget;
    budget->holders++;
    cr_assert_eq(budget->holders, 3, "the custody, the chunk and the test");
    rig_free(rig);
    rig = NULL;
    cr_assert(await(held_by_the_test_alone, budget, PATIENCE_MS));
    cr_assert_eq(budget->held_bytes, 0);
    budget_drop(budget);
}

Test(custody, stops_taking_bytes_when_the_buffer_is_used_up_and_goes_on_when_there_is_room) {
    rig->stage.settings.buffer_size_bytes = 4 << 20;
    for (int i = 0; i < 8; i++) {
        object_t *object = rig_begin(rig);
        for (int j = 0; j < 8 && custody_room(&rig->custody, rig->share, object) >= CHUNK_BYTES; j++)
            rig_append(object, CHUNK_BYTES);
    }
    cr_assert_leq(rig->custody.budget->held_bytes, 4 << 20);
    cr_assert_eq(custody_room(&rig->custody, rig->share, NULL), 0);
    object_t *first = TAILQ_FIRST(&rig->custody.objects);
    object_abandon(first);
    cr_assert_gt(custody_room(&rig->custody, rig->share, NULL), 0);
}

Test(custody, answers_a700_when_nothing_stores_the_object_in_time) {
    int64_t before = clock_ms(); /* its time begins then, or later */
    rig_send_object(rig, 100);
    custody_tick(&rig->custody, before + 59000);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0);
    custody_tick(&rig->custody, clock_ms() + 61000);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, STATUS_OUT_OF_RESOURCES);
}

static void say_kept_by_storage(void) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = RING__STAGE__STAGE_WRITER;
    alive.id = (char *)"writer-a";
    alive.incarnation = 1;
    alive.storage_silent_ms = 300;
    custody_on_alive(&rig->custody, &alive);
}

/* The comment of the answer to an object that waits too long; writer-a has taken it, or there is none. A known
 * writer is silent for `silent_ms` before. */
static const char *comment_of_waiting(bool has_writer, int64_t silent_ms, bool kept_by_storage) {
    if (has_writer)
        rig_writer_alive(rig, "writer-a", 1);
    if (kept_by_storage)
        say_kept_by_storage();
    object_t *object = rig_begin(rig);
    rig_append(object, 1000);
    object_finish(object);
    int64_t late = object->progress_ms + 61000;
    writer_link_t *writer = TAILQ_FIRST(&rig->custody.writers);
    if (writer)
        writer->alive_ms = late - silent_ms;
    if (silent_ms >= WRITER_SILENCE_MS)
        custody_tick(&rig->custody, late - 2000); /* it is given up */
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0);
    custody_tick(&rig->custody, late);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, 0xA700);
    return rig->comment;
}

Test(custody, names_storage_where_it_keeps_a_writer_until_an_object_has_waited_too_long) {
    cr_expect_str_eq(comment_of_waiting(true, WRITER_HELD_UP_MS, true), "storage did not answer in time");
}

Test(custody, names_storage_where_the_writer_was_given_up_for_its_silence) {
    cr_expect_str_eq(comment_of_waiting(true, WRITER_SILENCE_MS + 2000, true), "storage did not answer in time");
    cr_expect(TAILQ_EMPTY(&rig->custody.writers));
}

Test(custody, names_the_writer_where_it_is_silent_and_has_not_said_why) {
    cr_expect_str_eq(comment_of_waiting(true, WRITER_HELD_UP_MS, false),
                     "a writer or its storage did not answer in time");
}

Test(custody, names_the_writer_where_it_was_given_up_and_had_not_said_why) {
    cr_expect_str_eq(comment_of_waiting(true, WRITER_SILENCE_MS + 2000, false),
                     "a writer or its storage did not answer in time");
    cr_expect(TAILQ_EMPTY(&rig->custody.writers));
}

Test(custody, takes_no_word_of_a_writer_that_storage_keeps_for_a_sign_of_life) {
    say_kept_by_storage();
    cr_expect(TAILQ_EMPTY(&rig->custody.writers));
    rig_writer_alive(rig, "writer-a", 1);
    TAILQ_FIRST(&rig->custody.writers)->alive_ms = 0;
    say_kept_by_storage();
    cr_expect_eq(TAILQ_FIRST(&rig->custody.writers)->alive_ms, 0);
    rig_writer_alive(rig, "writer-a", 1);
    cr_expect_gt(TAILQ_FIRST(&rig->custody.writers)->alive_ms, 0);
    cr_expect_not(TAILQ_FIRST(&rig->custody.writers)->kept_by_storage);
}

Test(custody, names_storage_where_the_writer_lives) {
    cr_expect_str_eq(comment_of_waiting(true, 0, false), "storage did not answer in time");
}

Test(custody, names_the_journal_where_the_object_is_written) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 100);
    rig_written(rig, 1, STATUS_SUCCESS);
    int64_t late = clock_ms() + 61000;
    TAILQ_FIRST(&rig->custody.writers)->alive_ms = late;
    custody_tick(&rig->custody, late);
    rig_take_answers(rig);
    cr_expect_eq(rig->last.status, STATUS_OUT_OF_RESOURCES);
    cr_expect_str_eq(rig->comment, "the journal did not answer in time");
}

/* A notifier whose journal is full poses as a new one again and again. */
Test(custody, gives_up_in_time_an_object_that_is_written_again_for_each_notifier_but_never_opened) {
    rig_notifier_alive(rig, 1, JOURNAL);
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 100);
    rig_written(rig, 1, STATUS_SUCCESS);
    object_t *object = TAILQ_FIRST(&rig->custody.objects);
    int64_t since = object->progress_ms -= 30000;
    for (uint64_t notifier = 2; notifier < 5; notifier++) {
        rig_notifier_alive(rig, notifier, JOURNAL);
        cr_assert_eq(object->attempt, notifier);
        rig_written(rig, 1, STATUS_SUCCESS);
    }
    TAILQ_FIRST(&rig->custody.writers)->alive_ms = since + 60000;
    custody_tick(&rig->custody, since + 60000);
    rig_take_answers(rig);
    cr_expect_eq(rig->last.status, STATUS_OUT_OF_RESOURCES);
    cr_expect_str_eq(rig->comment, "the journal did not answer in time");
}

Test(custody, counts_as_progress_only_what_no_attempt_before_has_reached) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    rig_append(object, 3 * CREDIT_BYTES);
    rig_credit(rig, object, 2 * CREDIT_BYTES);
    int64_t since = object->progress_ms -= 30000;
    rig_writer_alive(rig, "writer-a", 2);
    cr_assert_gt(object->attempt, 1);
    rig_credit(rig, object, CREDIT_BYTES);
    cr_expect_eq(object->progress_ms, since);
    rig_credit(rig, object, 2 * CREDIT_BYTES + 1);
    cr_expect_gt(object->progress_ms, since);
}

Test(custody, says_that_no_writer_was_there_where_none_was) {
    cr_expect_str_eq(comment_of_waiting(false, 0, false), "no writer was there in time");
}

/* An answer may end an association, and with it any other of its objects: none may come while some are looked
 * through. */
Test(custody, keeps_answers_until_they_are_asked_for) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *answered = rig_begin(rig), *behind = rig_begin(rig);
    rig_append(answered, CHUNK_BYTES);
    dispatch_stream(answered);
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CHUNK);
    rig_credit(rig, answered, CHUNK_BYTES);
    object_finish(answered);
    rig_append(behind, 100);
    rig_writer_alive(rig, "writer-a", 2);
    cr_assert_not(custody_idle(&rig->custody));
    cr_assert_eq(custody_take_answered(&rig->custody), answered);
    cr_assert_eq(answered->response.status, STATUS_OUT_OF_RESOURCES);
    object_abandon(behind);
    object_forget(answered);
    cr_assert_null(custody_take_answered(&rig->custody));
    cr_assert(custody_idle(&rig->custody));
}

Test(custody, takes_a_silent_writer_for_gone) {
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    cr_assert_not_null(object->writer);
    custody_tick(&rig->custody, clock_ms() + WRITER_SILENCE_MS + 1);
    cr_assert_null(object->writer);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0);
}

Test(custody, ignores_writers_with_names_that_are_no_inboxes) {
    rig_writer_alive(rig, "writer-../../x", 1);
    rig_writer_alive(rig, "listener", 1);
    rig_writer_alive(rig, "", 1);
    cr_assert(TAILQ_EMPTY(&rig->custody.writers));
}
