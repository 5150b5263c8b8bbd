/* The sets of characters that text of a data set can be made of (PS3.3 C.12.1.1.2). */
#ifndef WRITER_DICOM_CODE_SET_H
#define WRITER_DICOM_CODE_SET_H

#include <stdbool.h>

/* Which half of the byte values an escape sequence gives to a set. */
typedef enum half { G0, G1 } half_t;

/* PS3.3 tables C.12-2 to C.12-4. */
typedef struct code_set {
    int number; /* of the ISO International Register: ISO_IR 100 */
    half_t half;
    bool is_double;
    const char *escape; /* after the ESC that invokes it */
    const char *iconv_name;
    const char *prefix; /* iconv wants this before each character */
} code_set_t;

/* All of them. */
#define CODE_SETS_COUNT 18
extern const code_set_t CODE_SETS[CODE_SETS_COUNT];

/* NULL: none has this number. */
const code_set_t *code_set_numbered(int number);

#endif
