#include "writer/dicom/part10.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/reader.h"
#include "common/version.h"

typedef struct meta {
    uint8_t *bytes;
    reader_t reader;
    uint32_t group_length;
} meta_t;

/* Checks what stands before the elements. */
static meta_t meta_of(const part10_t *part10) {
    meta_t meta = {0};
    size_t size;
    meta.bytes = part10_header(part10, &size);
    reader_t all = reader_over(meta.bytes, size);
    static const uint8_t nothing[128];
    cr_assert_arr_eq(reader_take(&all, 128), nothing, 128);
    cr_assert_arr_eq(reader_take(&all, 4), "DICM", 4);
    cr_assert_arr_eq(reader_take(&all, 8), "\x02\0\0\0UL\x04\0", 8);
    cr_assert(reader_u32_le(&all, &meta.group_length));
    meta.reader = reader_over(all.at, reader_left(&all));
    return meta;
}

static void expect_element(meta_t *meta, uint16_t element, const char *vr, const char *value, size_t size) {
    uint16_t group = 0, number = 0, length = 0;
    cr_assert(reader_u16_le(&meta->reader, &group) && reader_u16_le(&meta->reader, &number));
    cr_expect_eq(group, 2);
    cr_expect_eq(number, element);
    cr_expect_arr_eq(reader_take(&meta->reader, 2), vr, 2);
    if (strcmp(vr, "OB") == 0)
        cr_assert_not_null(reader_take(&meta->reader, 2));
    cr_assert(reader_u16_le(&meta->reader, &length));
    if (strcmp(vr, "OB") == 0)
        cr_assert_not_null(reader_take(&meta->reader, 2));
    cr_expect_eq(length, size, "of element %04x", element);
    cr_assert_arr_eq(reader_take(&meta->reader, size), value, size);
}

Test(part10, header_is_a_preamble_and_file_meta_information) {
    part10_t part10 = {"1.2.840.10008.5.1.4.1.1.4", "1.2.3.44", "1.2.840.10008.1.2.1", "RAWSCU"};
    meta_t meta = meta_of(&part10);
    cr_expect_eq(meta.group_length, reader_left(&meta.reader));
    expect_element(&meta, 0x0001, "OB", "\0\1", 2);
    expect_element(&meta, 0x0002, "UI", "1.2.840.10008.5.1.4.1.1.4\0", 26);
    expect_element(&meta, 0x0003, "UI", "1.2.3.44", 8);
    expect_element(&meta, 0x0010, "UI", "1.2.840.10008.1.2.1\0", 20);
    size_t size = strlen(IMPLEMENTATION_CLASS_UID);
    expect_element(&meta, 0x0012, "UI", IMPLEMENTATION_CLASS_UID "\0", size + size % 2);
    size = strlen(IMPLEMENTATION_VERSION_NAME);
    expect_element(&meta, 0x0013, "SH", IMPLEMENTATION_VERSION_NAME " ", size + size % 2);
    expect_element(&meta, 0x0016, "AE", "RAWSCU", 6);
    cr_expect_eq(reader_left(&meta.reader), 0);
    free(meta.bytes);
}

static void expect_title(const char *calling_ae, const char *wanted) {
    part10_t part10 = {"1", "2", "3", calling_ae};
    meta_t meta = meta_of(&part10);
    size_t size = strlen(wanted);
    if (size > 0)
        cr_expect_arr_eq(meta.reader.end - size - size % 2, wanted, size, "%s", calling_ae);
    uint8_t length = meta.reader.end[-(ptrdiff_t)(size + size % 2) - 2];
    if (size > 0)
        cr_expect_eq(length, size + size % 2);
    cr_expect_eq(meta.group_length, reader_left(&meta.reader));
    free(meta.bytes);
}

Test(part10, source_title_is_an_ae_title_whatever_the_peer_called_itself) {
    expect_title("A", "A");
    expect_title("16CHARACTERSLONG", "16CHARACTERSLONG");
    expect_title("longer than sixteen characters", "longer than sixt");
    expect_title("\xC3\xBCnicode", "_nicode");
    expect_title("tab\tin\\it", "tab_in_it");
}

Test(part10, header_of_a_nameless_peer_has_no_source_title) {
    part10_t part10 = {"1", "2", "3", ""};
    meta_t meta = meta_of(&part10);
    cr_expect_null(memmem(meta.bytes, 400 < reader_left(&meta.reader) ? 400 : reader_left(&meta.reader), "AE", 2));
    cr_expect_eq(meta.group_length, reader_left(&meta.reader));
    free(meta.bytes);
}

/* --- read back ------------------------------------------------------------------------------------------- */

static const part10_t WRITTEN = {"1.2.840.10008.5.1.4.1.1.4", "1.2.3.4.5", "1.2.840.10008.1.2.1", "MY PACS"};

Test(part10, reads_what_it_has_written) {
    part10_file_t file;
    size_t size;
    uint8_t *bytes = part10_header(&WRITTEN, &size);
    cr_assert(part10_read(bytes, size, &file));
    cr_expect_str_eq(file.sop_class_uid, WRITTEN.sop_class_uid);
    cr_expect_str_eq(file.sop_instance_uid, WRITTEN.sop_instance_uid);
    cr_expect_str_eq(file.transfer_syntax_uid, WRITTEN.transfer_syntax_uid);
    cr_expect_str_eq(file.calling_ae, WRITTEN.calling_ae);
    cr_expect_eq(file.header_bytes, size);
    free(bytes);
}

Test(part10, reads_a_header_that_is_cut_off_or_damaged_anywhere_without_leaving_its_bytes) {
    part10_file_t file;
    size_t size;
    uint8_t *bytes = part10_header(&WRITTEN, &size);
    for (size_t i = 0; i < size; i++) {
        uint8_t *part = malloc(i + 1), kept = bytes[i];
        memcpy(part, bytes, i); /* of its own, so that a sanitizer sees a read beyond it */
        if (part10_read(part, i, &file))
            cr_expect_leq(file.header_bytes, i);
        free(part);
        bytes[i] = 0xFF;
        if (part10_read(bytes, size, &file))
            cr_expect_leq(file.header_bytes, size);
        bytes[i] = kept;
    }
    cr_expect_not(part10_read("DICM", 4, &file));
    free(bytes);
}

Test(part10, takes_a_value_that_is_too_long_for_none) {
    part10_file_t file;
    size_t size;
    char uid[80];
    memset(uid, '1', sizeof uid - 1);
    uid[sizeof uid - 1] = 0;
    uint8_t *bytes = part10_header(&(part10_t){"1.2", uid, "1.2.840.10008.1.2", "AE"}, &size);
    cr_assert(part10_read(bytes, size, &file));
    cr_expect_str_eq(file.sop_instance_uid, "");
    free(bytes);
}
