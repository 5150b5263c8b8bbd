/* Chunks in, files and events out, while storage takes its time with several objects. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/support/patience.h"
#include "tests/writer/objects_rig.h"
#include "tests/writer/storage/storage.h"

static void init(void) {
    rig_init();
    rig.environment.pool = pool_new(2);
    pool_note(rig.environment.pool, POOL_WRITE, 1000000000);
    pool_note(rig.environment.pool, POOL_COMMIT, 1000000000);
}

static void fini(void) {
    gate_set(false);
    objects_destroy(&rig.objects);
    cr_expect(deposits_await(rig.environment.pool, PATIENCE_MS));
    pool_destroy(&rig.environment.pool);
    rig_fini();
}
TestSuite(overlap, .init = init, .fini = fini, .timeout = PATIENCE_S);

/* The loop's part, until the pool has nothing more. */
static void let_storage_finish(void) {
    pool_t *pool = rig.environment.pool;
    for (int64_t end_ms = clock_ms() + PATIENCE_MS; pool_outstanding(pool) > 0;) {
        struct pollfd done = {.fd = pool_descriptor(pool), .events = POLLIN};
        cr_assert_eq(poll(&done, 1, PATIENCE_MS), 1);
        cr_assert_lt(clock_ms(), end_ms);
        objects_on_done(rig.objects);
    }
}

static void shut_before(bool commits) {
    gate_set(true);
    if (commits)
        store_calls.fsync = gated_fsync;
    else
        store_calls.writev = gated_writev;
}

static void cancel(uint64_t object, uint32_t attempt) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = LISTENER;
    id.association = 1;
    id.object = object;
    Ring__Cancel message = RING__CANCEL__INIT;
    message.object = &id;
    message.attempt = attempt;
    objects_on_cancel(rig.objects, &message);
}

static void expect_no_trace(void) {
    gate_set(false);
    let_storage_finish();
    expect_silence(rig.notifier);
    cr_expect_eq(files_below(rig.root), 0);
    cr_expect_eq(objects_open(rig.objects), 0);
}

Test(overlap, of_two_objects_says_that_each_is_stored_when_it_is) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(true);
    send_whole((sent_t){.object = 1}, set);
    send_whole((sent_t){.object = 2}, set);
    gate_await(2);
    cr_expect_eq(objects_open(rig.objects), 2);
    expect_silence(rig.notifier);
    gate_set(false);
    let_storage_finish();
    size_t size = expect_file(set);
    for (int i = 0; i < 2; i++) {
        Ring__Envelope *event = received(rig.notifier);
        cr_expect_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
        cr_assert_eq(event->stored->n_objects, 1);
        cr_expect_eq(event->stored->objects[0]->bytes, size);
        ring__envelope__free_unpacked(event, NULL);
        report_flush(rig.environment.report);
    }
    cr_expect_eq(objects_open(rig.objects), 0);
    free(set);
}

Test(overlap, gives_credit_for_what_is_written_alone) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(false);
    send_chunk((sent_t){.credit_wanted = true}, set, 0, 390, false);
    gate_await(1);
    send_chunk((sent_t){.credit_wanted = true}, set, 390, 2, false);
    expect_silence(rig.listener);
    gate_set(false);
    let_storage_finish();
    for (uint64_t taken = 390; taken <= 392; taken += 2) {
        Ring__Envelope *message = received(rig.listener);
        cr_assert_eq(message->body_case, RING__ENVELOPE__BODY_CREDIT);
        cr_expect_eq(message->credit->taken, taken);
        cr_expect_eq(message->credit->object->object, 1);
        ring__envelope__free_unpacked(message, NULL);
    }
    send_chunk((sent_t){.credit_wanted = true}, set, 392, set->size - 392, true);
    let_storage_finish();
    expect_stored(1, 1, expect_file(set));
    expect_silence(rig.listener);
    free(set);
}

Test(overlap, gives_no_credit_for_what_is_written_together_with_the_end_since_that_is_told) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(false);
    send_chunk((sent_t){0}, set, 0, 390, false);
    gate_await(1);
    send_chunk((sent_t){.credit_wanted = true}, set, 390, 2, false);
    send_chunk((sent_t){.credit_wanted = true}, set, 392, set->size - 392, true);
    gate_set(false);
    let_storage_finish();
    expect_stored(1, 1, expect_file(set));
    expect_silence(rig.listener);
    free(set);
}

Test(overlap, ends_without_a_trace_of_an_object_that_is_canceled_while_storage_completes_it) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(true);
    send_whole((sent_t){0}, set);
    gate_await(1);
    cancel(1, 1);
    cr_expect_eq(objects_open(rig.objects), 0);
    expect_no_trace();
    free(set);
}

Test(overlap, ends_without_a_trace_of_what_another_listener_or_life_of_the_writer_takes_over) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(true);
    send_whole((sent_t){.object = 1}, set);
    send_whole((sent_t){.object = 2}, set);
    gate_await(2);
    objects_renew(rig.objects, 5);
    expect_no_trace();
    free(set);
}

