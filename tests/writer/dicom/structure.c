/* Illegal data sets that senders send all the same: their top level is read, and nothing nested is taken for
 * it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/writer/dicom/data_set.h"
#include "writer/dicom/head.h"

#define REFERENCED 0x00081140u

static void init(void) {
    cr_assert(head_start());
}
TestSuite(structure, .init = init);

/* A data set under construction: its begin is there, its faulty part is to come. */
static data_set_t *begin(const char *syntax) {
    data_set_t *set = data_set_new(syntax);
    add_text(set, 0x00080020, "DA", "20130308");
    add_text(set, 0x00080060, "CS", "MR");
    return set;
}

/* Would be found if it were taken for the top level's. */
static void add_nested(data_set_t *set) {
    add_text(set, 0x00081150, "UI", "1.2.3");
    add_text(set, 0x00100020, "LO", "nobody");
    add_text(set, 0x0020000E, "UI", "6.6.6");
}

static uint32_t nested_size(const data_set_t *set) {
    return set->is_implicit ? 6 + 6 + 6 + 3 * 8 : 6 + 6 + 6 + 3 * 8;
}

static void add_rest(data_set_t *set) {
    add_text(set, 0x00100010, "PN", "Doe^Jane");
    add_text(set, 0x00100020, "LO", "patient ");
    add_text(set, 0x0020000D, "UI", "1.2.33");
    add_text(set, 0x0020000E, "UI", SERIES_UID);
    add_text(set, 0x00200011, "IS", "5 ");
    add_text(set, 0x00200013, "IS", "1 ");
    add_number(set, 0x00280010, 2);
    add_pixels(set, 64);
}

static void expect_value(const head_t *head, head_tag_t tag, const char *wanted, size_t step) {
    head_value_t values[HEAD_TAGS];
    head_values(head, values);
    const char *bytes = values[tag].bytes;
    size_t size = values[tag].size;
    cr_assert_not_null(bytes, "tag %08X by %zu", head_tag_number(tag), step);
    cr_expect(size == strlen(wanted) && memcmp(bytes, wanted, size) == 0, "%.*s by %zu", (int)size, bytes, step);
}

static head_t *read_by(const data_set_t *set, const char *syntax, size_t step) {
    head_t *head = head_new(syntax);
    for (size_t at = 0, part; at < set->size; at += part) {
        part = step && step < set->size - at ? step : set->size - at;
        uint8_t *copy = malloc(part);
        memcpy(copy, set->bytes + at, part);
        head_feed(head, copy, part);
        free(copy);
    }
    return head;
}

/* Frees the set. */
static void expect_read(data_set_t *set, const char *syntax) {
    for (size_t step = 0; step < 14; step++) {
        head_t *head = read_by(set, syntax, step);
        cr_assert_eq(head_finish(head), HEAD_READY, "by %zu: %s", step, head_complaint(head));
        expect_value(head, HEAD_STUDY_DATE, "20130308", step);
        expect_value(head, HEAD_MODALITY, "MR", step);
        expect_value(head, HEAD_PATIENT_NAME, "Doe^Jane", step);
        expect_value(head, HEAD_PATIENT_ID, "patient ", step);
        expect_value(head, HEAD_SERIES_INSTANCE_UID, SERIES_UID, step);
        expect_value(head, HEAD_INSTANCE_NUMBER, "1 ", step);
        head_destroy(&head);
    }
    free(set);
}

static void expect_unreadable(data_set_t *set, const char *syntax, const char *why) {
    for (size_t step = 0; step < 14; step++) {
        head_t *head = read_by(set, syntax, step);
        cr_expect_eq(head_finish(head), HEAD_UNREADABLE);
        cr_expect_str_eq(head_complaint(head), why);
        head_destroy(&head);
    }
    free(set);
}

static const char *const NATIVE[] = {EXPLICIT_VR, IMPLICIT_VR, BIG_ENDIAN_VR};
#define FOR_EACH_NATIVE(syntax) for (const char *const *syntax = NATIVE; syntax < NATIVE + 3; syntax++)

/* --- delimiters --------------------------------------------------------------------------------------- */

/* PS3.5 7.5: it shall be 0. */
Test(structure, with_delimiters_of_any_length_is_read) {
    static const uint32_t lengths[] = {4, 0x10000, UNDEFINED_LENGTH};
    for (int i = 0; i < 3; i++)
        FOR_EACH_NATIVE(syntax) {
            data_set_t *set = begin(*syntax);
            add_header(set, REFERENCED, "SQ", UNDEFINED_LENGTH);
            add_header(set, ITEM, "", UNDEFINED_LENGTH);
            add_nested(set);
            add_header(set, ITEM_END, "", lengths[i]);
            add_header(set, SEQUENCE_END, "", lengths[(i + 1) % 3]);
            add_rest(set);
            expect_read(set, *syntax);
        }
}

