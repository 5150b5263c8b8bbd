#include "writer/dicom/head.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>

#include "tests/support/dataset.h"
#include "tests/writer/dicom/data_set.h"

static void init(void) {
    cr_assert(head_start());
}
TestSuite(head, .init = init);

/* Feeds all of it, `step` bytes at a time (0: at once), each time from memory of just that size. */
static head_state_t feed(head_t *head, const uint8_t *bytes, size_t size, size_t step) {
    head_state_t state = HEAD_NEED_MORE;
    for (size_t at = 0, part; at < size; at += part) {
        part = step && step < size - at ? step : size - at;
        uint8_t *copy = malloc(part);
        memcpy(copy, bytes + at, part);
        state = head_feed(head, copy, part);
        free(copy);
    }
    return state;
}

static void expect_value(const head_t *head, head_tag_t tag, const char *wanted) {
    head_value_t values[HEAD_TAGS];
    head_values(head, values);
    const char *bytes = values[tag].bytes;
    size_t size = values[tag].size;
    if (!wanted) {
        cr_expect_null(bytes);
        return;
    }
    cr_assert_not_null(bytes, "tag %08X", head_tag_number(tag));
    cr_expect_eq(size, strlen(wanted), "%.*s", (int)size, bytes);
    cr_expect_arr_eq(bytes, wanted, strlen(wanted), "%.*s", (int)size, bytes);
}

static void expect_typical(const head_t *head) {
    expect_value(head, HEAD_SPECIFIC_CHARACTER_SET, "ISO_IR 100");
    expect_value(head, HEAD_PATIENT_ID, "1449c1d ");
    expect_value(head, HEAD_SERIES_INSTANCE_UID, SERIES_UID);
    expect_value(head, HEAD_INSTANCE_NUMBER, "1 ");
}

static head_t *ready(const data_set_t *set, const char *syntax) {
    head_t *head = head_new(syntax);
    feed(head, set->bytes, set->size, 0);
    cr_assert_eq(head_finish(head), HEAD_READY, "%s", head_complaint(head));
    return head;
}

static void expect_unreadable(const data_set_t *set, const char *syntax, const char *why) {
    for (size_t step = 0; step < 2; step++) {
        head_t *head = head_new(syntax);
        feed(head, set->bytes, set->size, step);
        cr_expect_eq(head_finish(head), HEAD_UNREADABLE);
        cr_expect_str_eq(head_complaint(head), why);
        head_destroy(&head);
    }
}

Test(head, is_read_in_every_kind_of_transfer_syntax_however_it_is_cut_into_pieces) {
    static const char *const syntaxes[] = {EXPLICIT_VR, IMPLICIT_VR,      BIG_ENDIAN_VR, DEFLATED_VR,
                                           JPEG_VR,     JPIP_DEFLATED_VR, "1.2.3.4"};
    for (size_t i = 0; i < sizeof syntaxes / sizeof *syntaxes; i++) {
        data_set_t *set = typical(syntaxes[i]);
        for (size_t step = 0; step < 20; step++) {
            head_t *head = head_new(syntaxes[i]);
            feed(head, set->bytes, set->size, step);
            cr_assert_eq(head_finish(head), HEAD_READY, "%s by %zu: %s", syntaxes[i], step, head_complaint(head));
            expect_typical(head);
            head_destroy(&head);
        }
        free(set);
    }
}

Test(head, is_ready_with_its_last_element) {
    data_set_t *set = typical(EXPLICIT_VR);
    const uint8_t *rest = memmem(set->bytes, set->size, "\x28\0\x10\0US", 6);
    head_t *head = head_new(EXPLICIT_VR);
    size_t size = (size_t)(rest - set->bytes);
    cr_expect_eq(feed(head, set->bytes, size - 1, 0), HEAD_NEED_MORE);
    cr_expect_eq(feed(head, rest - 1, 1, 0), HEAD_READY);
    expect_typical(head);
    head_destroy(&head);
    free(set);
}

Test(head, without_instance_number_is_ready_with_the_element_after_it) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00200013, NULL);
    head_t *head = ready(set, EXPLICIT_VR);
    expect_value(head, HEAD_INSTANCE_NUMBER, NULL);
    expect_value(head, HEAD_SERIES_NUMBER, "5 ");
    head_destroy(&head);
    free(set);
}

Test(head, that_ends_between_two_elements_is_ready) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_text(set, 0x00100020, "LO", "4711");
    head_t *head = head_new(EXPLICIT_VR);
    cr_expect_eq(feed(head, set->bytes, set->size, 1), HEAD_NEED_MORE);
    cr_expect_eq(head_finish(head), HEAD_READY);
    expect_value(head, HEAD_PATIENT_ID, "4711");
    head_destroy(&head);
    free(set);
}

