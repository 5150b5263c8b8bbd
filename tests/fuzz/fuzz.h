/* What the fuzz targets share: a target is a file STAGE_WHAT.c, linked with that stage but for its main(). */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "common/reader.h"

/* The target. Always returns 0; a finding ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Must hold for every input. */
#define CHECK(condition)                                                                                           \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                         \
            abort();                                                                                               \
        }                                                                                                          \
    } while (0)

/* How bytes arrive in pieces: sizes that the input itself gives, over and over. 0 stands for all that is left. */
typedef struct pieces {
    const uint8_t *sizes;
    size_t count, next;
} pieces_t;

#define PIECE_SIZES 4

static inline size_t piece_next(pieces_t *pieces, size_t left) {
    size_t size = pieces->sizes ? pieces->sizes[pieces->next++ % pieces->count] : 0;
    return size == 0 || size > left ? left : size;
}

/* FNV-1a, to compare what two ways of reading have said. */
static inline uint64_t digest_add(uint64_t digest, const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
    return digest;
}
#define DIGEST_BEGIN 0xCBF29CE484222325u

/* The next part of an input that holds several: a length of two bytes, big endian, before each. The last one may be
 * cut off. False at the end. */
static inline bool part_next(reader_t *input, reader_t *part) {
    uint16_t size;
    if (!reader_u16_be(input, &size))
        return false;
    return reader_part(input, size < reader_left(input) ? size : reader_left(input), part);
}

#endif