Test(structure, with_items_and_delimiters_outside_of_a_sequence_is_read) {
    FOR_EACH_NATIVE(syntax) {
        data_set_t *set = begin(*syntax);
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_nested(set);
        add_header(set, ITEM_END, "", 0);
        add_header(set, ITEM_END, "", 0);
        add_header(set, SEQUENCE_END, "", 0);
        add_rest(set);
        expect_read(set, *syntax);
    }
}

Test(structure, with_delimiters_behind_what_has_a_length_is_read) {
    FOR_EACH_NATIVE(syntax) {
        data_set_t *set = begin(*syntax);
        add_header(set, REFERENCED, "SQ", UNDEFINED_LENGTH);
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_header(set, ITEM_END, "", 0);
        add_header(set, ITEM, "", 0);
        add_header(set, ITEM_END, "", 0);
        add_header(set, SEQUENCE_END, "", 0);
        add_header(set, REFERENCED + 1, "SQ", 8 + nested_size(set));
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_header(set, SEQUENCE_END, "", 0);
        add_rest(set);
        expect_read(set, *syntax);
    }
}

/* --- sequences that end otherwise than they say ------------------------------------------------------- */

Test(structure, with_items_that_only_the_end_of_their_sequence_or_another_item_ends_is_read) {
    FOR_EACH_NATIVE(syntax) {
        data_set_t *set = begin(*syntax);
        add_header(set, REFERENCED, "SQ", UNDEFINED_LENGTH);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, REFERENCED, "SQ", UNDEFINED_LENGTH);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, SEQUENCE_END, "", 0);
        add_nested(set);
        add_header(set, SEQUENCE_END, "", 0);
        add_rest(set);
        expect_read(set, *syntax);
    }
}

Test(structure, with_sequences_shorter_than_their_items_is_read) {
    FOR_EACH_NATIVE(syntax)
    for (uint32_t length = 9; length <= 8 + 6 + 6 + 6 + 24; length++) {
        data_set_t *set = begin(*syntax);
        add_header(set, REFERENCED, "SQ", length);
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_header(set, REFERENCED + 1, "SQ", length);
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_header(set, ITEM, "", nested_size(set));
        add_nested(set);
        add_rest(set);
        expect_read(set, *syntax);
    }
}

Test(structure, with_sequences_that_end_within_an_element_of_an_item_is_read) {
    FOR_EACH_NATIVE(syntax) {
        data_set_t *set = begin(*syntax);
        add_header(set, REFERENCED, "SQ", 8 + 12);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, ITEM_END, "", 0);
        add_rest(set);
        expect_read(set, *syntax);
    }
}

Test(structure, with_items_of_undefined_length_in_sequences_of_defined_length_is_read) {
    FOR_EACH_NATIVE(syntax)
    for (int has_delimiter = 0; has_delimiter < 2; has_delimiter++) {
        data_set_t *set = begin(*syntax);
        uint32_t length = 8 + nested_size(set) + 8 * (uint32_t)has_delimiter;
        add_header(set, REFERENCED, "SQ", length);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        if (has_delimiter)
            add_header(set, ITEM_END, "", 0);
        add_rest(set);
        expect_read(set, *syntax);
    }
}

Test(structure, with_something_else_than_items_in_a_sequence_is_read) {
    data_set_t *set = begin(EXPLICIT_VR);
    add_header(set, 0x00091070, "SQ", 2);
    add_bytes(set, "NO", 2);
    add_header(set, 0x00091071, "SQ", 30);
    add_bytes(set, "\x10\0\x20\0LO\6\0nobody, as it were ....", 30);
    add_header(set, 0x00091072, "SQ", UNDEFINED_LENGTH);
    add_nested(set);
    add_header(set, SEQUENCE_END, "", 0);
    add_rest(set);
    expect_read(set, EXPLICIT_VR);
}

Test(structure, with_unknown_of_undefined_length_in_either_encoding_is_read) {
    for (int is_implicit = 0; is_implicit < 2; is_implicit++)
        for (int has_length = 0; has_length < 2; has_length++) {
            data_set_t *set = begin(EXPLICIT_VR);
            add_header(set, 0x00091001, "UN", UNDEFINED_LENGTH);
            set->is_implicit = is_implicit;
            add_header(set, ITEM, "", has_length ? nested_size(set) : UNDEFINED_LENGTH);
            add_nested(set);
            if (!has_length)
                add_header(set, ITEM_END, "", 0);
            add_header(set, SEQUENCE_END, "", 0);
            set->is_implicit = 0;
            add_rest(set);
            expect_read(set, EXPLICIT_VR);
        }
}