Test(head, that_is_cut_anywhere_else_is_unreadable) {
    static const char *const syntaxes[] = {EXPLICIT_VR, IMPLICIT_VR};
    for (int i = 0; i < 2; i++) {
        data_set_t *set = data_set_new(syntaxes[i]);
        add_text(set, 0x00100010, "PN", "Doe^Jane");
        size_t first = set->size;
        add_text(set, 0x00100020, "LO", "4711");
        for (size_t size = 1; size < set->size; size++) {
            head_t *head = head_new(syntaxes[i]);
            feed(head, set->bytes, size, 0);
            cr_expect_eq(head_finish(head), size == first ? HEAD_READY : HEAD_UNREADABLE, "%zu bytes", size);
            head_destroy(&head);
        }
        free(set);
    }
}

Test(head, deflated_and_cut_is_unreadable) {
    data_set_t *set = typical(DEFLATED_VR);
    set->size = 200;
    expect_unreadable(set, DEFLATED_VR, "data set ends within its head");
    free(set);
}

Test(head, of_garbage_and_of_nothing_is_unreadable) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    expect_unreadable(set, EXPLICIT_VR, "no element could be read");
    memset(set->bytes, 0xFF, 88);
    set->size = 88;
    expect_unreadable(set, EXPLICIT_VR, "no element of the head could be read");
    expect_unreadable(set, IMPLICIT_VR, "no element of the head could be read");
    expect_unreadable(set, DEFLATED_VR, "data set can't be inflated");
    free(set);
}

Test(head, takes_values_of_any_vr) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_header(set, 0x00100020, "UN", 6);
    add_bytes(set, "pid-un", 6);
    add_header(set, 0x00200011, "UL", 4);
    add_bytes(set, "\x40\x42\x0F\0", 4);
    add_number(set, 0x00200013, 7);
    head_t *head = ready(set, EXPLICIT_VR);
    expect_value(head, HEAD_PATIENT_ID, "pid-un");
    expect_value(head, HEAD_SERIES_NUMBER, "1000000");
    expect_value(head, HEAD_INSTANCE_NUMBER, "7");
    head_destroy(&head);
    free(set);
}

Test(head, takes_big_endian_numbers) {
    data_set_t *set = data_set_new(BIG_ENDIAN_VR);
    add_number(set, 0x00200013, 258);
    head_t *head = ready(set, BIG_ENDIAN_VR);
    expect_value(head, HEAD_INSTANCE_NUMBER, "258");
    head_destroy(&head);
    free(set);
}

Test(head, keeps_nuls_and_odd_lengths_of_values) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_header(set, 0x00100020, "LO", 5);
    add_bytes(set, "a\0b c", 5);
    add_text(set, 0x00200013, "IS", "1");
    for (size_t step = 0; step < 3; step++) {
        head_t *head = head_new(EXPLICIT_VR);
        feed(head, set->bytes, set->size, step);
        cr_assert_eq(head_finish(head), HEAD_READY);
        head_value_t values[HEAD_TAGS];
        head_values(head, values);
        cr_expect_arr_eq(values[HEAD_PATIENT_ID].bytes, "a\0b c", 5);
        expect_value(head, HEAD_INSTANCE_NUMBER, "1 ");
        head_destroy(&head);
    }
    free(set);
}

Test(head, tells_empty_from_absent) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00081030, "");
    head_t *head = ready(set, EXPLICIT_VR);
    expect_value(head, HEAD_STUDY_DESCRIPTION, "");
    head_destroy(&head);
    free(set);
}

Test(head, keeps_the_first_of_two_elements_with_one_tag) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_text(set, 0x00100020, "LO", "first");
    add_text(set, 0x00100020, "LO", "second");
    add_text(set, 0x00200013, "IS", "1");
    head_t *head = ready(set, EXPLICIT_VR);
    expect_value(head, HEAD_PATIENT_ID, "first ");
    head_destroy(&head);
    free(set);
}

