/* Data sets built element by element, for tests. */
#ifndef TESTS_WRITER_DICOM_DATA_SET_H
#define TESTS_WRITER_DICOM_DATA_SET_H

#include <stddef.h>
#include <stdint.h>

#define EXPLICIT_VR      "1.2.840.10008.1.2.1"
#define IMPLICIT_VR      "1.2.840.10008.1.2"
#define BIG_ENDIAN_VR    "1.2.840.10008.1.2.2"
#define DEFLATED_VR      "1.2.840.10008.1.2.1.99"
#define JPIP_DEFLATED_VR "1.2.840.10008.1.2.4.205"
#define JPEG_VR          "1.2.840.10008.1.2.4.70"

#define UNDEFINED_LENGTH 0xFFFFFFFFu
#define ITEM             0xFFFEE000u
#define ITEM_END         0xFFFEE00Du
#define SEQUENCE_END     0xFFFEE0DDu

#define INSTANCE_UID     "1.2.826.0.1.3680043.9.9999.4.1"
#define SERIES_UID       "1.2.826.0.1.3680043.9.9999.3.1"

typedef struct data_set {
    int is_implicit, is_big;
    uint8_t bytes[512 * 1024];
    size_t size;
} data_set_t;

/* An empty one in a transfer syntax; free it. */
data_set_t *data_set_new(const char *transfer_syntax_uid);

/* An element's header only. Items and delimiters have no VR. */
void add_header(data_set_t *set, uint32_t tag, const char *vr, uint32_t length);
void add_bytes(data_set_t *set, const void *bytes, size_t size);
/* A whole element, padded with a blank (UI: a NUL) where its length is odd. */
void add_text(data_set_t *set, uint32_t tag, const char *vr, const char *text);
/* A US element. */
void add_number(data_set_t *set, uint32_t tag, uint16_t value);

/* All tags that a writer looks at, and two rows of pixels, but with `text` for `tag`; NULL: without it. */
data_set_t *typical_but(const char *transfer_syntax_uid, uint32_t tag, const char *text);
data_set_t *typical(const char *transfer_syntax_uid);

/* The same in Explicit VR Little Endian, with a private value in the middle that makes its head longer than a
 * writer holds in memory. */
data_set_t *typical_but_long(uint32_t tag, const char *text);

/* A pixel data element of so many bytes, a multiple of 8. */
void add_pixels(data_set_t *set, size_t size);

/* Replaces its bytes by their deflated form (PS3.5 A.5). */
void data_set_deflate(data_set_t *set);

#endif
