/* What one peer may use up of a writer: memory for heads that never end, and time for what inflates a thousandfold.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <zlib.h>

#include "tests/writer/objects_rig.h"

/* More than a listener has places. */
#define HOARDERS       300
#define HELD_MAX_BYTES (HOLDINGS_MAX_BYTES + HOARDERS * HOLDINGS_LITTLE_BYTES)

TestSuite(turns, .init = rig_init, .fini = rig_fini);

static data_set_t *with_private(data_set_t *set, const char *vr, uint32_t tag, size_t size) {
    static const uint8_t zeros[sizeof set->bytes];
    add_header(set, tag, vr, (uint32_t)size);
    add_bytes(set, zeros, size);
    return set;
}

/* The first bytes of an object of an association of its own, which goes on. */
static void hoard(uint64_t number, const data_set_t *set, char *syntax) {
    for (size_t at = 0, step = 64 * 1024; at < set->size; at += step)
        send_chunk((sent_t){.association = number, .object = number, .syntax = syntax}, set, at,
                   step < set->size - at ? step : set->size - at, false);
}

static void expect_room_for_another(void) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_by((sent_t){.object = 1000}, set, 64);
    expect_stored(1000, 1, expect_file(set));
    free(set);
}

/* So many objects are answered with the status, and no more. */
static void expect_refusals(size_t count, uint32_t status) {
    while (count > 0) {
        Ring__Envelope *envelope = received(rig.listener);
        count -= envelope->body_case == RING__ENVELOPE__BODY_WRITTEN && envelope->written->status == status;
        ring__envelope__free_unpacked(envelope, NULL);
    }
    expect_silence_for_now(rig.listener);
}

Test(turns, heads_that_do_not_end_go_to_their_files_where_memory_for_them_is_used_up) {
    data_set_t *set = with_private(data_set_new(EXPLICIT_VR), "OB", 0x00090010, 200 * 1024);
    for (uint64_t number = 1; number <= HOARDERS; number++) {
        hoard(number, set, NULL);
        cr_assert_leq(rig.holdings.held, HELD_MAX_BYTES);
    }
    cr_expect_gt(rig.holdings.held, HOLDINGS_MAX_BYTES / 2);
    cr_expect_eq(objects_open(rig.objects), HOARDERS);
    expect_refusals(0, STATUS_OUT_OF_RESOURCES);
    expect_room_for_another();
    objects_on_released(rig.objects, LISTENER);
    cr_expect_eq(rig.holdings.held, 0);
    free(set);
}

Test(turns, values_that_are_kept_take_no_more_memory_than_there_is_for_all) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    static const uint32_t tags[] = {0x00080050, 0x00080060, 0x00081030, 0x0008103E, 0x00100010, 0x00100020};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        with_private(set, "UN", tags[i], HEAD_VALUE_MAX_BYTES);
    for (uint64_t number = 1; number <= HOARDERS; number++) {
        hoard(number, set, NULL);
        cr_assert_leq(rig.holdings.held, HELD_MAX_BYTES);
    }
    cr_expect_lt(objects_open(rig.objects), HOARDERS);
    expect_refusals(HOARDERS - objects_open(rig.objects), STATUS_OUT_OF_RESOURCES);
    free(set);
}

Test(turns, deflated_heads_are_counted_with_what_inflates_them) {
    data_set_t *set = typical(DEFLATED_VR);
    set->size = 20;
    for (uint64_t number = 1; number <= HOARDERS; number++)
        hoard(number, set, (char *)DEFLATED_VR);
    while (objects_on_turn(rig.objects))
        ;
    cr_expect_geq(rig.holdings.held, 200 * 32 * 1024); /* zlib's windows */
    cr_expect_leq(rig.holdings.held, HELD_MAX_BYTES);
    free(set);
}

#define BOMBS   16
#define BOMBERS 4 /* associations */

/* A head of 2 MiB in 2 KiB. */
static data_set_t *bomb(void) {
    static uint8_t zeros[2 * 1024 * 1024];
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_header(set, 0x00090010, "OB", sizeof zeros);
    z_stream stream = {.next_in = set->bytes, .avail_in = (uInt)set->size};
    static uint8_t deflated[sizeof set->bytes];
    stream.next_out = deflated;
    stream.avail_out = sizeof deflated;
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&stream, Z_NO_FLUSH), Z_OK);
    stream.next_in = zeros;
    stream.avail_in = sizeof zeros;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    set->size = stream.total_out;
    memcpy(set->bytes, deflated, set->size);
    deflateEnd(&stream);
    return set;
}

static void send_bombs(void) {
    data_set_t *set = bomb();
    for (uint64_t number = 100; number < 100 + BOMBS; number++)
        send_whole((sent_t){.association = 2 + number % BOMBERS, .object = number, .syntax = (char *)DEFLATED_VR},
                   set);
    free(set);
}

Test(turns, objects_of_others_wait_for_none_that_is_inflated) {
    send_bombs();
    expect_room_for_another(); /* without a turn of the loop */
    cr_expect_eq(objects_open(rig.objects), BOMBS);
    cr_expect(objects_on_turn(rig.objects));
    cr_expect_eq(objects_open(rig.objects), BOMBS, "one turn inflates too much");
}

Test(turns, associations_whose_objects_are_inflated_take_turns) {
    send_bombs();
    data_set_t *set = typical(DEFLATED_VR);
    send_by((sent_t){.object = 1000, .syntax = (char *)DEFLATED_VR}, set, 64);
    cr_expect_eq(objects_open(rig.objects), BOMBS + 1);
    for (int turn = 0; turn < 3 * (BOMBERS + 1); turn++)
        cr_expect(objects_on_turn(rig.objects));
    cr_expect_eq(objects_open(rig.objects), BOMBS);
    expect_stored(1000, 1, expect_file(set));
    while (objects_on_turn(rig.objects))
        ;
    cr_expect_eq(objects_open(rig.objects), 0);
    expect_refusals(BOMBS, STATUS_CANNOT_UNDERSTAND);
    free(set);
}
