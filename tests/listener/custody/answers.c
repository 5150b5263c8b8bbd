/* When an object is answered: its file is durable, and its series open for its association. */
#include <criterion/criterion.h>

#include "common/clock.h"
#include "listener/custody/private.h"
#include "tests/listener/custody/custody_rig.h"
#include "tests/support/process.h"

static rig_t *rig;

static void set_up(void) {
    rig = rig_new();
}

static void tear_down(void) {
    rig_free(rig);
}

TestSuite(answers, .init = set_up, .fini = tear_down);

Test(answers, answers_an_object_only_when_it_is_written_and_its_series_is_open) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 20000);
    rig_expect_object(rig, 0, 20000, 1);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 0, "a file of a series that may never be registered");
    rig_opened(rig, JOURNAL, 3, TOKEN + 1);
    cr_assert_eq(rig->answers, 0, "another series is open");
    rig_opened(rig, JOURNAL, 4, TOKEN);
    cr_assert_eq(rig->answers, 0, "it is open for another association");
    rig_opened(rig, JOURNAL, 3, TOKEN);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, STATUS_SUCCESS);
    cr_assert(custody_idle(&rig->custody));
    rig_written_attempt(rig, 1, 1, STATUS_SUCCESS);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    cr_assert_eq(rig->answers, 1, "a second word is nothing new");
}

Test(answers, answers_the_next_objects_of_a_series_that_is_open_as_soon_as_they_are_written) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    for (uint64_t i = 1; i <= 3; i++) {
        rig_send_object(rig, 100);
        rig_take_answers(rig);
        cr_assert_eq(rig->answers, (int)i - 1, "its file is not durable");
        rig_written(rig, i, STATUS_SUCCESS);
        cr_assert_eq(rig->answers, (int)i);
    }
}

Test(answers, answers_a_refused_object_at_once) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 100);
    rig_written(rig, 1, STATUS_CANNOT_UNDERSTAND);
    cr_assert_eq(rig->answers, 1);
    cr_assert_eq(rig->last.status, STATUS_CANNOT_UNDERSTAND);
}

Test(answers, takes_nothing_for_open_that_another_journal_holds) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_opened(rig, JOURNAL + 2, 3, TOKEN);
    rig_send_object(rig, 100);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 0, "what was said by a notifier of the time before");
    rig_opened(rig, JOURNAL, 3, TOKEN);
    cr_assert_eq(rig->answers, 1);
    rig_notifier_alive(rig, 11, JOURNAL + 1);
    rig_send_object(rig, 100);
    rig_written(rig, 2, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 1, "its journal is gone");
    rig_opened(rig, JOURNAL + 1, 3, TOKEN);
    cr_assert_eq(rig->answers, 2);
}

/* Its first Alive comes a moment later than its other messages. */
Test(answers, takes_a_series_for_open_in_a_journal_of_which_it_hears_later) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_opened(rig, JOURNAL + 1, 3, TOKEN);
    rig_opened(rig, JOURNAL, 3, TOKEN); /* of the old one, late */
    rig_notifier_alive(rig, 11, JOURNAL + 1);
    rig_send_object(rig, 100);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 1);
}

Test(answers, hears_nothing_of_a_notifier_that_is_gone) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_notifier_alive(rig, 11, JOURNAL + 1);
    rig_notifier_alive(rig, 10, JOURNAL); /* it was on its way */
    rig_opened(rig, JOURNAL, 3, TOKEN);
    rig_send_object(rig, 100);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 0, "that is in a journal that is lost");
    rig_opened(rig, JOURNAL + 1, 3, TOKEN);
    cr_assert_eq(rig->answers, 1);
}

Test(answers, keeps_what_is_open_when_the_notifier_was_replaced_and_its_journal_was_not) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    rig_send_object(rig, 500);
    rig_expect_object(rig, 0, 500, 1);
    rig_notifier_alive(rig, 11, JOURNAL);
    cr_assert_null(rig_next(rig->inboxes[0], 100, NULL), "nothing has to be sent again");
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 1);
}

Test(answers, sends_what_waits_for_its_series_again_when_the_notifier_was_replaced) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_send_object(rig, 500);
    rig_expect_object(rig, 0, 500, 1);
    rig_written(rig, 1, STATUS_SUCCESS);
    rig_notifier_alive(rig, 10, JOURNAL);
    cr_assert_null(rig_next(rig->inboxes[0], 100, NULL));
    rig_notifier_alive(rig, 11, JOURNAL);
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CANCEL);
    rig_expect_object(rig, 0, 500, 2);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    cr_assert_eq(rig->answers, 0, "the second attempt is not written yet");
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 1);
}

Test(answers, sends_what_waits_for_its_series_again_when_it_hears_of_the_first_notifier) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 500);
    rig_expect_object(rig, 0, 500, 1);
    rig_written(rig, 1, STATUS_SUCCESS);
    rig_notifier_alive(rig, 11, JOURNAL);
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CANCEL);
    rig_expect_object(rig, 0, 500, 2);
}

