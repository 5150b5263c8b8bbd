/* A hash of 64 bits for names that are kept as numbers (FNV-1a with the finalizer of MurmurHash3). No secret. */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <stdint.h>

#define HASH_BEGIN 0xCBF29CE484222325u

/* Goes on with a text and its NUL. */
static inline uint64_t hash_text(uint64_t hash, const char *text) {
    do
        hash = (hash ^ (uint8_t)*text) * 0x100000001B3u;
    while (*text++);
    return hash;
}

static inline uint64_t hash_end(uint64_t hash) {
    hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCDu;
    hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53u;
    return hash ^ hash >> 33;
}

#endif
