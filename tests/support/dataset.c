#include "tests/support/dataset.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void bytes_add(bytes_t *bytes, const void *more, size_t size) {
    bytes->at = realloc(bytes->at, bytes->size + size + 1);
    if (!bytes->at)
        abort();
    if (size)
        memcpy(bytes->at + bytes->size, more, size);
    bytes->size += size;
}

void bytes_free(bytes_t *bytes) {
    free(bytes->at);
    *bytes = (bytes_t){0};
}

static void add_number(bytes_t *set, bool big, uint32_t value, int size) {
    uint8_t out[4];
    for (int i = 0; i < size; i++)
        out[big ? size - 1 - i : i] = (uint8_t)(value >> (8 * i));
    bytes_add(set, out, (size_t)size);
}

static bool has_long_length(const char *vr) {
    static const char *const vrs[] = {"OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"};
    for (size_t i = 0; i < sizeof vrs / sizeof *vrs; i++)
        if (strcmp(vr, vrs[i]) == 0)
            return true;
    return false;
}

void dataset_add(bytes_t *set, const char *syntax, uint32_t tag, const char *vr, const void *value, size_t size) {
    bool big = strcmp(syntax, EXPLICIT_BE) == 0, implicit = strcmp(syntax, IMPLICIT_LE) == 0;
    size_t padded = size + size % 2;
    add_number(set, big, tag >> 16, 2);
    add_number(set, big, tag & 0xFFFF, 2);
    if (!implicit)
        bytes_add(set, vr, 2);
    if (!implicit && has_long_length(vr))
        add_number(set, big, 0, 2);
    add_number(set, big, (uint32_t)padded, implicit || has_long_length(vr) ? 4 : 2);
    bytes_add(set, value, size);
    if (size % 2)
        bytes_add(set, strcmp(vr, "UI") == 0 ? "" : " ", 1);
}

void dataset_text(bytes_t *set, const char *syntax, uint32_t tag, const char *vr, const char *value) {
    dataset_add(set, syntax, tag, vr, value, strlen(value));
}

bytes_t dataset_deflate(const bytes_t *set) {
    z_stream z = {0};
    bytes_t out = {0};
    size_t room = set->size + 1024;
    uint8_t *into = malloc(room);
    if (!into || deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = set->at;
    z.avail_in = (unsigned)set->size;
    z.next_out = into;
    z.avail_out = (unsigned)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    bytes_add(&out, into, room - z.avail_out);
    if (out.size % 2)
        bytes_add(&out, "", 1);
    deflateEnd(&z);
    free(into);
    return out;
}

bytes_t dataset_instance(const char *syntax, const char *series_uid, const char *instance_uid, int instance_number,
                         size_t pixels) {
    bytes_t set = {0};
    char number[16];
    snprintf(number, sizeof number, "%d", instance_number);
    dataset_text(&set, syntax, 0x00080016, "UI", MR_STORAGE);
    dataset_text(&set, syntax, 0x00080018, "UI", instance_uid);
    dataset_text(&set, syntax, 0x00080020, "DA", "20130308");
    dataset_text(&set, syntax, 0x00080050, "SH", "98edede8b2");
    dataset_text(&set, syntax, 0x00080060, "CS", "MR");
    dataset_text(&set, syntax, 0x00081030, "LO", "MR-Brain w/o Contrast");
    dataset_text(&set, syntax, 0x0008103E, "LO", "SAG MPRAGE 220 FOV");
    dataset_text(&set, syntax, 0x00100010, "PN", "Doe^Jane");
    dataset_text(&set, syntax, 0x00100020, "LO", "1449c1d");
    dataset_text(&set, syntax, 0x00100030, "DA", "20090701");
    dataset_text(&set, syntax, 0x00100040, "CS", "F");
    dataset_text(&set, syntax, 0x00101010, "AS", "003Y");
    dataset_text(&set, syntax, 0x00181030, "LO", "SAG MPRAGE");
    dataset_text(&set, syntax, 0x0020000D, "UI", "1.2.826.0.1.3680043.9.9999.2.1");
    dataset_text(&set, syntax, 0x0020000E, "UI", series_uid);
    dataset_text(&set, syntax, 0x00200011, "IS", "5");
    dataset_text(&set, syntax, 0x00200013, "IS", number);
    uint8_t *noise = malloc(pixels + 1);
    uint32_t state = (uint32_t)instance_number * 2654435761u + 1;
    for (size_t i = 0; noise && i < pixels; i++)
        noise[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    dataset_add(&set, syntax, 0x7FE00010, "OW", noise, pixels);
    free(noise);
    return set;
}

void part10_write(const char *path, const char *syntax, const char *sop_class, const char *instance_uid,
                  const bytes_t *set) {
    bytes_t meta = {0}, head = {0};
    dataset_add(&meta, EXPLICIT_LE, 0x00020001, "OB", "\0\1", 2);
    dataset_text(&meta, EXPLICIT_LE, 0x00020002, "UI", sop_class);
    dataset_text(&meta, EXPLICIT_LE, 0x00020003, "UI", instance_uid);
    dataset_text(&meta, EXPLICIT_LE, 0x00020010, "UI", syntax);
    dataset_text(&meta, EXPLICIT_LE, 0x00020012, "UI", "1.2.826.0.1.3680043.9.9999.1");
    uint8_t preamble[128] = {0}, length[4];
    for (int i = 0; i < 4; i++)
        length[i] = (uint8_t)(meta.size >> (8 * i));
    bytes_add(&head, preamble, sizeof preamble);
    bytes_add(&head, "DICM", 4);
    dataset_add(&head, EXPLICIT_LE, 0x00020000, "UL", length, 4);
    bytes_add(&head, meta.at, meta.size);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(head.at, 1, head.size, file) != head.size ||
        fwrite(set->at, 1, set->size, file) != set->size || fclose(file) != 0)
        abort();
    bytes_free(&meta);
    bytes_free(&head);
}

bytes_t part10_data_set(char *content, size_t size, char *syntax) {
    static const char tag[] = {2, 0, 0x10, 0, 'U', 'I'};
    uint8_t *at = (uint8_t *)content;
    *syntax = 0;
    if (!content || size < 144 || memcmp(content + 128, "DICM", 4) != 0)
        return (bytes_t){0};
    size_t meta = at[140] | (size_t)at[141] << 8 | (size_t)at[142] << 16;
    if (meta > size - 144)
        return (bytes_t){0};
    const char *found = memmem(content + 144, meta, tag, sizeof tag);
    if (found)
        snprintf(syntax, 65, "%.*s", (uint8_t)found[6], found + 8);
    return (bytes_t){at + 144 + meta, size - 144 - meta};
}
