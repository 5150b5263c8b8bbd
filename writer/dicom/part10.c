#include "writer/dicom/part10.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/reader.h"
#include "common/version.h"
#include "writer/dicom/element.h"

#define PREAMBLE_BYTES 128
/* Of the group length element: tag, VR, length, value. */
#define GROUP_LENGTH_BYTES 12
/* Tag, VR and a length of 16 bits. */
#define SHORT_ELEMENT_BYTES 8

static const char PREFIX[4] = {'D', 'I', 'C', 'M'};
/* Element (0002,0001). */
static const uint8_t META_VERSION[] = {0x02, 0x00, 0x01, 0x00, 'O', 'B', 0, 0, 2, 0, 0, 0, 0x00, 0x01};

/* Bytes that are being written; the room is there. */
typedef struct output {
    uint8_t *at;
} output_t;

static void put(output_t *out, const void *bytes, size_t size) {
    memcpy(out->at, bytes, size);
    out->at += size;
}

static void put_u16(output_t *out, size_t value) {
    put(out, (const uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

/* File meta information is in Explicit VR Little Endian; these VRs have a length of 16 bits (PS3.5 7.1.2). */
static void put_text(output_t *out, unsigned element, const char *vr, const char *text, char padding) {
    size_t size = strlen(text);
    assert(size < UINT16_MAX); /* HEAD_VALUE_MAX_BYTES and the command's own limit see to it */
    put_u16(out, 0x0002);
    put_u16(out, element);
    put(out, vr, 2);
    put_u16(out, size + size % 2);
    put(out, text, size);
    put(out, &padding, size % 2);
}

/* An AE title is at most 16 characters of ASCII without backslash and control characters (PS3.5 6.2); other names
 * of peers have no place here. */
static void put_ae_title(output_t *out, const char *calling_ae) {
    char title[AE_TITLE_BYTES + 1];
    size_t size = 0;
    for (; *calling_ae && size < AE_TITLE_BYTES; calling_ae++) {
        if ((*calling_ae & 0xC0) == 0x80) /* of several bytes of UTF-8 only the first stands for the character */
            continue;
        title[size] = *calling_ae;
        if (*calling_ae < ' ' || *calling_ae >= 0x7F || *calling_ae == '\\')
            title[size] = '_';
        size++;
    }
    title[size] = 0;
    if (size > 0)
        put_text(out, 0x0016, "AE", title, ' ');
}

/* All that is not the three UIDs, and a padding for each. */
#define FIXED_BYTES                                                                                                \
    (PREAMBLE_BYTES + sizeof PREFIX + GROUP_LENGTH_BYTES + sizeof META_VERSION + 6 * SHORT_ELEMENT_BYTES +         \
     sizeof IMPLEMENTATION_CLASS_UID + sizeof IMPLEMENTATION_VERSION_NAME + AE_TITLE_BYTES + 3)

uint8_t *part10_header(const part10_t *part10, size_t *size) {
    size_t room = FIXED_BYTES + strlen(part10->sop_class_uid) + strlen(part10->sop_instance_uid) +
                  strlen(part10->transfer_syntax_uid);
    uint8_t *bytes = must(calloc(1, room));
    output_t out = {bytes + PREAMBLE_BYTES};
    put(&out, PREFIX, sizeof PREFIX);
    put_u16(&out, 0x0002);
    put_u16(&out, 0x0000);
    put(&out, "UL", 2);
    put_u16(&out, 4);
    uint8_t *length = out.at; /* known only at the end */
    out.at += 4;
    put(&out, META_VERSION, sizeof META_VERSION);
    put_text(&out, 0x0002, "UI", part10->sop_class_uid, 0);
    put_text(&out, 0x0003, "UI", part10->sop_instance_uid, 0);
    put_text(&out, 0x0010, "UI", part10->transfer_syntax_uid, 0);
    put_text(&out, 0x0012, "UI", IMPLEMENTATION_CLASS_UID, 0);
    put_text(&out, 0x0013, "SH", IMPLEMENTATION_VERSION_NAME, ' ');
    put_ae_title(&out, part10->calling_ae);
    *size = (size_t)(out.at - bytes);
    assert(*size <= room);
    for (int i = 0; i < 4; i++)
        length[i] = (uint8_t)((size_t)(out.at - length - 4) >> 8 * i);
    return bytes;
}

/* --- reading ------------------------------------------------------------------------------------------ */

/* One element of group 0002. False where none follows; then the reader stands where it stood. */
static bool read_element(reader_t *reader, uint16_t *number, reader_t *value) {
    reader_t r = *reader;
    uint16_t group, reserved, short_length = 0;
    uint32_t length = 0;
    const uint8_t *vr;
    if (!reader_u16_le(&r, &group) || group != 0x0002 || !reader_u16_le(&r, number) || !(vr = reader_take(&r, 2)))
        return false;
    if (vr_kind(vr) == VR_LONG ? !reader_u16_le(&r, &reserved) || !reader_u32_le(&r, &length)
                               : !reader_u16_le(&r, &short_length))
        return false;
    if (!reader_part(&r, length + short_length, value))
        return false;
    *reader = r;
    return true;
}

/* Without padding; a value that does not fit is none at all. */
static void take_text(char *text, size_t room, const reader_t *value) {
    const uint8_t *begin = value->begin, *end = value->end;
    while (end > begin && (end[-1] == 0 || end[-1] == ' '))
        end--;
    while (begin < end && *begin == ' ')
        begin++;
    size_t size = (size_t)(end - begin);
    if (size >= room)
        return;
    memcpy(text, begin, size);
    text[size] = 0;
}

bool part10_read(const void *bytes, size_t size, part10_file_t *file) {
    reader_t reader = reader_over(bytes, size), value;
    uint16_t number;
    *file = (part10_file_t){0};
    const uint8_t *prefix = reader_take(&reader, PREAMBLE_BYTES) ? reader_take(&reader, 4) : NULL;
    if (!prefix || memcmp(prefix, "DICM", 4) != 0)
        return false;
    while (read_element(&reader, &number, &value)) {
        if (number == 0x0002)
            take_text(file->sop_class_uid, sizeof file->sop_class_uid, &value);
        else if (number == 0x0003)
            take_text(file->sop_instance_uid, sizeof file->sop_instance_uid, &value);
        else if (number == 0x0010)
            take_text(file->transfer_syntax_uid, sizeof file->transfer_syntax_uid, &value);
        else if (number == 0x0016)
            take_text(file->calling_ae, sizeof file->calling_ae, &value);
    }
    file->header_bytes = (size_t)(reader.at - reader.begin);
    return *file->transfer_syntax_uid != 0;
}
