#include "writer/dicom/element.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A value of at most so many bytes is looked beyond, to see whether an element follows there. */
#define LOOK_BEYOND_BYTES   64
#define LONG_HEADER_BYTES   12
#define PAIR(first, second) ((first) << 8 | (second))

/* A question about bytes, some of them possibly missing yet. */
typedef enum answer { NO, YES, WAIT } answer_t;

/* Bytes of a header and after it. */
typedef struct look {
    const uint8_t *bytes;
    size_t size;
    bool is_end, is_big, is_implicit;
    uint32_t tag;
} look_t;

vr_kind_t vr_kind(const void *vr) {
    const uint8_t *c = vr;
    switch (PAIR(c[0], c[1])) {
    case PAIR('A', 'E'):
    case PAIR('A', 'S'):
    case PAIR('A', 'T'):
    case PAIR('C', 'S'):
    case PAIR('D', 'A'):
    case PAIR('D', 'S'):
    case PAIR('D', 'T'):
    case PAIR('F', 'D'):
    case PAIR('F', 'L'):
    case PAIR('I', 'S'):
    case PAIR('L', 'O'):
    case PAIR('L', 'T'):
    case PAIR('P', 'N'):
    case PAIR('S', 'H'):
    case PAIR('S', 'L'):
    case PAIR('S', 'S'):
    case PAIR('S', 'T'):
    case PAIR('T', 'M'):
    case PAIR('U', 'I'):
    case PAIR('U', 'L'):
    case PAIR('U', 'S'):
        return VR_SHORT;
    case PAIR('O', 'B'):
    case PAIR('O', 'D'):
    case PAIR('O', 'F'):
    case PAIR('O', 'L'):
    case PAIR('O', 'V'):
    case PAIR('O', 'W'):
    case PAIR('S', 'Q'):
    case PAIR('S', 'V'):
    case PAIR('U', 'C'):
    case PAIR('U', 'N'):
    case PAIR('U', 'R'):
    case PAIR('U', 'T'):
    case PAIR('U', 'V'):
        return VR_LONG;
    default:
        return VR_UNKNOWN;
    }
}

static uint16_t u16(const uint8_t *at, bool is_big) {
    return (uint16_t)(is_big ? at[0] << 8 | at[1] : at[1] << 8 | at[0]);
}

static uint32_t u32(const uint8_t *at, bool is_big) {
    uint32_t first = u16(at, is_big), second = u16(at + 2, is_big);
    return is_big ? first << 16 | second : second << 16 | first;
}

static uint32_t tag_at(const uint8_t *at, bool is_big) {
    return (uint32_t)u16(at, is_big) << 16 | u16(at + 2, is_big);
}

static bool is_letters(const uint8_t *vr) {
    return vr[0] >= 'A' && vr[0] <= 'Z' && vr[1] >= 'A' && vr[1] <= 'Z';
}

/* "??", "  ", "ox", two NULs have all been sent; anything else here is the lower half of a length. */
static bool may_be_vr(const uint8_t *vr) {
    return (vr[0] >= ' ' && vr[0] <= '~' && vr[1] >= ' ' && vr[1] <= '~') || (vr[0] == 0 && vr[1] == 0);
}

/* Whether an element of explicit VR, an item or a delimiter follows where a value of that length would end; where
 * implicit ones are expected, one of these. */
static answer_t is_followed(const look_t *look, size_t header_bytes, uint32_t length) {
    if (length > LOOK_BEYOND_BYTES)
        return NO;
    size_t at = header_bytes + length;
    if (look->size < at + ELEMENT_HEADER_BYTES)
        return !look->is_end ? WAIT : look->size == at ? YES : NO;
    const uint8_t *next = look->bytes + at;
    uint32_t tag = tag_at(next, look->is_big);
    if (tag >> 16 == 0xFFFE)
        return YES;
    bool has_vr = is_letters(next + 4) || memcmp(next + 4, look->bytes + 4, 2) == 0;
    return tag >= look->tag && (has_vr || (look->is_implicit && u16(next + 6, look->is_big) == 0)) ? YES : NO;
}

