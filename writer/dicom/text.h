/* Text of a data set as UTF-8, with the code extensions of PS3.5 6.1.2.5.
 * DCMTK's own conversion over glibc's iconv can't do ISO 2022 IR 87 and rejects a lone ISO 2022 IR 100. */
#ifndef WRITER_DICOM_TEXT_H
#define WRITER_DICOM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "writer/dicom/character_set.h"
#include "writer/dicom/head.h"

/* The first value of a text element as UTF-8 without NULs and without blanks around it. Undecodable bytes become
 * U+FFFD each. In a person's name '^' and '=' switch back to the first character set. Free it. */
char *text_first_value(const character_set_t *set, const char *bytes, size_t size, bool is_person_name);

/* The same of each value of a head; NULL if it is absent or empty. Free them. */
void text_first_values(const head_value_t values[HEAD_TAGS], char *texts[HEAD_TAGS]);

#endif
