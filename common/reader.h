/* A reader that cannot run past the end of its bytes. Every read says whether it succeeded; a failed one does not
 * move the reader. Nothing is copied: the bytes must outlive the reader. */
#ifndef COMMON_READER_H
#define COMMON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

typedef struct reader {
    const uint8_t *begin, *at, *end;
} reader_t;

static inline reader_t reader_over(const void *bytes, size_t size) {
    const uint8_t *b = bytes;
    return (reader_t){.begin = b, .at = b, .end = b + size};
}

static inline size_t reader_left(const reader_t *r) {
    return (size_t)(r->end - r->at);
}

/* The next `size` bytes, or NULL where fewer are left. */
static inline MUST_CHECK const uint8_t *reader_take(reader_t *r, size_t size) {
    if (reader_left(r) < size)
        return NULL;
    const uint8_t *taken = r->at;
    r->at += size;
    return taken;
}

/* A reader of its own over the next `size` bytes. */
static inline MUST_CHECK bool reader_part(reader_t *r, size_t size, reader_t *part) {
    const uint8_t *bytes = reader_take(r, size);
    if (!bytes)
        return false;
    *part = reader_over(bytes, size);
    return true;
}

static inline MUST_CHECK bool reader_u8(reader_t *r, uint8_t *value) {
    const uint8_t *b = reader_take(r, 1);
    if (b)
        *value = b[0];
    return b != NULL;
}

static inline MUST_CHECK bool reader_u16_be(reader_t *r, uint16_t *value) {
    const uint8_t *b = reader_take(r, 2);
    if (b)
        *value = (uint16_t)(b[0] << 8 | b[1]);
    return b != NULL;
}

static inline MUST_CHECK bool reader_u32_be(reader_t *r, uint32_t *value) {
    const uint8_t *b = reader_take(r, 4);
    if (b)
        *value = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return b != NULL;
}

static inline MUST_CHECK bool reader_u16_le(reader_t *r, uint16_t *value) {
    const uint8_t *b = reader_take(r, 2);
    if (b)
        *value = (uint16_t)(b[1] << 8 | b[0]);
    return b != NULL;
}

static inline MUST_CHECK bool reader_u32_le(reader_t *r, uint32_t *value) {
    const uint8_t *b = reader_take(r, 4);
    if (b)
        *value = (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
    return b != NULL;
}

#endif