/* `vr`: NULL, there is none. */
static bool end(element_t *element, const uint8_t *vr, uint32_t length, uint8_t header_bytes) {
    memcpy(element->vr, vr ? (const char *)vr : "\0", sizeof element->vr);
    element->encoding.is_explicit = vr != NULL;
    element->length = length;
    element->header_bytes = header_bytes;
    return true;
}

static bool end_short(const look_t *look, element_t *element) {
    return end(element, look->bytes + 4, u16(look->bytes + 6, look->is_big), ELEMENT_HEADER_BYTES);
}

static bool end_long(const look_t *look, element_t *element) {
    return look->size >= LONG_HEADER_BYTES &&
           end(element, look->bytes + 4, u32(look->bytes + 8, look->is_big), LONG_HEADER_BYTES);
}

static bool end_implicit(const look_t *look, element_t *element) {
    return end(element, NULL, u32(look->bytes + 4, look->is_big), ELEMENT_HEADER_BYTES);
}

/* Where a VR should be that is none of PS3.5. Letters are one of a later edition, which has a long length (PS3.5
 * 7.1.2), unless that leaves no room for the reserved bytes. */
static bool read_unknown(const look_t *look, element_t *element) {
    uint16_t length = u16(look->bytes + 6, look->is_big);
    if (is_letters(look->bytes + 4))
        return length == 0 ? end_long(look, element) : end_short(look, element);
    if (!may_be_vr(look->bytes + 4))
        return end_implicit(look, element);
    if (length > LOOK_BEYOND_BYTES) /* an implicit length would be one of more than 4 MiB */
        return end_short(look, element);
    answer_t is_short = is_followed(look, ELEMENT_HEADER_BYTES, length);
    if (is_short == YES)
        return end_short(look, element);
    if (is_short == WAIT || (length == 0 && look->size < LONG_HEADER_BYTES && !look->is_end))
        return false;
    if (length != 0 || look->size < LONG_HEADER_BYTES)
        return end_implicit(look, element);
    answer_t is_long = is_followed(look, LONG_HEADER_BYTES, u32(look->bytes + 8, look->is_big));
    return is_long == WAIT ? false : is_long == YES ? end_long(look, element) : end_implicit(look, element);
}

static bool read_explicit(const look_t *look, element_t *element) {
    vr_kind_t kind = vr_kind(look->bytes + 4);
    uint16_t length = u16(look->bytes + 6, look->is_big);
    if (kind == VR_UNKNOWN)
        return read_unknown(look, element);
    if (kind == VR_SHORT && length == 0) {
        /* A sequence that gives another VR: no tag is FFFF,FFFF. */
        if (look->size < LONG_HEADER_BYTES && !look->is_end)
            return false;
        bool is_long = look->size >= LONG_HEADER_BYTES && u32(look->bytes + 8, look->is_big) == ELEMENT_UNDEFINED;
        return is_long ? end_long(look, element) : end_short(look, element);
    }
    if (kind == VR_SHORT)
        return end_short(look, element);
    if (length == 0)
        return end_long(look, element);
    /* The reserved bytes are not zero: a length of 16 bits, if an element follows that. */
    answer_t is_short = is_followed(look, ELEMENT_HEADER_BYTES, length);
    return is_short == WAIT ? false : is_short == YES ? end_short(look, element) : end_long(look, element);
}

/* The lower half of a length that is odd, or of several megabytes, and reads like a VR, is one. */
static bool read_implicit(const look_t *look, element_t *element) {
    vr_kind_t kind = vr_kind(look->bytes + 4);
    uint16_t length = u16(look->bytes + 6, look->is_big);
    if (kind == VR_UNKNOWN)
        return end_implicit(look, element);
    if (look->bytes[4] % 2 != 0 || length > LOOK_BEYOND_BYTES)
        return read_explicit(look, element);
    answer_t is_short = is_followed(look, ELEMENT_HEADER_BYTES, length);
    return is_short == WAIT ? false : is_short == YES ? end_short(look, element) : end_implicit(look, element);
}

