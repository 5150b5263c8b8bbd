/* SeaHash (https://docs.rs/seahash, the portable reference algorithm with its default seeds). */
#ifndef WRITER_DICOM_SEAHASH_H
#define WRITER_DICOM_SEAHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t seahash(const void *bytes, size_t size);

/* "hash7" of DESIGN's paths: at most 7 characters of the hash in hexadecimal without leading zeros. */
#define HASH7_BYTES 7
void hash7(const void *bytes, size_t size, char text[HASH7_BYTES + 1]);

/* All of it, with leading zeros. */
#define HASH_WHOLE_BYTES 16
void hash_whole(const void *bytes, size_t size, char text[HASH_WHOLE_BYTES + 1]);

#endif
