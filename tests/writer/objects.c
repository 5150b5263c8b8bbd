/* Chunks in, files and events out, over real sockets. */
#include "writer/objects.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/support/process.h"
#include "tests/writer/objects_rig.h"

TestSuite(objects, .init = rig_init, .fini = rig_fini);

/* --- objects that are stored --- */

Test(objects, of_one_chunk_become_a_file_and_an_event) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_whole((sent_t){0}, set);
    expect_stored(1, 1, expect_file(set));
    cr_expect_eq(objects_open(rig.objects), 0);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, are_the_same_file_however_they_are_cut_into_chunks) {
    data_set_t *set = typical(EXPLICIT_VR);
    static const size_t steps[] = {1, 2, 7, 100, 395};
    for (uint64_t i = 0; i < 5; i++) {
        send_by((sent_t){.object = i + 1}, set, steps[i]);
        expect_stored(i + 1, 1, expect_file(set));
    }
    free(set);
}

Test(objects, may_end_with_an_empty_chunk) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){0}, set, 0, set->size, false);
    cr_expect_eq(objects_open(rig.objects), 1);
    send_chunk((sent_t){0}, set, set->size, 0, true);
    expect_stored(1, 1, expect_file(set));
    free(set);
}

Test(objects, cut_off_after_their_head_are_stored_as_they_came) {
    data_set_t *set = typical(EXPLICIT_VR);
    set->size -= 4;
    send_whole((sent_t){0}, set);
    expect_stored(1, 1, expect_file(set));
    free(set);
}

Test(objects, in_progress_at_the_same_time_do_not_mix) {
    data_set_t *a = typical(EXPLICIT_VR), *b = typical_but(EXPLICIT_VR, 0x00200013, "2");
    send_chunk((sent_t){.object = 1}, a, 0, 390, false);
    send_chunk((sent_t){.object = 2}, b, 0, 100, false);
    cr_expect_eq(objects_open(rig.objects), 2);
    send_chunk((sent_t){.object = 1}, a, 390, a->size - 390, true);
    expect_stored(1, 1, expect_file(a));
    send_chunk((sent_t){.object = 2}, b, 100, b->size - 100, true);
    expect_written(2, 1, 0);
    report_flush(rig.environment.report);
    Ring__Envelope *event = received(rig.notifier);
    cr_expect_str_eq(event->stored->objects[0]->file, "0002-1.2.826.0.1.3680043.9.9999.4.1.dcm");
    ring__envelope__free_unpacked(event, NULL);
    free(a);
    free(b);
}

Test(objects, give_credit_where_it_is_wanted_and_not_after_the_last_chunk) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){.credit_wanted = true}, set, 0, 100, false);
    send_chunk((sent_t){0}, set, 100, 250, false);
    send_chunk((sent_t){.credit_wanted = true}, set, 350, 20, false);
    send_chunk((sent_t){.credit_wanted = true}, set, 370, set->size - 370, true);
    static const uint64_t taken[] = {100, 370};
    for (int i = 0; i < 2; i++) {
        Ring__Envelope *message = received(rig.listener);
        cr_assert_eq(message->body_case, RING__ENVELOPE__BODY_CREDIT);
        cr_expect_eq(message->credit->taken, taken[i]);
        cr_expect_eq(message->credit->attempt, 1);
        cr_expect_eq(message->credit->object->object, 1);
        ring__envelope__free_unpacked(message, NULL);
    }
    expect_written(1, 1, 0);
    expect_silence(rig.listener);
    free(set);
}

/* --- messages about them --- */

static size_t objects_in_next_event(void) {
    Ring__Envelope *event = received(rig.notifier);
    cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
    size_t count = event->stored->n_objects;
    ring__envelope__free_unpacked(event, NULL);
    return count;
}

Test(objects, are_told_to_the_notifier_at_once_where_their_series_is_new_and_gathered_then) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_whole((sent_t){.object = 1}, set);
    cr_expect_eq(objects_in_next_event(), 1);
    for (uint64_t i = 2; i <= 1 + REPORT_GATHER_OBJECTS; i++)
        send_whole((sent_t){.object = i}, set);
    cr_expect_eq(objects_in_next_event(), REPORT_GATHER_OBJECTS);
    for (uint64_t i = 1; i <= 1 + REPORT_GATHER_OBJECTS; i++)
        expect_written(i, 1, 0); /* each at once */
    send_whole((sent_t){.object = 100}, set);
    send_whole((sent_t){.object = 101, .attempt = 2}, set);
    cr_expect_eq(objects_in_next_event(), 2, "one that was sent again may be waiting for its series");
    free(set);
}