/* A sequence with an item of defined and one of undefined length, which holds another; all name other patients. */
static void add_sequences(data_set_t *set) {
    add_header(set, 0x00081140, "SQ", UNDEFINED_LENGTH);
    add_header(set, ITEM, "", set->is_implicit ? 12 : 12);
    add_text(set, 0x00100020, "LO", "none");
    add_header(set, ITEM, "", UNDEFINED_LENGTH);
    add_text(set, 0x00100020, "LO", "nobody");
    add_header(set, 0x00081140, "SQ", UNDEFINED_LENGTH);
    add_header(set, SEQUENCE_END, "", 0);
    add_header(set, ITEM_END, "", 0);
    add_header(set, SEQUENCE_END, "", 0);
    add_header(set, 0x00081150, "SQ", 8);
    add_header(set, ITEM, "", 0);
}

Test(head, looks_at_nothing_within_sequences) {
    static const char *const syntaxes[] = {EXPLICIT_VR, IMPLICIT_VR, BIG_ENDIAN_VR};
    for (int i = 0; i < 3; i++)
        for (size_t step = 0; step < 4; step++) {
            data_set_t *set = data_set_new(syntaxes[i]);
            add_sequences(set);
            add_text(set, 0x00100020, "LO", "patient");
            add_text(set, 0x00200013, "IS", "1");
            head_t *head = head_new(syntaxes[i]);
            feed(head, set->bytes, set->size, step);
            cr_assert_eq(head_finish(head), HEAD_READY, "%s", head_complaint(head));
            expect_value(head, HEAD_PATIENT_ID, "patient ");
            head_destroy(&head);
            free(set);
        }
}

/* PS3.5 6.2.2, note 4 */
Test(head, takes_unknown_of_undefined_length_for_a_sequence_in_implicit_vr) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_header(set, 0x00091001, "UN", UNDEFINED_LENGTH);
    add_header(set, ITEM, "", UNDEFINED_LENGTH);
    set->is_implicit = 1;
    add_text(set, 0x00100020, "", "nobody");
    add_header(set, ITEM_END, "", 0);
    add_header(set, SEQUENCE_END, "", 0);
    set->is_implicit = 0;
    add_text(set, 0x00100020, "LO", "patient");
    add_text(set, 0x00200013, "IS", "1");
    head_t *head = ready(set, EXPLICIT_VR);
    expect_value(head, HEAD_PATIENT_ID, "patient ");
    head_destroy(&head);
    free(set);
}

/* DcmDataset::read would call itself 16000 times. */
Test(head, that_is_nested_without_end_is_unreadable) {
    data_set_t *set = data_set_new(IMPLICIT_VR);
    for (int i = 0; i < 16000; i++) {
        add_header(set, 0x00081140, "", UNDEFINED_LENGTH);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
    }
    expect_unreadable(set, IMPLICIT_VR, "sequences are nested too deeply");
    free(set);
}

Test(head, that_ends_within_a_sequence_says_so) {
    data_set_t *set = data_set_new(IMPLICIT_VR);
    add_header(set, 0x00081140, "", UNDEFINED_LENGTH);
    add_text(set, 0x00100020, "", "nobody");
    expect_unreadable(set, IMPLICIT_VR, "data set ends within a sequence");
    free(set);
}

Test(head, that_promises_four_gigabytes_takes_no_memory_for_them) {
    data_set_t *set = data_set_new(IMPLICIT_VR);
    add_header(set, 0x00100020, "", 0xFFFFFFF0);
    expect_unreadable(set, IMPLICIT_VR, "data set ends within its head");
    free(set);
}

Test(head, of_an_inflating_bomb_is_unreadable) {
    data_set_t *set = data_set_new(DEFLATED_VR);
    add_header(set, 0x00091010, "OB", 0xFFFFFFF0);
    static const uint8_t zeros[256 * 1024];
    add_bytes(set, zeros, sizeof zeros);
    data_set_deflate(set); /* a stream that ends early would do; instead, it is fed as an endless one */
    head_t *head = head_new(DEFLATED_VR);
    feed(head, set->bytes, set->size, 0);
    cr_expect_eq(head_finish(head), HEAD_UNREADABLE);
    head_destroy(&head);
    free(set);
}

/* What a data set of 300 KiB can become: more of one element in its head than is looked through. */
static bytes_t bomb(void) {
    bytes_t packed = {0};
    static uint8_t zeros[1024 * 1024], out[64 * 1024];
    const uint8_t header[] = {9, 0, 0x10, 0x10, 'O', 'B', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF};
    z_stream z = {.next_in = (uint8_t *)header, .avail_in = sizeof header};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int block = 0; block <= (HEAD_INFLATED_MAX_BYTES >> 20) + 64; block++) {
        do {
            z.next_out = out;
            z.avail_out = sizeof out;
            cr_assert_eq(deflate(&z, Z_NO_FLUSH), Z_OK);
            bytes_add(&packed, out, sizeof out - z.avail_out);
        } while (z.avail_in > 0);
        z.next_in = zeros;
        z.avail_in = sizeof zeros;
    }
    deflateEnd(&z);
    return packed;
}

