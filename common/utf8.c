#include "common/utf8.h"

#include "common/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Length of the well-formed sequence at `s` (Unicode 15, table 3-7), or 0. */
static size_t sequence_length(const uint8_t *s, size_t left) {
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                    : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                    : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                   : 0;
    if (length == 0 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
        (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

bool utf8_valid(const char *bytes, size_t size) {
    const uint8_t *s = (const uint8_t *)bytes;
    for (size_t at = 0, n; at < size; at += n)
        if ((n = sequence_length(s + at, size - at)) == 0)
            return false;
    return true;
}

size_t utf8_cut(const char *text, size_t characters) {
    size_t at = 0;
    for (size_t seen = 0; text[at]; at++)
        if ((text[at] & 0xC0) != 0x80 && seen++ == characters)
            break;
    return at;
}

/* The length of the control character at `s`, or 0. */
static size_t control_length(const uint8_t *s) {
    if (s[0] < ' ' || s[0] == 0x7F)
        return 1;
    if ((s[0] == 0xC2 && s[1] <= 0x9F) || (s[0] == 0xD8 && s[1] == 0x9C)) /* C1, U+061C */
        return 2;
    if (s[0] == 0xE2 && s[1] == 0x80) /* U+200E, U+200F, U+2028 to U+202E */
        return s[2] == 0x8E || s[2] == 0x8F || (s[2] >= 0xA8 && s[2] <= 0xAE) ? 3 : 0;
    return s[0] == 0xE2 && s[1] == 0x81 && s[2] >= 0xA6 && s[2] <= 0xA9 ? 3 : 0; /* U+2066 to U+2069 */
}

void utf8_blank_controls(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        size_t length = control_length((const uint8_t *)from);
        *to++ = (char)(length ? '?' : *from);
        from += length ? length : 1;
    }
    *to = 0;
}

char *utf8_shown(const char *text) {
    size_t size = strlen(text);
    char *shown = utf8_valid(text, size) ? copy_text(text) : utf8_from_latin1(text, size, NULL);
    utf8_blank_controls(shown);
    return shown;
}

char *utf8_from_latin1(const char *bytes, size_t size, size_t *size_out) {
    char *text = must(malloc(2 * size + 1)), *to = text;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)bytes[i];
        if (c < 0x80)
            *to++ = (char)c;
        else {
            *to++ = (char)(0xC0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3F));
        }
    }
    *to = 0;
    if (size_out)
        *size_out = (size_t)(to - text);
    return text;
}
