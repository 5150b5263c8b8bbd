/* Values of data sets that must have a certain form before anybody relies on them. Pure. */
#ifndef WRITER_DICOM_FORMS_H
#define WRITER_DICOM_FORMS_H

#include <stdbool.h>
#include <stdint.h>

#define ISO_DATE_BYTES 10

/* Reads YYYYMMDD (PS3.5 6.2, DA), YYYY.MM.DD (ACR-NEMA) or YYYY-MM-DD, a real date of year 1 or later, and writes
 * it as YYYY-MM-DD. Returns false, and writes nothing, where the text is none of them. */
bool date_read(const char *text, char iso[ISO_DATE_BYTES + 1]) __attribute__((warn_unused_result));

/* Reads an age (PS3.5 6.2, AS): a number and one of D, W, M, Y. Days are rounded half away from zero. Returns
 * false where the text is not of that form or the days do not fit 32 bits with a sign, CUBE's column. */
bool age_read(const char *text, int64_t *days) __attribute__((warn_unused_result));

/* M, F or O. */
bool sex_valid(const char *text);

#endif