static long peak_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

Test(head, of_a_bomb_that_goes_on_is_given_up_at_its_limit_in_little_memory) {
    bytes_t packed = bomb();
    cr_assert_lt(packed.size, 400000);
    long before = peak_kib();
    head_t *head = head_new(DEFLATED_VR);
    cr_expect_eq(feed(head, packed.at, packed.size, 0), HEAD_UNREADABLE);
    cr_expect_str_eq(head_complaint(head), "head of the data set is too long");
    cr_expect_lt(peak_kib() - before, 4096);
    head_destroy(&head);
    bytes_free(&packed);
}

/* Fed in pieces of 64 KiB, as from the network. */
static head_state_t feed_zeros(head_t *head, size_t size) {
    static const uint8_t zeros[64 * 1024];
    head_state_t state = HEAD_NEED_MORE;
    for (size_t part; size > 0 && state == HEAD_NEED_MORE; size -= part) {
        part = size < sizeof zeros ? size : sizeof zeros;
        state = head_feed(head, zeros, part);
    }
    return state;
}

Test(head, goes_on_behind_values_of_any_size_in_little_memory) {
    static const size_t size = 300 << 20;
    data_set_t *set = data_set_new(EXPLICIT_VR), *rest = typical(EXPLICIT_VR);
    add_header(set, 0x00080001, "OB", size);
    long before = peak_kib();
    head_t *head = head_new(EXPLICIT_VR);
    feed(head, set->bytes, set->size, 0);
    cr_assert_eq(feed_zeros(head, size), HEAD_NEED_MORE);
    cr_assert_eq(feed(head, rest->bytes, rest->size, 0), HEAD_READY);
    expect_typical(head);
    cr_expect_lt(peak_kib() - before, 4096);
    head_destroy(&head);
    free(set);
    free(rest);
}

Test(head, passes_by_long_values_within_sequences_in_little_memory) {
    static const size_t size = 64 << 20;
    data_set_t *set = data_set_new(EXPLICIT_VR), *rest = typical(EXPLICIT_VR);
    add_header(set, 0x00080001, "SQ", UNDEFINED_LENGTH);
    add_header(set, ITEM, "", UNDEFINED_LENGTH);
    add_header(set, 0x00100020, "OB", size);
    long before = peak_kib();
    head_t *head = head_new(EXPLICIT_VR);
    feed(head, set->bytes, set->size, 0);
    cr_assert_eq(feed_zeros(head, size), HEAD_NEED_MORE);
    set->size = 0;
    add_header(set, ITEM_END, "", 0);
    add_header(set, SEQUENCE_END, "", 0);
    cr_assert_eq(feed(head, set->bytes, set->size, 0), HEAD_NEED_MORE);
    cr_assert_eq(feed(head, rest->bytes, rest->size, 0), HEAD_READY);
    expect_typical(head);
    cr_expect_lt(peak_kib() - before, 4096);
    head_destroy(&head);
    free(set);
    free(rest);
}

Test(head, keeps_no_more_of_a_value_than_its_limit) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_header(set, 0x00100020, "UT", 100000);
    memset(set->bytes + set->size, 'x', 100000);
    set->size += 100000;
    add_text(set, 0x00200013, "IS", "1");
    head_t *head = ready(set, EXPLICIT_VR);
    head_value_t values[HEAD_TAGS];
    head_values(head, values);
    cr_expect_eq(values[HEAD_PATIENT_ID].size, HEAD_VALUE_MAX_BYTES);
    head_destroy(&head);
    free(set);
}

/* Any input ends in a state; the sanitizers look on. */
Test(head, survives_a_data_set_with_any_byte_replaced) {
    static const char *const syntaxes[] = {EXPLICIT_VR, IMPLICIT_VR, BIG_ENDIAN_VR, DEFLATED_VR};
    for (int i = 0; i < 4; i++) {
        data_set_t *set = typical(syntaxes[i]);
        for (size_t at = 0; at < set->size; at++)
            for (int change = 1; change < 256; change += 51) {
                set->bytes[at] ^= (uint8_t)change;
                head_t *head = head_new(syntaxes[i]);
                feed(head, set->bytes, set->size, at % 3 ? 0 : 5);
                cr_assert_neq(head_finish(head), HEAD_NEED_MORE);
                head_destroy(&head);
                set->bytes[at] ^= (uint8_t)change;
            }
        free(set);
    }
}
