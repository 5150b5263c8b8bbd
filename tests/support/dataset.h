/* Data sets of bare bytes, in any of the native encodings (PS3.5 7.1, annex A). */
#ifndef SUPPORT_DATASET_H
#define SUPPORT_DATASET_H

#include <stddef.h>
#include <stdint.h>

#define IMPLICIT_LE "1.2.840.10008.1.2"
#define EXPLICIT_LE "1.2.840.10008.1.2.1"
#define EXPLICIT_BE "1.2.840.10008.1.2.2"
#define DEFLATED_LE "1.2.840.10008.1.2.1.99"
#define MR_STORAGE  "1.2.840.10008.5.1.4.1.1.4"
#define CT_STORAGE  "1.2.840.10008.5.1.4.1.1.2"

typedef struct bytes {
    uint8_t *at;
    size_t size;
} bytes_t;

void bytes_add(bytes_t *bytes, const void *more, size_t size);
void bytes_free(bytes_t *bytes);

/* One element; `value` is padded to an even length. */
void dataset_add(bytes_t *set, const char *syntax, uint32_t tag, const char *vr, const void *value, size_t size);
void dataset_text(bytes_t *set, const char *syntax, uint32_t tag, const char *vr, const char *value);
/* What DEFLATED_LE makes of an EXPLICIT_LE data set. */
bytes_t dataset_deflate(const bytes_t *set);

/* An MR instance with all that a registration needs, `pixels` bytes of pixel data at its end. */
bytes_t dataset_instance(const char *syntax, const char *series_uid, const char *instance_uid, int instance_number,
                         size_t pixels);

/* A Part 10 file around the data set (PS3.10 7.1), as storescu wants it. */
void part10_write(const char *path, const char *syntax, const char *sop_class, const char *instance_uid,
                  const bytes_t *set);
/* The data set of a Part 10 file, inside `content`; NULL for another file. `syntax`: room for 65 characters. */
bytes_t part10_data_set(char *content, size_t size, char *syntax);

#endif
