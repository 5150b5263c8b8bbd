#include "writer/dicom/series_memo.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/memory.h"
#include "common/message.h"
#include "tests/writer/dicom/data_set.h"
#include "writer/dicom/instance.h"

#define DECLARED "ISO_IR 100" /* by the typical data set */

static series_memo_t *memo;
static const char *character_set = DECLARED;

static void init(void) {
    cr_assert(head_start());
    memo = series_memo_new();
}

static void fini(void) {
    series_memo_destroy(&memo);
}
TestSuite(series_memo, .init = init, .fini = fini);

/* Reads the typical data set with another text for one tag. */
static bool read_with(instance_t *instance, series_memo_t *known, uint32_t tag, const char *text, const char *ae) {
    data_set_t *set = typical_but(EXPLICIT_VR, tag, text);
    void *declared = memmem(set->bytes, set->size, DECLARED, strlen(DECLARED));
    if (declared)
        memcpy(declared, character_set, strlen(DECLARED));
    head_t *head = head_new(EXPLICIT_VR);
    head_feed(head, set->bytes, set->size);
    cr_assert_eq(head_finish(head), HEAD_READY);
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)(uintptr_t)ae;
    header.transfer_syntax_uid = (char *)EXPLICIT_VR;
    refusal_t refusal;
    bool stored = instance_read(instance, known, head, &header, &refusal);
    head_destroy(&head);
    free(set);
    return stored;
}

static instance_t instance_with(uint32_t tag, const char *text) {
    instance_t instance;
    cr_assert(read_with(&instance, memo, tag, text, "RAWSCU"));
    return instance;
}

/* The same as without a memo. */
static void expect_right(const instance_t *instance, uint32_t tag, const char *text, const char *ae) {
    instance_t wanted;
    cr_assert(read_with(&wanted, NULL, tag, text, ae));
    size_t size, wanted_size;
    uint8_t *packed = message_pack(&instance->series->base, &size),
            *wanted_packed = message_pack(&wanted.series->base, &wanted_size);
    cr_expect(size == wanted_size && memcmp(packed, wanted_packed, size) == 0, "%08X: another series", tag);
    cr_expect_str_eq(instance->file, wanted.file);
    cr_expect_str_eq(instance->sop_class_uid, wanted.sop_class_uid);
    cr_expect_str_eq(instance->sop_instance_uid, wanted.sop_instance_uid);
    free(packed);
    free(wanted_packed);
    instance_clear(&wanted);
}

Test(series_memo, gives_one_series_to_instances_that_differ_in_nothing_of_it) {
    static const struct {
        uint32_t tag;
        const char *text;
    } own[] = {{0x00080016, "1.2.4"}, {0x00080018, "1.2.3.9"}, {0x00200013, "77"}, {0x00200013, NULL}};
    instance_t first = instance_with(0, NULL);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        instance_t next = instance_with(own[i].tag, own[i].text);
        cr_expect_eq(next.series, first.series, "%08X", own[i].tag);
        expect_right(&next, own[i].tag, own[i].text, "RAWSCU");
        instance_clear(&next);
    }
    instance_clear(&first);
}

Test(series_memo, takes_no_series_for_another_that_differs_in_one_value) {
    static const uint32_t tags[] = {0x00080005, 0x00080020, 0x00080050, 0x00080060, 0x00081030,
                                    0x0008103E, 0x00100010, 0x00100020, 0x00100030, 0x00100040,
                                    0x00101010, 0x00181030, 0x0020000D, 0x0020000E, 0x00200011};
    instance_t first = instance_with(0, NULL);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        const char *text = tags[i] == 0x00080020 ? "20010203" : "9";
        instance_t next = instance_with(tags[i], text);
        cr_expect_neq(next.series, first.series, "%08X", tags[i]);
        expect_right(&next, tags[i], text, "RAWSCU");
        instance_clear(&next);
    }
    instance_clear(&first);
}

Test(series_memo, takes_no_series_for_that_of_another_title) {
    instance_t first = instance_with(0, NULL), other;
    cr_assert(read_with(&other, memo, 0, NULL, "OTHER"));
    cr_expect_neq(other.series, first.series);
    expect_right(&other, 0, NULL, "OTHER");
    instance_clear(&first);
    instance_clear(&other);
}

/* Nothing keeps a peer from it. */
Test(series_memo, reads_an_instances_own_texts_in_their_character_set) {
    character_set = "ISO_IR 144";
    instance_t first = instance_with(0x00080018, "1.2\xB1"), second = instance_with(0x00080018, "1.3\xB1");
    cr_expect_str_eq(first.sop_instance_uid, "1.2Б");
    cr_expect_eq(second.series, first.series);
    cr_expect_str_eq(second.sop_instance_uid, "1.3Б");
    instance_clear(&first);
    instance_clear(&second);
}

Test(series_memo, refuses_what_lacks_a_tag_however_often_it_comes) {
    static const uint32_t required[] = {0x0020000D, 0x0020000E, 0x00100020, 0x00080020, 0x00080018};
    instance_t instance = instance_with(0, NULL);
    instance_clear(&instance);
    for (size_t i = 0; i < 2 * (sizeof required / sizeof *required); i++) {
        cr_expect_not(read_with(&instance, memo, required[i / 2], NULL, "RAWSCU"), "%08X", required[i / 2]);
        instance_clear(&instance);
    }
}

Test(series_memo, lets_one_holder_move_without_the_others) {
    instance_t first = instance_with(0, NULL), second = instance_with(0, NULL);
    char *folder = copy_text(first.series->folder);
    series_move(&second.series, "SERVICES/PACS/elsewhere");
    cr_expect_str_eq(second.series->folder, "SERVICES/PACS/elsewhere");
    cr_expect_str_eq(second.series->series_instance_uid, first.series->series_instance_uid);
    cr_expect_str_eq(first.series->folder, folder);
    instance_t third = instance_with(0, NULL);
    cr_expect_str_eq(third.series->folder, folder);
    series_move(&second.series, "SERVICES/PACS/elsewhere/again");
    cr_expect_str_eq(second.series->folder, "SERVICES/PACS/elsewhere/again");
    free(folder);
    instance_clear(&first);
    instance_clear(&second);
    instance_clear(&third);
}

Test(series_memo, remembers_no_values_longer_than_it_has_room_for) {
    char text[SERIES_MEMO_VALUES_MAX_BYTES + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    instance_t first = instance_with(0x00081030, text), second = instance_with(0x00081030, text);
    cr_expect_neq(second.series, first.series);
    expect_right(&second, 0x00081030, text, "RAWSCU");
    instance_clear(&first);
    instance_clear(&second);
}

Test(series_memo, is_right_for_more_series_than_it_has_room_for) {
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3 * SERIES_MEMO_MAX; i++) {
            char uid[32];
            snprintf(uid, sizeof uid, "1.2.3.%d", i);
            instance_t instance = instance_with(0x0020000E, uid);
            expect_right(&instance, 0x0020000E, uid, "RAWSCU");
            instance_clear(&instance);
        }
}
