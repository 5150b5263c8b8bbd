/* What the ring must know of one instance, from the head of its data set and its C-STORE command: the tags of its
 * series, in the forms that a registration wants, where its file belongs, or why it can't be stored. */
#ifndef WRITER_DICOM_INSTANCE_H
#define WRITER_DICOM_INSTANCE_H

#include <stdbool.h>

#include "proto/ring.pb-c.h"
#include "writer/dicom/head.h"
#include "writer/dicom/series_memo.h"

/* C-STORE statuses (PS3.4 B.2.3, PS3.7 C) that a writer gives. */
typedef enum store_status {
    STATUS_PROCESSING_FAILURE = 0x0110,
    STATUS_OUT_OF_RESOURCES = 0xA700,
    STATUS_CANNOT_UNDERSTAND = 0xC000,
} store_status_t;

/* Why an object is not stored. */
typedef struct refusal {
    store_status_t status;
    uint32_t offending_element; /* group in the upper half; 0: none */
    char comment[65];           /* ASCII, without patient's data */
} refusal_t;

typedef struct instance {
    Ring__Series *series; /* held; others may hold it too (writer/dicom/series.h) */
    char *file;           /* name within series->folder; owned like the texts that follow */
    char *sop_class_uid;
    char *sop_instance_uid;
    char *identity; /* where another instance can have the same folder and file name: what tells them apart; NULL */
    bool is_misnamed; /* its command names another instance than its data set does */
} instance_t;

/* Fills `instance` from a head that is HEAD_READY. Returns false, and why in `refusal`, where a required tag is
 * missing; series->series_instance_uid is set even then, where it could be read and CUBE has room for it. Texts
 * have at most one character more than CUBE has room for. `memo` knows earlier series and gets to know this one;
 * NULL: none, and the series is this instance's alone. Free with instance_clear in both cases. */
bool instance_read(instance_t *instance, series_memo_t *memo, const head_t *head, const Ring__ObjectHeader *command,
                   refusal_t *refusal) __attribute__((warn_unused_result));
void instance_clear(instance_t *instance);

/* Fills a refusal without offending element. */
void refusal_set(refusal_t *refusal, store_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