Test(overlap, of_an_attempt_and_a_newer_one_tells_of_the_newer_alone) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(true);
    send_whole((sent_t){.attempt = 1}, set);
    gate_await(1);
    send_whole((sent_t){.attempt = 2}, set);
    gate_await(2);
    /* A repeated chunk continues nothing. */
    send_whole((sent_t){.attempt = 2}, set);
    send_chunk((sent_t){.attempt = 2}, set, set->size, 0, true);
    gate_set(false);
    let_storage_finish();
    expect_stored(1, 2, expect_file(set));
    expect_silence(rig.notifier);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(overlap, goes_on_with_what_is_whole_when_nobody_sends_more) {
    data_set_t *set = typical(EXPLICIT_VR);
    shut_before(true);
    send_whole((sent_t){.object = 1}, set);
    send_chunk((sent_t){.object = 2}, set, 0, 390, false);
    send_chunk((sent_t){.object = 3}, set, 0, 10, false);
    gate_await(1);
    objects_drop_unfinished(rig.objects);
    cr_expect_eq(objects_open(rig.objects), 1);
    gate_set(false);
    let_storage_finish();
    expect_stored(1, 1, expect_file(set));
    expect_silence(rig.notifier);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

static int failing_fsync(int descriptor) {
    (void)gated_fsync(descriptor);
    errno = EIO;
    return -1;
}

Test(overlap, refuses_what_storage_fails_to_complete_with_out_of_resources) {
    data_set_t *set = typical(EXPLICIT_VR);
    gate_set(true);
    store_calls.fsync = failing_fsync;
    send_whole((sent_t){0}, set);
    gate_await(1);
    gate_set(false);
    let_storage_finish();
    expect_refused(0xA700, 0, SERIES_UID);
    cr_expect_eq(objects_open(rig.objects), 0);
    cr_expect_eq(files_below(rig.root), 0);
    free(set);
}

/* --- heads that are longer than memory holds --- */

Test(overlap, writes_a_long_head_before_it_knows_its_place) {
    data_set_t *set = typical_but_long(0, NULL);
    size_t first = set->size - 1000;
    shut_before(false);
    send_chunk((sent_t){.credit_wanted = true}, set, 0, first, false);
    gate_await(1);
    expect_silence(rig.listener);
    send_chunk((sent_t){0}, set, first, 900, false);
    send_chunk((sent_t){0}, set, first + 900, 100, true);
    expect_silence(rig.notifier);
    gate_set(false);
    let_storage_finish();
    Ring__Envelope *message = received(rig.listener);
    cr_expect_eq(message->body_case, RING__ENVELOPE__BODY_CREDIT);
    ring__envelope__free_unpacked(message, NULL);
    expect_stored(1, 1, expect_file(set));
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(overlap, of_a_long_head_that_is_canceled_leaves_nothing) {
    data_set_t *set = typical_but_long(0, NULL);
    shut_before(false);
    send_chunk((sent_t){0}, set, 0, set->size - 1000, false);
    gate_await(1);
    cancel(1, 1);
    expect_no_trace();
    free(set);
}

Test(overlap, of_a_long_head_that_is_refused_waits_for_storage_to_keep_it) {
    quarantine_t quarantine = {.store = rig.environment.store, .size_bytes = 1 << 20};
    data_set_t *set = typical_but_long(0x00100020, NULL);
    size_t first = set->size - 1000;
    rig.environment.quarantine = &quarantine;
    shut_before(false);
    send_chunk((sent_t){0}, set, 0, first, false);
    gate_await(1);
    send_chunk((sent_t){0}, set, first, 1000, true);
    expect_silence(rig.notifier);
    gate_set(false);
    let_storage_finish();
    expect_refused(0xC000, 0x00100020, SERIES_UID);
    cr_expect_eq(files_below(rig.root), 2, "the data set and why");
    cr_expect_eq(objects_open(rig.objects), 0);
    free(set);
}

Test(overlap, of_objects_with_ambiguous_names_waits_for_none_but_one_of_the_same_name) {
    data_set_t *one = typical_but(EXPLICIT_VR, 0x00080018, "1.2.3*1"),
               *alike = typical_but(EXPLICIT_VR, 0x00080018, "1.2.3_1"),
               *other = typical_but(EXPLICIT_VR, 0x00080018, "1.2.4_1");
    shut_before(true);
    send_whole((sent_t){.object = 1, .sop_instance = (char *)"1.2.3*1"}, one);
    send_whole((sent_t){.object = 2, .sop_instance = (char *)"1.2.4_1"}, other);
    gate_await(2);
    gate_set(false);
    let_storage_finish();
    send_whole((sent_t){.object = 3, .sop_instance = (char *)"1.2.3_1"}, alike);
    let_storage_finish();
    cr_expect_eq(files_below(rig.root), 3);
    free(one);
    free(alike);
    free(other);
}
