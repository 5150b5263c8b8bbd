/* The header of one data element (PS3.5 7.1), in the encoding that it really has: senders are known to mix implicit
 * elements into explicit data sets, and to invent VRs. */
#ifndef WRITER_DICOM_ELEMENT_H
#define WRITER_DICOM_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ELEMENT_UNDEFINED    0xFFFFFFFFu /* length */
#define ELEMENT_ITEM         0xFFFEE000u
#define ELEMENT_ITEM_END     0xFFFEE00Du
#define ELEMENT_SEQUENCE_END 0xFFFEE0DDu
/* Without an explicit VR, and of elements without any. */
#define ELEMENT_HEADER_BYTES 8
/* No header needs more bytes than this to be understood, with those after it that are looked at. */
#define ELEMENT_MAX_BYTES 96

typedef enum vr_kind {
    VR_UNKNOWN,
    VR_SHORT, /* its length has 16 bits */
    VR_LONG,  /* two reserved bytes, then 32 bits */
} vr_kind_t;

typedef struct encoding {
    bool is_explicit, is_big;
} encoding_t;

typedef struct element {
    uint32_t tag; /* group in the upper half */
    char vr[2];   /* as it was sent; NULs: none was */
    encoding_t encoding;
    uint32_t length; /* as it was sent; ELEMENT_UNDEFINED */
    uint8_t header_bytes;
    bool is_number; /* its VR is a binary one, of numbers */
} element_t;

/* The VRs of PS3.5 table 6.2-1. */
vr_kind_t vr_kind(const void *vr);

/* Reads the header at `bytes` (`size` of them); `is_end`: no more will come. `expected`: the encoding around it.
 * False: more bytes are needed, at most ELEMENT_MAX_BYTES in all. */
bool element_read(const uint8_t *bytes, size_t size, bool is_end, encoding_t expected, element_t *element)
    __attribute__((warn_unused_result));

/* Room for a number as text. */
#define ELEMENT_NUMBER_BYTES 32

/* The first number of the value of an is_number element, as decimal text; "" if there is none. */
void element_number(const element_t *element, const void *value, size_t size, char text[ELEMENT_NUMBER_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
