/* The hash that names series folders. Its values are part of the contract with stored files. */
#include "writer/dicom/seahash.h"

#include <stdio.h>
#include <string.h>

static uint64_t diffuse(uint64_t x) {
    const uint64_t prime = 0x6EED0E9DA4D94A4Fu;
    x *= prime;
    x ^= (x >> 32) >> (x >> 60);
    return x * prime;
}

/* At most 8 bytes as a little-endian number. */
static uint64_t word_of(const uint8_t *bytes, size_t size) {
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t seahash(const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    uint64_t lanes[4] = {0x16F11FE89B0D677Cu, 0xB480A793D8E6C86Cu, 0x6FE2E5AAF078EBC9u, 0x14F994A4C5259381u};
    size_t lane = 0;
    for (size_t left = size, part; left > 0; left -= part, at += part) {
        part = left < 8 ? left : 8;
        lanes[lane] = diffuse(lanes[lane] ^ word_of(at, part));
        lane = (lane + 1) % 4;
    }
    return diffuse(lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3] ^ (uint64_t)size);
}

void hash7(const void *bytes, size_t size, char text[HASH7_BYTES + 1]) {
    char whole[17];
    snprintf(whole, sizeof whole, "%llx", (unsigned long long)seahash(bytes, size));
    memcpy(text, whole, HASH7_BYTES);
    text[HASH7_BYTES] = 0;
}

void hash_whole(const void *bytes, size_t size, char text[HASH_WHOLE_BYTES + 1]) {
    snprintf(text, HASH_WHOLE_BYTES + 1, "%016llx", (unsigned long long)seahash(bytes, size));
}
