/* The header that makes a file of a data set (PS3.10 7.1). Pure. */
#ifndef WRITER_PART10_H
#define WRITER_PART10_H

#include <stddef.h>
#include <stdint.h>

typedef struct part10 {
    const char *sop_class_uid;
    const char *sop_instance_uid;
    const char *transfer_syntax_uid;
    const char *calling_ae; /* UTF-8; becomes Source Application Entity Title */
} part10_t;

/* Preamble, prefix and file meta information. Returns bytes to free and their number. */
uint8_t *part10_header(const part10_t *part10, size_t *size);

#endif
