#include "tests/writer/dicom/data_set.h"
#include "writer/incoming.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

data_set_t *data_set_new(const char *transfer_syntax_uid) {
    data_set_t *set = calloc(1, sizeof *set);
    assert(set);
    set->is_implicit = strcmp(transfer_syntax_uid, IMPLICIT_VR) == 0;
    set->is_big = strcmp(transfer_syntax_uid, BIG_ENDIAN_VR) == 0;
    return set;
}

void add_bytes(data_set_t *set, const void *bytes, size_t size) {
    assert(size <= sizeof set->bytes - set->size);
    memcpy(set->bytes + set->size, bytes, size);
    set->size += size;
}

static void put(data_set_t *set, uint32_t value, int size) {
    for (int i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * (set->is_big ? size - 1 - i : i));
        add_bytes(set, &byte, 1);
    }
}

void add_header(data_set_t *set, uint32_t tag, const char *vr, uint32_t length) {
    put(set, tag >> 16, 2);
    put(set, tag & 0xFFFF, 2);
    if (set->is_implicit || tag >> 16 == 0xFFFE) {
        put(set, length, 4);
        return;
    }
    add_bytes(set, vr, 2);
    if (strstr("OB OW OF UN SQ UT UC UR", vr)) {
        put(set, 0, 2);
        put(set, length, 4);
    } else
        put(set, length, 2);
}

void add_text(data_set_t *set, uint32_t tag, const char *vr, const char *text) {
    size_t size = strlen(text);
    add_header(set, tag, vr, (uint32_t)(size + size % 2));
    add_bytes(set, text, size);
    if (size % 2)
        add_bytes(set, strcmp(vr, "UI") == 0 ? "" : " ", 1);
}

void add_number(data_set_t *set, uint32_t tag, uint16_t value) {
    add_header(set, tag, "US", 2);
    put(set, value, 2);
}

void add_pixels(data_set_t *set, size_t size) {
    static const uint8_t row[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    add_header(set, 0x7FE00010, "OW", (uint32_t)size);
    for (size_t at = 0; at < size; at += sizeof row)
        add_bytes(set, row, sizeof row);
}

data_set_t *typical_but(const char *transfer_syntax_uid, uint32_t tag, const char *text) {
    static const struct {
        uint32_t tag;
        const char *vr, *text;
    } elements[] = {
        {0x00080005, "CS", "ISO_IR 100"},
        {0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.4"},
        {0x00080018, "UI", "1.2.826.0.1.3680043.9.9999.4.1"},
        {0x00080020, "DA", "20130308"},
        {0x00080050, "SH", "98edede8b2"},
        {0x00080060, "CS", "MR"},
        {0x00081030, "LO", "MR-Brain w/o Contrast"},
        {0x0008103E, "LO", "SAG MPRAGE 220 FOV"},
        {0x00100010, "PN", "Doe^Jane"},
        {0x00100020, "LO", "1449c1d"},
        {0x00100030, "DA", "20090701"},
        {0x00100040, "CS", "F"},
        {0x00101010, "AS", "003Y"},
        {0x00181030, "LO", "SAG MPRAGE"},
        {0x0020000D, "UI", "1.2.826.0.1.3680043.9.9999.2.1"},
        {0x0020000E, "UI", SERIES_UID},
        {0x00200011, "IS", "5"},
        {0x00200013, "IS", "1"},
    };
    data_set_t *set = data_set_new(transfer_syntax_uid);
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].tag != tag)
            add_text(set, elements[i].tag, elements[i].vr, elements[i].text);
        else if (text)
            add_text(set, tag, elements[i].vr, text);
    add_number(set, 0x00280010, 2);
    add_pixels(set, 8);
    if (strcmp(transfer_syntax_uid, DEFLATED_VR) == 0 || strcmp(transfer_syntax_uid, JPIP_DEFLATED_VR) == 0)
        data_set_deflate(set);
    return set;
}

data_set_t *typical_but_long(uint32_t tag, const char *text) {
    data_set_t *set = data_set_new(EXPLICIT_VR), *rest = typical_but(EXPLICIT_VR, tag, text);
    const uint32_t size = HEAD_GATHERED_MAX_BYTES + 4096;
    size_t begin = (size_t)((uint8_t *)memmem(rest->bytes, rest->size, "\x10\0\x10\0", 4) - rest->bytes);
    add_bytes(set, rest->bytes, begin);
    add_header(set, 0x00091010, "OB", size);
    memset(set->bytes + set->size, 'x', size);
    set->size += size;
    add_bytes(set, rest->bytes + begin, rest->size - begin);
    free(rest);
    return set;
}

data_set_t *typical(const char *transfer_syntax_uid) {
    return typical_but(transfer_syntax_uid, 0, NULL);
}

void data_set_deflate(data_set_t *set) {
    z_stream stream = {.next_in = set->bytes, .avail_in = (uInt)set->size};
    static uint8_t deflated[sizeof set->bytes];
    stream.next_out = deflated;
    stream.avail_out = sizeof deflated;
    int begun = deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    assert(begun == Z_OK);
    int ended = deflate(&stream, Z_FINISH);
    assert(ended == Z_STREAM_END);
    (void)begun;
    (void)ended;
    set->size = stream.total_out;
    memcpy(set->bytes, deflated, set->size);
    deflateEnd(&stream);
}