static int on_event(zloop_t *loop, zsock_t *socket, void *unused) {
    (void)loop;
    (void)socket;
    (void)unused;
    return -1;
}

Test(objects, are_gathered_for_a_moment_only) {
    data_set_t *set = typical(EXPLICIT_VR);
    zloop_t *loop = zloop_new();
    report_destroy(&rig.environment.report);
    rig.environment.report = report_new(loop, rig.to_listener, rig.to_notifier, "writer-0");
    send_whole((sent_t){.object = 1}, set);
    cr_expect_eq(objects_in_next_event(), 1);
    send_whole((sent_t){.object = 2}, set);
    send_whole((sent_t){.object = 3}, set);
    cr_assert_eq(zloop_reader(loop, rig.notifier, on_event, NULL), 0);
    cr_assert_eq(zloop_start(loop), -1);
    cr_expect_eq(objects_in_next_event(), 2);
    report_destroy(&rig.environment.report);
    zloop_destroy(&loop);
    rig.environment.report = report_new(NULL, rig.to_listener, rig.to_notifier, "writer-0");
    free(set);
}

static void expect_row(uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last; i++)
        expect_written(i, 1, 0);
    expect_silence_for_now(rig.listener);
}

Test(objects, are_told_to_the_listener_in_rows_of_half_as_many_as_the_turn_before_had) {
    data_set_t *set = typical(EXPLICIT_VR);
    zloop_t *loop = zloop_new();
    report_destroy(&rig.environment.report);
    rig.environment.report = report_new(loop, rig.to_listener, rig.to_notifier, "writer-0");
    for (uint64_t i = 1; i <= 4; i++) {
        send_whole((sent_t){.object = i}, set);
        expect_row(i, i);
    }
    report_end_turn(rig.environment.report);
    report_end_turn(rig.environment.report); /* a turn without an object */
    for (uint64_t i = 5; i <= 7; i += 2) {
        send_whole((sent_t){.object = i}, set);
        send_whole((sent_t){.object = i + 1}, set);
        expect_row(i, i + 1);
    }
    send_whole((sent_t){.object = 9}, set);
    expect_silence_for_now(rig.listener);
    report_end_turn(rig.environment.report);
    expect_row(9, 9);
    send_whole((sent_t){.object = 10}, set);
    expect_silence_for_now(rig.listener); /* for longer than REPORT_ROW_US */
    send_whole((sent_t){.object = 11}, set);
    expect_row(10, 11);
    send_whole((sent_t){.object = 12}, set);
    report_destroy(&rig.environment.report);
    expect_row(12, 12);
    zloop_destroy(&loop);
    rig.environment.report = report_new(NULL, rig.to_listener, rig.to_notifier, "writer-0");
    free(set);
}

Test(objects, of_another_series_or_association_are_told_at_once) {
    data_set_t *set = typical(EXPLICIT_VR), *other = typical_but(EXPLICIT_VR, 0x0020000E, "1.2.3.9");
    send_whole((sent_t){.object = 1}, set);
    cr_expect_eq(objects_in_next_event(), 1);
    send_whole((sent_t){.object = 2}, other);
    cr_expect_eq(objects_in_next_event(), 1);
    send_whole((sent_t){.object = 3, .association = 2}, set);
    cr_expect_eq(objects_in_next_event(), 1);
    send_whole((sent_t){.object = 4}, set);
    send_whole((sent_t){.object = 5}, other);
    expect_silence_for_now(rig.notifier);
    report_flush(rig.environment.report);
    cr_expect_eq(objects_in_next_event(), 1);
    cr_expect_eq(objects_in_next_event(), 1);
    free(set);
    free(other);
}

/* --- objects that are not --- */

Test(objects, that_can_not_be_read_are_refused_alone) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    memset(set->bytes, 0xFF, 88);
    set->size = 88;
    send_whole((sent_t){0}, set);
    expect_refused(0xC000, 0, "");
    send_chunk((sent_t){.object = 2}, set, 0, 0, true);
    expect_refused(0xC000, 0, "");
    cr_expect_eq(objects_open(rig.objects), 0);
    data_set_t *good = typical(EXPLICIT_VR);
    send_whole((sent_t){.object = 3}, good);
    expect_stored(3, 1, expect_file(good));
    free(good);
    free(set);
}

