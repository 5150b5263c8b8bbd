#include "listener/ul/items.h"

#include <string.h>

bool item_next(reader_t *items, uint8_t *type, reader_t *body) {
    reader_t r = *items;
    uint8_t reserved;
    uint16_t length;
    if (!reader_u8(&r, type) || !reader_u8(&r, &reserved) || !reader_u16_be(&r, &length) ||
        !reader_part(&r, length, body))
        return false;
    *items = r;
    return true;
}

syntax_uid_t item_uid(reader_t body) {
    size_t size = reader_left(&body);
    const char *text = (const char *)body.at;
    while (size > 0 && (text[size - 1] == 0 || text[size - 1] == ' '))
        size--;
    return (syntax_uid_t){text, size};
}

bool uid_is(syntax_uid_t uid, const char *text) {
    return uid_equal(uid, (syntax_uid_t){text, strlen(text)});
}

bool uid_equal(syntax_uid_t a, syntax_uid_t b) {
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

uint8_t *put_u16(uint8_t *to, size_t value) {
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

uint8_t *put_u32(uint8_t *to, size_t value) {
    return put_u16(put_u16(to, value >> 16), value & 0xFFFF);
}

uint8_t *put_item(uint8_t *to, item_type_t type, const void *body, size_t size) {
    *to++ = (uint8_t)type;
    *to++ = 0;
    to = put_u16(to, size);
    memcpy(to, body, size);
    return to + size;
}