Test(structure, nested_256_deep_is_read) {
    FOR_EACH_NATIVE(syntax) {
        data_set_t *set = begin(*syntax);
        for (int i = 0; i < 256; i++) {
            add_header(set, REFERENCED, "SQ", UNDEFINED_LENGTH);
            add_header(set, ITEM, "", UNDEFINED_LENGTH);
        }
        add_nested(set);
        for (int i = 0; i < 256; i++) {
            add_header(set, ITEM_END, "", 0);
            add_header(set, SEQUENCE_END, "", 0);
        }
        add_rest(set);
        expect_read(set, *syntax);
    }
}

/* --- encodings ---------------------------------------------------------------------------------------- */

Test(structure, with_elements_of_the_other_encoding_is_read) {
    for (int is_implicit = 0; is_implicit < 2; is_implicit++) {
        const char *syntax = is_implicit ? IMPLICIT_VR : EXPLICIT_VR;
        data_set_t *set = begin(syntax);
        set->is_implicit = !is_implicit;
        add_text(set, 0x00090010, "LO", "PRIV");
        add_text(set, 0x00091001, "LO", "");
        add_header(set, 0x00091002, "OB", 0x200A);
        memset(set->bytes + set->size, 'x', 0x200A);
        set->size += 0x200A;
        add_header(set, 0x00091003, "SQ", UNDEFINED_LENGTH);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, ITEM_END, "", 0);
        add_header(set, SEQUENCE_END, "", 0);
        add_text(set, 0x00100010, "PN", "Doe^Jane");
        set->is_implicit = is_implicit;
        add_rest(set);
        expect_read(set, syntax);
    }
}

Test(structure, that_is_in_the_other_encoding_altogether_is_read) {
    for (int is_implicit = 0; is_implicit < 2; is_implicit++) {
        data_set_t *set = begin(is_implicit ? IMPLICIT_VR : EXPLICIT_VR);
        add_header(set, REFERENCED, "SQ", UNDEFINED_LENGTH);
        add_header(set, ITEM, "", UNDEFINED_LENGTH);
        add_nested(set);
        add_header(set, ITEM_END, "", 0);
        add_header(set, SEQUENCE_END, "", 0);
        add_header(set, 0x00091002, "OB", 0x44414); /* its lower half is no VR */
        memset(set->bytes + set->size, 'x', 0x44414);
        set->size += 0x44414;
        add_rest(set);
        expect_read(set, is_implicit ? EXPLICIT_VR : IMPLICIT_VR);
    }
}

/* Its lower half reads "LO", "DA", "PN" … and is even, as a length should be. */
Test(structure, in_implicit_vr_with_lengths_that_read_like_a_vr_is_read) {
    static const char *const vrs[] = {"LO", "DA", "DS", "DT", "FD", "FL", "LT", "PN", "TM"};
    for (size_t i = 0; i < sizeof vrs / sizeof *vrs; i++)
        for (uint32_t upper = 0; upper < 3; upper++) {
            data_set_t *set = begin(IMPLICIT_VR);
            uint32_t length = (uint32_t)vrs[i][0] | (uint32_t)vrs[i][1] << 8 | upper << 16;
            add_header(set, 0x00091002, "", length);
            memset(set->bytes + set->size, 'x', length);
            set->size += length;
            add_rest(set);
            expect_read(set, IMPLICIT_VR);
        }
}

/* PS3.5 7.1.2 has a long length for all VRs that may come; senders are known for the others. */
Test(structure, with_vrs_that_there_are_not_is_read) {
    static const struct {
        const char *header;
        size_t size;
    } headers[] = {
        {"??\4\0ABCD", 8}, {"??\0\0\4\0\0\0ABCD", 12}, {"  \4\0ABCD", 8}, {"\0\0\4\0ABCD", 8},
        {"na\4\0ABCD", 8}, {"ox\4\0ABCD", 8},          {"OX\4\0ABCD", 8}, {"ZZ\0\0\4\0\0\0ABCD", 12},
        {"UN\4\0ABCD", 8}, {"  \0\0\4\0\0\0ABCD", 12}, {"??\0\0", 4},     {"na\0\0", 4},
        {"LO\4\0ABCD", 8}, {"\4\0\0\0ABCD", 8},        {"\0\0\0\0", 4},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        data_set_t *set = begin(EXPLICIT_VR);
        add_text(set, 0x00090010, "LO", "PRIV");
        for (int k = 1; k < 3; k++) {
            add_bytes(set, k == 1 ? "\x09\0\1\x10" : "\x09\0\2\x10", 4);
            add_bytes(set, headers[i].header, headers[i].size);
        }
        add_rest(set);
        expect_read(set, EXPLICIT_VR);
    }
}

