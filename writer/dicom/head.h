/* The head of a data set: its elements up to InstanceNumber (0020,0013), read as the bytes come in. */
#ifndef WRITER_DICOM_HEAD_H
#define WRITER_DICOM_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A deflated data set can inflate a thousandfold: it is searched so far for the wanted elements. */
#define HEAD_INFLATED_MAX_BYTES (256 * 1024 * 1024)
/* It is inflated in pieces of this size. */
#define HEAD_PIECE_BYTES (16 * 1024)
/* Of a value that is kept from the head: no text that means anything to CUBE is longer. */
#define HEAD_VALUE_MAX_BYTES (16 * 1024)

#ifdef __cplusplus
extern "C" {
#endif

/* The elements to keep. */
typedef enum head_tag {
    HEAD_SPECIFIC_CHARACTER_SET,
    HEAD_SOP_CLASS_UID,
    HEAD_SOP_INSTANCE_UID,
    HEAD_STUDY_DATE,
    HEAD_ACCESSION_NUMBER,
    HEAD_MODALITY,
    HEAD_STUDY_DESCRIPTION,
    HEAD_SERIES_DESCRIPTION,
    HEAD_PATIENT_NAME,
    HEAD_PATIENT_ID,
    HEAD_PATIENT_BIRTH_DATE,
    HEAD_PATIENT_SEX,
    HEAD_PATIENT_AGE,
    HEAD_PROTOCOL_NAME,
    HEAD_STUDY_INSTANCE_UID,
    HEAD_SERIES_INSTANCE_UID,
    HEAD_SERIES_NUMBER,
    HEAD_INSTANCE_NUMBER, /* the last one: nothing after it is looked at */
    HEAD_TAGS,
} head_tag_t;

typedef enum head_state {
    HEAD_NEED_MORE,
    HEAD_READY,      /* all values that there are can be asked for */
    HEAD_UNREADABLE, /* head_complaint says why */
    HEAD_BUSY,       /* of head_feed_within: the budget is used up, and bytes are still to be inflated */
} head_state_t;

typedef struct head head_t;

/* Loads DCMTK's data dictionary and silences its log. Call it once, before anything else here. Returns false
 * where there is no dictionary. */
bool head_start(void) __attribute__((warn_unused_result));

/* For a data set in this transfer syntax (PS3.5 annex A); an unknown one is taken for Explicit VR Little Endian,
 * as most private ones are. */
head_t *head_new(const char *transfer_syntax_uid);
void head_destroy(head_t **self_p);

/* The data set goes on with these bytes, which are not needed after the call. Once the state is not
 * HEAD_NEED_MORE it stays and bytes are ignored. */
head_state_t head_feed(head_t *self, const void *bytes, size_t size);

/* The same, but inflates no more than `budget` bytes and one piece, and takes that off the budget. On
 * HEAD_BUSY the bytes must stay where they are; it goes on with no bytes, until it says something else. */
head_state_t head_feed_within(head_t *self, const void *bytes, size_t size, uint64_t *budget);

/* Whether it has to be inflated. */
bool head_is_deflated(const head_t *self);

/* The memory that it takes. */
size_t head_held(const head_t *self);

/* The data set has ended: HEAD_READY where it did so between two elements, HEAD_UNREADABLE where it was cut off
 * within its head. */
head_state_t head_finish(head_t *self);

/* Why it is HEAD_UNREADABLE: ASCII, without anything of the data set. */
const char *head_complaint(const head_t *self);

/* A value as it stands in the data set, all values of a multi-valued element, numbers of binary VRs as decimal
 * text; at most HEAD_VALUE_MAX_BYTES of it. */
typedef struct head_value {
    const char *bytes; /* NULL: the element is absent */
    size_t size;       /* 0: it is absent or empty */
} head_value_t;

/* The elements that were read whole so far. The bytes belong to the head. */
void head_values(const head_t *self, head_value_t values[HEAD_TAGS]);

/* The release of DCMTK that reads them. */
const char *head_dcmtk_version(void);

/* Group in the upper half. */
uint32_t head_tag_number(head_tag_t tag);

#ifdef __cplusplus
}
#endif
#endif