Test(objects, without_a_required_tag_are_refused_with_the_tag) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00100020, NULL);
    send_whole((sent_t){0}, set);
    expect_refused(0xC000, 0x00100020, SERIES_UID);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, refused_in_the_middle_are_refused_once_and_their_rest_is_ignored) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00100020, NULL);
    send_by((sent_t){.credit_wanted = true}, set, 50);
    expect_refused(0xC000, 0x00100020, SERIES_UID);
    expect_silence(rig.notifier);
    cr_expect_eq(objects_open(rig.objects), 0);
    free(set);
}

Test(objects, cut_off_in_their_head_tell_their_series_if_it_was_read) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_text(set, 0x0020000E, "UI", SERIES_UID);
    add_text(set, 0x00200011, "IS", "1");
    set->size -= 1;
    send_whole((sent_t){0}, set);
    expect_refused(0xC000, 0, SERIES_UID);
    free(set);
}

static ssize_t full_disk(int descriptor, const struct iovec *parts, int count) {
    (void)descriptor;
    (void)parts;
    (void)count;
    errno = ENOSPC;
    return -1;
}

Test(objects, on_a_full_disk_are_refused_as_out_of_resources_and_leave_nothing) {
    data_set_t *set = typical(EXPLICIT_VR);
    store_calls.writev = full_disk;
    send_whole((sent_t){0}, set);
    expect_refused(0xA700, 0, SERIES_UID);
    cr_expect(is_temporary_folder_empty());
    store_calls.writev = writev;
    send_chunk((sent_t){.object = 2}, set, 0, 390, false);
    store_calls.writev = full_disk;
    send_chunk((sent_t){.object = 2}, set, 390, 2, false);
    expect_refused(0xA700, 0, SERIES_UID);
    cr_expect(is_temporary_folder_empty());
    cr_expect_eq(objects_open(rig.objects), 0);
    free(set);
}

Test(objects, that_are_larger_than_they_may_be_are_refused_with_the_first_byte_too_many) {
    data_set_t *set = typical(EXPLICIT_VR);
    rig.environment.max_object_bytes = set->size;
    send_by((sent_t){0}, set, 100);
    expect_stored(1, 1, expect_file(set));
    rig.environment.max_object_bytes = set->size - 1;
    send_chunk((sent_t){.object = 2}, set, 0, set->size - 1, false);
    cr_expect_eq(objects_open(rig.objects), 1);
    send_chunk((sent_t){.object = 2}, set, set->size - 1, 1, false);
    cr_expect_eq(objects_open(rig.objects), 0);
    expect_refused(STATUS_PROCESSING_FAILURE, 0, SERIES_UID);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, whose_folder_is_something_else_are_refused_as_a_processing_failure) {
    char *path = text_of("%s/SERVICES", rig.root);
    fclose(fopen(path, "w"));
    data_set_t *set = typical(EXPLICIT_VR);
    send_whole((sent_t){0}, set);
    expect_refused(0x0110, 0, SERIES_UID);
    free(path);
    free(set);
}

Test(objects, whose_head_never_ends_are_refused_with_their_last_byte_and_leave_nothing) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_header(set, 0x00091010, "OB", 0xFFFFFFF0);
    send_chunk((sent_t){0}, set, 0, set->size, false);
    static uint8_t zeros[512 * 1024];
    uint64_t at = set->size;
    for (; at < 16 * sizeof zeros; at += sizeof zeros)
        send_bytes((sent_t){0}, zeros, at, sizeof zeros, false);
    cr_expect_eq(objects_open(rig.objects), 1);
    cr_expect_not(is_temporary_folder_empty(), "it is in a file, not in memory");
    send_bytes((sent_t){0}, zeros, at, 1, true);
    expect_refused(0xC000, 0, "");
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, with_a_longer_head_than_memory_holds_are_stored_as_they_came) {
    data_set_t *set = typical_but_long(0, NULL);
    static const size_t steps[] = {0, 1000, 65536};
    for (uint64_t i = 0; i < 3; i++) {
        send_by((sent_t){.object = i + 1}, set, steps[i] ? steps[i] : set->size);
        expect_stored(i + 1, 1, expect_file(set));
    }
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, with_a_longer_head_than_memory_holds_get_credit_for_what_is_written) {
    data_set_t *set = typical_but_long(0, NULL);
    size_t half = set->size - 1000;
    send_chunk((sent_t){.credit_wanted = true}, set, 0, half, false);
    Ring__Envelope *envelope = received(rig.listener);
    cr_assert_not_null(envelope);
    cr_assert_eq(envelope->body_case, RING__ENVELOPE__BODY_CREDIT);
    cr_expect_eq(envelope->credit->taken, half);
    ring__envelope__free_unpacked(envelope, NULL);
    free(set);
}