/* Its writer's earlier event to the notifier may have died with that. */
Test(answers, sends_an_object_again_that_is_written_after_the_notifier_was_replaced_unless_its_series_is_open) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_send_object(rig, 500);
    rig_expect_object(rig, 0, 500, 1);
    rig_notifier_alive(rig, 11, JOURNAL);
    cr_assert_null(rig_next(rig->inboxes[0], 100, NULL));
    rig_written(rig, 1, STATUS_SUCCESS);
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CANCEL);
    rig_expect_object(rig, 0, 500, 2);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_null(rig_next(rig->inboxes[0], 100, NULL), "once");
    rig_opened(rig, JOURNAL, 3, TOKEN);
    cr_assert_eq(rig->answers, 1);
}

Test(answers, sends_what_is_written_and_waits_for_its_series_again_when_its_writer_is_gone) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_send_object(rig, 500);
    rig_written(rig, 1, STATUS_SUCCESS);
    rig_writer_alive(rig, "writer-b", 2);
    writers_lost(&rig->custody, TAILQ_FIRST(&rig->custody.writers), "killed by the test");
    rig_expect_object(rig, 1, 500, 2);
    cr_assert_eq(rig->answers, 0);
}

/* Beyond SERIES_KNOWN_MAX an association's series are forgotten, and the notifier does not say by itself that they
 * are open. */
Test(answers, sends_an_object_again_whose_series_it_has_forgotten) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_notifier_alive(rig, 10, JOURNAL);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    for (uint64_t i = 1; i <= SERIES_KNOWN_MAX; i++)
        rig_opened(rig, JOURNAL, 3, TOKEN + i);
    rig_send_object(rig, 500);
    rig_expect_object(rig, 0, 500, 1);
    rig_written(rig, 1, STATUS_SUCCESS);
    rig_expect_body(rig, 0, RING__ENVELOPE__BODY_CANCEL);
    rig_expect_object(rig, 0, 500, 2);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 0);
    rig_opened(rig, JOURNAL, 3, TOKEN);
    cr_assert_eq(rig->answers, 1);
}

/* --- ends of associations --- */

static void acknowledge_end(uint64_t association) {
    uint64_t ends[] = {association};
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.listener = 7;
    message.associations = ends;
    message.n_associations = 1;
    custody_on_acknowledged(&rig->custody, &message);
}

Test(answers, repeats_the_end_of_an_association_until_it_is_acknowledged) {
    custody_association_ended(&rig->custody, rig->share, RING__ENDING__ENDING_RELEASED);
    int64_t now = clock_ms();
    custody_tick(&rig->custody, now + END_REPEAT_MS + 1);
    for (int i = 0; i < 2; i++) {
        Ring__Envelope *e = rig_next(rig->notifier, PATIENCE_MS, NULL);
        cr_assert_not_null(e);
        cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_ASSOCIATION_ENDED);
        cr_assert_eq(e->association_ended->association, 3);
        ring__envelope__free_unpacked(e, NULL);
    }
    acknowledge_end(3);
    cr_assert(custody_idle(&rig->custody));
}

Test(answers, says_at_the_end_of_an_association_how_many_objects_were_stored_of_each_series_and_refused) {
    rig_writer_alive(rig, "writer-a", 1);
    for (uint64_t i = 1; i <= 5; i++) {
        rig_send_object(rig, 10);
        rig_finish(rig, i, i == 3 ? STATUS_CANNOT_UNDERSTAND : STATUS_SUCCESS);
    }
    rig_opened(rig, JOURNAL, 3, TOKEN + 1);
    custody_association_ended(&rig->custody, rig->share, RING__ENDING__ENDING_CONNECTION_LOST);
    Ring__Envelope *e = rig_next(rig->notifier, PATIENCE_MS, NULL);
    cr_assert_not_null(e);
    cr_assert_eq(e->body_case, RING__ENVELOPE__BODY_ASSOCIATION_ENDED);
    const Ring__AssociationEnded *ended = e->association_ended;
    cr_assert_eq(ended->n_answered, 2);
    for (size_t i = 0; i < 2; i++)
        cr_expect_eq(ended->answered[i]->objects, ended->answered[i]->token == TOKEN ? 4 : 0);
    cr_expect_eq(ended->refused, 1);
    cr_expect_eq(ended->ending, RING__ENDING__ENDING_CONNECTION_LOST);
    ring__envelope__free_unpacked(e, NULL);
    acknowledge_end(3);
}

Test(answers, ignores_what_is_meant_for_an_earlier_listener) {
    rig_writer_alive(rig, "writer-a", 1);
    rig_send_object(rig, 10);
    custody_association_ended(&rig->custody, rig->share, RING__ENDING__ENDING_RELEASED);
    rig->stage.incarnation = 8;
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = 7;
    id.object = 1;
    Ring__Written written = RING__WRITTEN__INIT;
    written.object = &id;
    written.attempt = 1;
    written.token = TOKEN;
    custody_on_written(&rig->custody, &written);
    Ring__Opening opening = RING__OPENING__INIT, *openings[] = {&opening};
    opening.association = 3;
    opening.token = TOKEN;
    Ring__Opened opened = RING__OPENED__INIT;
    opened.listener = 7;
    opened.journal = JOURNAL;
    opened.openings = openings;
    opened.n_openings = 1;
    custody_on_opened(&rig->custody, &opened);
    acknowledge_end(3);
    cr_expect_eq(rig->custody.ended_count, 1);
    rig_take_answers(rig);
    cr_assert_eq(rig->answers, 0);
    rig_written(rig, 1, STATUS_SUCCESS);
    cr_assert_eq(rig->answers, 0, "it is not open");
}
