#include "writer/dicom/part10.h"

#include <assert.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/reader.h"
#include "common/version.h"
#include "writer/dicom/element.h"

#define PREAMBLE_BYTES 128
/* Of the group length element: tag, VR, length, value. */
#define GROUP_LENGTH_BYTES 12

static void put_u16(FILE *out, size_t value) {
    fputc((int)(value & 0xFF), out);
    fputc((int)(value >> 8 & 0xFF), out);
}

/* File meta information is in Explicit VR Little Endian; these VRs have a length of 16 bits (PS3.5 7.1.2). */
static void put_text(FILE *out, unsigned element, const char *vr, const char *text, char padding) {
    size_t size = strlen(text);
    assert(size < UINT16_MAX); /* HEAD_VALUE_MAX_BYTES and the command's own limit see to it */
    put_u16(out, 0x0002);
    put_u16(out, element);
    fputs(vr, out);
    put_u16(out, size + size % 2);
    fwrite(text, 1, size, out);
    if (size % 2)
        fputc(padding, out);
}

/* An AE title is at most 16 characters of ASCII without backslash and control characters (PS3.5 6.2); what else a
 * peer called itself can't be said here. */
static void put_ae_title(FILE *out, const char *calling_ae) {
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

uint8_t *part10_header(const part10_t *part10, size_t *size) {
    static const uint8_t preamble[PREAMBLE_BYTES];
    char *bytes = NULL;
    FILE *out = must(open_memstream(&bytes, size));
    __fsetlocking(out, FSETLOCKING_BYCALLER); /* nobody else knows of it */
    fwrite(preamble, 1, sizeof preamble, out);
    fputs("DICM", out);
    put_u16(out, 0x0002);
    put_u16(out, 0x0000);
    fputs("UL", out);
    put_u16(out, 4);
    put_u16(out, 0); /* 32 bits, known only at the end */
    put_u16(out, 0);
    static const uint8_t version[] = {0x02, 0x00, 0x01, 0x00, 'O', 'B', 0, 0, 2, 0, 0, 0, 0x00, 0x01};
    fwrite(version, 1, sizeof version, out);
    put_text(out, 0x0002, "UI", part10->sop_class_uid, 0);
    put_text(out, 0x0003, "UI", part10->sop_instance_uid, 0);
    put_text(out, 0x0010, "UI", part10->transfer_syntax_uid, 0);
    put_text(out, 0x0012, "UI", IMPLEMENTATION_CLASS_UID, 0);
    put_text(out, 0x0013, "SH", IMPLEMENTATION_VERSION_NAME, ' ');
    put_ae_title(out, part10->calling_ae);
    must_hold(fclose(out) == 0);
    size_t length = *size - PREAMBLE_BYTES - strlen("DICM") - GROUP_LENGTH_BYTES;
    uint8_t *value = (uint8_t *)bytes + PREAMBLE_BYTES + strlen("DICM") + GROUP_LENGTH_BYTES - 4;
    for (int i = 0; i < 4; i++)
        value[i] = (uint8_t)(length >> 8 * i);
    return (uint8_t *)bytes;
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

/* Without padding; what does not fit is no value at all. */
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