Test(objects, with_a_longer_head_than_memory_holds_are_refused_like_others) {
    data_set_t *set = typical_but_long(0x00100020, NULL);
    send_by((sent_t){0}, set, 100000);
    expect_refused(0xC000, 0x00100020, SERIES_UID);
    cr_expect(is_temporary_folder_empty());
    set->size -= 4; /* within its pixels: its place is known */
    send_by((sent_t){.object = 2}, set, 100000);
    expect_refused(0xC000, 0x00100020, SERIES_UID);
    store_calls.writev = full_disk;
    send_chunk((sent_t){.object = 3}, set, 0, set->size - 1, false);
    expect_refused(0xA700, 0, SERIES_UID);
    cr_expect_eq(objects_open(rig.objects), 0);
    store_calls.writev = writev;
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, whose_event_finds_no_room_are_stored_all_the_same) {
    data_set_t *set = typical(EXPLICIT_VR);
    zsock_destroy(&rig.notifier); /* nobody takes the events any more, and only some are queued */
    for (uint64_t i = 1; i <= 30; i++)
        send_whole((sent_t){.object = i, .attempt = 2}, set);
    expect_file(set);
    cr_expect_eq(objects_open(rig.objects), 0);
    free(set);
}

/* --- attempts, listeners, cancels --- */

Test(objects, of_a_newer_attempt_replace_the_older) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){.attempt = 1}, set, 0, 390, false);
    send_chunk((sent_t){.attempt = 2}, set, 0, 100, false);
    cr_expect_eq(objects_open(rig.objects), 1);
    cr_expect(is_temporary_folder_empty(), "the second attempt has no file yet, and that of the first is gone");
    send_chunk((sent_t){.attempt = 1}, set, 390, set->size - 390, true);
    expect_silence(rig.notifier);
    send_chunk((sent_t){.attempt = 2}, set, 100, set->size - 100, true);
    expect_stored(1, 2, expect_file(set));
    free(set);
}

Test(objects, ignore_chunks_that_do_not_continue_them) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){0}, set, 100, 10, false);
    cr_expect_eq(objects_open(rig.objects), 0, "no begin");
    send_chunk((sent_t){.headless = true}, set, 0, 10, false);
    cr_expect_eq(objects_open(rig.objects), 0, "no header");
    send_chunk((sent_t){0}, set, 0, 100, false);
    send_chunk((sent_t){0}, set, 0, 100, false);
    send_chunk((sent_t){0}, set, 101, 10, false);
    send_chunk((sent_t){.attempt = 2}, set, 100, 10, false);
    send_chunk((sent_t){0}, set, 100, set->size - 100, true);
    expect_stored(1, 1, expect_file(set));
    Ring__Chunk nameless = RING__CHUNK__INIT;
    zmq_msg_t data;
    zmq_msg_init(&data);
    objects_on_chunk(rig.objects, &nameless, &data);
    zmq_msg_close(&data);
    expect_silence(rig.notifier);
    free(set);
}

Test(objects, with_uids_longer_than_any_command_set_do_not_begin) {
    data_set_t *set = typical(EXPLICIT_VR);
    char *uid = calloc(1, 70001);
    memset(uid, '1', 70000);
    send_whole((sent_t){.sop_class = uid}, set);
    cr_expect_eq(objects_open(rig.objects), 0);
    expect_silence(rig.notifier);
    free(uid);
    free(set);
}

Test(objects, whose_header_has_a_field_that_protobuf_can_not_read_back_are_stored) {
    const ProtobufCMessageUnknownField zero = {
        .tag = 0, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = 1, .data = (uint8_t *)"\1"};
    data_set_t *set = typical(EXPLICIT_VR);
    send_whole((sent_t){.unknown = &zero}, set);
    expect_stored(1, 1, expect_file(set));
    free(set);
}

Test(objects, of_an_earlier_listener_are_dropped_and_stay_so) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){.listener = 5}, set, 0, 390, false);
    send_chunk((sent_t){.listener = 5, .object = 2}, set, 0, 10, false);
    cr_expect_eq(objects_open(rig.objects), 2);
    send_chunk((sent_t){0}, set, 0, 390, false);
    cr_expect_eq(objects_open(rig.objects), 1);
    cr_expect_eq(objects_listener(rig.objects), LISTENER);
    send_chunk((sent_t){.listener = 5, .object = 3}, set, 0, 10, false);
    cr_expect_eq(objects_open(rig.objects), 1, "a late chunk of the old one changes nothing");
    send_chunk((sent_t){0}, set, 390, set->size - 390, true);
    expect_stored(1, 1, expect_file(set));
    cr_expect(is_temporary_folder_empty());
    free(set);
}

