/* The header that makes a file of a data set (PS3.10 7.1), written and read. Pure. */
#ifndef WRITER_DICOM_PART10_H
#define WRITER_DICOM_PART10_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

typedef struct part10 {
    const char *sop_class_uid;
    const char *sop_instance_uid;
    const char *transfer_syntax_uid;
    const char *calling_ae; /* UTF-8; becomes Source Application Entity Title */
} part10_t;

/* Preamble, prefix and file meta information. Returns bytes to free and their number. */
uint8_t *part10_header(const part10_t *part10, size_t *size);

/* What a header says of the file; "" where it says nothing. */
typedef struct part10_file {
    char sop_class_uid[UID_MAX_BYTES + 1];
    char sop_instance_uid[UID_MAX_BYTES + 1];
    char transfer_syntax_uid[UID_MAX_BYTES + 1];
    char calling_ae[AE_TITLE_BYTES + 1]; /* Source Application Entity Title */
    size_t header_bytes;                 /* before the data set */
} part10_file_t;

/* Reads the header from the file's first bytes. False for a partial one, or one without a transfer syntax. */
bool part10_read(const void *bytes, size_t size, part10_file_t *file) __attribute__((warn_unused_result));

#endif