static int vr_of(const element_t *element) {
    return PAIR((uint8_t)element->vr[0], (uint8_t)element->vr[1]);
}

/* Of one number of that VR; 0: it is of text, or of something else. */
static size_t number_bytes(int vr) {
    switch (vr) {
    case PAIR('U', 'S'):
    case PAIR('S', 'S'):
        return 2;
    case PAIR('U', 'L'):
    case PAIR('S', 'L'):
    case PAIR('A', 'T'):
    case PAIR('F', 'L'):
        return 4;
    case PAIR('U', 'V'):
    case PAIR('S', 'V'):
    case PAIR('F', 'D'):
        return 8;
    default:
        return 0;
    }
}

bool element_read(const uint8_t *bytes, size_t size, bool is_end, encoding_t expected, element_t *element) {
    if (size < ELEMENT_HEADER_BYTES)
        return false;
    look_t look = {bytes, size, is_end, expected.is_big, !expected.is_explicit, tag_at(bytes, expected.is_big)};
    element->tag = look.tag;
    element->encoding = expected;
    element->is_number = false;
    if (look.tag >> 16 == 0xFFFE) /* items and delimiters have no VR (PS3.5 7.5) */
        return end_implicit(&look, element);
    if (!(expected.is_explicit ? read_explicit(&look, element) : read_implicit(&look, element)))
        return false;
    element->is_number = number_bytes(vr_of(element)) > 0;
    return true;
}

/* --- numbers ------------------------------------------------------------------------------------------ */

static uint64_t u64(const uint8_t *at, bool is_big) {
    uint64_t first = u32(at, is_big), second = u32(at + 4, is_big);
    return is_big ? first << 32 | second : second << 32 | first;
}

/* With as many digits as tell all numbers of the VR apart. */
static void print_float(const uint8_t *at, bool is_big, bool is_double, char text[ELEMENT_NUMBER_BYTES]) {
    uint64_t wide_bits = is_double ? u64(at, is_big) : 0;
    uint32_t bits = is_double ? 0 : u32(at, is_big);
    double wide;
    float narrow;
    memcpy(&wide, &wide_bits, sizeof wide);
    memcpy(&narrow, &bits, sizeof narrow);
    snprintf(text, ELEMENT_NUMBER_BYTES, "%.*g", is_double ? 17 : 9, is_double ? wide : (double)narrow);
}

static void print_number(int vr, const uint8_t *at, bool is_big, char text[ELEMENT_NUMBER_BYTES]) {
    switch (vr) {
    case PAIR('U', 'S'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "%u", u16(at, is_big));
        break;
    case PAIR('S', 'S'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "%d", (int16_t)u16(at, is_big));
        break;
    case PAIR('U', 'L'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "%" PRIu32, u32(at, is_big));
        break;
    case PAIR('S', 'L'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "%" PRId32, (int32_t)u32(at, is_big));
        break;
    case PAIR('U', 'V'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "%" PRIu64, u64(at, is_big));
        break;
    case PAIR('S', 'V'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "%" PRId64, (int64_t)u64(at, is_big));
        break;
    case PAIR('A', 'T'):
        snprintf(text, ELEMENT_NUMBER_BYTES, "(%04x,%04x)", u16(at, is_big), u16(at + 2, is_big));
        break;
    default:
        print_float(at, is_big, vr == PAIR('F', 'D'), text);
    }
}

void element_number(const element_t *element, const void *value, size_t size, char text[ELEMENT_NUMBER_BYTES]) {
    int vr = vr_of(element);
    text[0] = 0;
    if (size >= number_bytes(vr))
        print_number(vr, value, element->encoding.is_big, text);
}