static void cancel(uint64_t listener, uint32_t attempt) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = listener;
    id.association = id.object = 1;
    Ring__Cancel message = RING__CANCEL__INIT;
    message.object = &id;
    message.attempt = attempt;
    objects_on_cancel(rig.objects, &message);
}

Test(objects, that_are_canceled_leave_neither_file_nor_event) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){.attempt = 2}, set, 0, 390, false);
    cr_expect_not(is_temporary_folder_empty());
    cancel(LISTENER, 1);
    cancel(LISTENER + 1, 2);
    objects_on_cancel(rig.objects, &(Ring__Cancel)RING__CANCEL__INIT);
    cr_expect_eq(objects_open(rig.objects), 1, "another attempt or another listener is not meant");
    cancel(LISTENER, 2);
    cr_expect_eq(objects_open(rig.objects), 0);
    cr_expect(is_temporary_folder_empty());
    expect_silence(rig.notifier);
    free(set);
}

Test(objects, are_dropped_when_their_listener_owes_nothing) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){0}, set, 0, 390, false);
    objects_on_released(rig.objects, LISTENER + 1);
    cr_expect_eq(objects_open(rig.objects), 1);
    objects_on_released(rig.objects, LISTENER);
    cr_expect_eq(objects_open(rig.objects), 0);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

/* --- repeated, reordered, late --- */

Test(objects, whose_chunks_come_twice_are_stored_once) {
    data_set_t *set = typical(EXPLICIT_VR);
    for (size_t at = 0; at < set->size; at += 100)
        for (int i = 0; i < 2; i++)
            send_chunk((sent_t){0}, set, at, 100 < set->size - at ? 100 : set->size - at, at + 100 >= set->size);
    expect_stored(1, 1, expect_file(set));
    expect_silence(rig.notifier);
    cr_expect_eq(objects_open(rig.objects), 0, "the last chunk, said again, begins nothing");
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, that_come_whole_twice_become_the_same_file_and_are_said_to_be_stored_twice) {
    data_set_t *set = typical(EXPLICIT_VR);
    for (uint32_t i = 1; i <= 3; i++) {
        send_whole((sent_t){.attempt = i < 3 ? i : 2}, set);
        expect_stored(1, i < 3 ? i : 2, expect_file(set));
    }
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, whose_chunks_come_out_of_order_wait_for_an_attempt_in_order) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){0}, set, 0, 100, false);
    send_chunk((sent_t){0}, set, 200, set->size - 200, true);
    send_chunk((sent_t){0}, set, 100, 100, false);
    expect_silence(rig.notifier);
    send_chunk((sent_t){.attempt = 2}, set, 100, set->size - 100, true);
    expect_silence(rig.notifier);
    send_whole((sent_t){.attempt = 2}, set);
    expect_stored(1, 2, expect_file(set));
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, of_an_older_attempt_that_come_late_change_nothing_of_a_newer_one) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){.attempt = 2}, set, 0, 100, false);
    send_whole((sent_t){.attempt = 1}, set);
    expect_silence(rig.notifier);
    cancel(LISTENER, 1);
    cr_expect_eq(objects_open(rig.objects), 1);
    send_chunk((sent_t){.attempt = 2}, set, 100, set->size - 100, true);
    expect_stored(1, 2, expect_file(set));
    /* After the end of the newer one nothing tells that it is late: it becomes the same file. */
    send_whole((sent_t){.attempt = 1}, set);
    expect_stored(1, 1, expect_file(set));
    cancel(LISTENER, 1);
    cr_expect_eq(objects_open(rig.objects), 0);
    cr_expect(is_temporary_folder_empty());
    free(set);
}

Test(objects, of_a_listener_that_was_thought_dead_are_ignored_in_whatever_state_they_come) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk((sent_t){.listener = 5}, set, 0, 100, false);
    send_whole((sent_t){0}, set);
    expect_stored(1, 1, expect_file(set));
    send_chunk((sent_t){.listener = 5}, set, 100, set->size - 100, true);
    send_whole((sent_t){.listener = 5, .attempt = 2}, set);
    cancel(5, 2);
    objects_on_released(rig.objects, 5);
    expect_silence(rig.notifier);
    cr_expect_eq(objects_listener(rig.objects), LISTENER);
    cr_expect_eq(objects_open(rig.objects), 0);
    cr_expect(is_temporary_folder_empty());
    free(set);
}