/* --- order -------------------------------------------------------------------------------------------- */

Test(structure, out_of_order_is_read_until_all_is_there) {
    FOR_EACH_NATIVE(syntax) {
        data_set_t *set = data_set_new(*syntax);
        add_pixels(set, 512);
        add_number(set, 0x00280010, 2);
        add_text(set, 0x00200013, "IS", "1 ");
        add_text(set, 0x0020000E, "UI", SERIES_UID);
        add_text(set, 0x0020000D, "UI", "1.2.33");
        add_text(set, 0x00100020, "LO", "patient ");
        add_text(set, 0x00100010, "PN", "Doe^Jane");
        add_text(set, 0x00080060, "CS", "MR");
        add_text(set, 0x00080020, "DA", "20130308");
        expect_read(set, *syntax);
    }
}

Test(structure, with_another_group_or_the_last_wanted_tag_too_early_is_read) {
    for (int has_group = 0; has_group < 2; has_group++) {
        data_set_t *set = begin(EXPLICIT_VR);
        if (has_group)
            add_number(set, 0x00280010, 2);
        add_text(set, 0x00200013, "IS", "1 ");
        add_text(set, 0x00100010, "PN", "Doe^Jane");
        add_text(set, 0x00100020, "LO", "patient ");
        add_text(set, 0x0020000D, "UI", "1.2.33");
        add_text(set, 0x0020000E, "UI", SERIES_UID);
        expect_read(set, EXPLICIT_VR);
    }
}

/* The rest of this test's bytes would be read if awaited. */
Test(structure, in_order_is_ready_without_its_pixels_where_only_what_is_optional_is_missing) {
    data_set_t *set = begin(EXPLICIT_VR);
    add_text(set, 0x00100020, "LO", "patient ");
    add_text(set, 0x0020000D, "UI", "1.2.33");
    add_text(set, 0x0020000E, "UI", SERIES_UID);
    add_header(set, 0x7FE00010, "OW", 0xFFFFFFF0);
    head_t *head = read_by(set, EXPLICIT_VR, 0);
    cr_expect_eq(head_feed(head, "", 0), HEAD_READY);
    head_destroy(&head);
    free(set);
}

Test(structure, out_of_order_is_ready_with_the_next_tag_behind_the_head_once_what_is_required_is_there) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_number(set, 0x00280010, 2);
    add_text(set, 0x00080020, "DA", "20130308");
    add_text(set, 0x00100020, "LO", "patient ");
    add_text(set, 0x0020000D, "UI", "1.2.33");
    add_text(set, 0x0020000E, "UI", SERIES_UID);
    add_header(set, 0x7FE00010, "OW", 0xFFFFFFF0);
    head_t *head = read_by(set, EXPLICIT_VR, 0);
    cr_expect_eq(head_feed(head, "", 0), HEAD_READY);
    head_destroy(&head);
    free(set);
}

Test(structure, out_of_order_that_is_given_up_says_so) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_number(set, 0x00280010, 2);
    add_text(set, 0x00100020, "LO", "patient ");
    add_header(set, 0x00100030, "DA", 8);
    expect_unreadable(set, EXPLICIT_VR, "elements are not in order, and data set ends within its head");
}

/* It is complete but for PatientID, which is for instance_read to say. */
Test(structure, that_lacks_what_is_required_is_read_to_its_end_whatever_that_is) {
    static const char *const ends[] = {"", "\xE0\x7F\x10\0OW\0\0\xF0\xFF\xFF\xFF",
                                       "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"};
    for (int i = 0; i < 3; i++) {
        data_set_t *set = begin(EXPLICIT_VR);
        add_text(set, 0x0020000D, "UI", "1.2.33");
        add_text(set, 0x0020000E, "UI", SERIES_UID);
        add_number(set, 0x00280010, 2);
        add_bytes(set, ends[i], i == 0 ? 0 : i == 1 ? 12 : 8);
        head_t *head = read_by(set, EXPLICIT_VR, 0);
        cr_expect_eq(head_feed(head, "", 0), HEAD_NEED_MORE);
        cr_expect_eq(head_finish(head), HEAD_READY);
        head_destroy(&head);
        free(set);
    }
}
