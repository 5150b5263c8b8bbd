/* Remembers what the last heads told of their series: the objects of a series tell the same, one after the other,
 * and it is decoded once. */
#ifndef WRITER_DICOM_SERIES_MEMO_H
#define WRITER_DICOM_SERIES_MEMO_H

#include "writer/dicom/head.h"
#include "writer/dicom/series.h"

/* Series remembered, at most. */
#define SERIES_MEMO_MAX 64
/* Longer values are not remembered. */
#define SERIES_MEMO_VALUES_MAX_BYTES 2048

typedef struct series_memo series_memo_t;

series_memo_t *series_memo_new(void);
void series_memo_destroy(series_memo_t **self_p);

/* Whether the value of this element counts for the series, not for one of its instances. */
bool series_memo_counts(head_tag_t tag);

/* The series of an earlier head with the same values, from the same AE title; NULL: there is none. The caller is a
 * holder. */
Ring__Series *series_memo_find(series_memo_t *self, const head_value_t values[HEAD_TAGS], const char *calling_ae);

/* Remembers the series for these values: becomes a holder. */
void series_memo_keep(series_memo_t *self, const head_value_t values[HEAD_TAGS], const char *calling_ae,
                      Ring__Series *series);

#endif
