/* Specific Character Set (0008,0005): which sets of characters the text of a data set is made of. */
#ifndef WRITER_DICOM_CHARACTER_SET_H
#define WRITER_DICOM_CHARACTER_SET_H

#include <stdbool.h>
#include <stddef.h>

typedef enum character_coding {
    CODING_UNDECLARED, /* UTF-8 where the text is valid UTF-8, else Latin-1 */
    CODING_UTF8,
    CODING_GB18030,
    CODING_GBK,
    CODING_ISO_2022, /* one or two sets of single or double bytes, switched by escape sequences */
} character_coding_t;

struct code_set;

/* What Specific Character Set (0008,0005) declares. Plain data: copy it freely. */
typedef struct character_set {
    character_coding_t coding;
    const struct code_set *g0, *g1; /* of bytes below and above 0x80 at the begin of a text; NULL: none */
    /* Of bytes above 0x7F that no escape sequence has given to a set, where g1 is NULL: the only set that is
     * declared for them. NULL: there are none or several. */
    const struct code_set *g1_unescaped;
} character_set_t;

/* Reads the value of Specific Character Set as it stands in the data set. Absent, empty and unknown ones are
 * CODING_UNDECLARED. */
character_set_t character_set_read(const char *bytes, size_t size);

/* A defined term of Specific Character Set that is understood. */
typedef struct character_set_term {
    const char *name;       /* NULL: it is made of the number */
    int number;             /* as in ISO_IR 100 and ISO 2022 IR 100; 0: it has a name */
    bool is_extension;      /* with code extensions only */
    const char *repertoire; /* the character set's common name */
} character_set_term_t;

/* The term at an index, for documentation; false at the end of the list. */
bool character_set_term(size_t index, character_set_term_t *term);

#endif
