/* Walks through a data set of any size as its bytes come, and keeps the wanted values of its top level until no
 * more can follow. Sequences are skipped, without recursion; those with a wrong length as deploy/CONFORMANCE.md
 * (8.1.2) tells. */
#ifndef WRITER_DICOM_WALK_H
#define WRITER_DICOM_WALK_H

#include "writer/dicom/element.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum walk_state {
    WALK_ON,
    WALK_DONE,     /* nothing that is wanted can be expected any more */
    WALK_TOO_DEEP, /* WALK_DEPTH_MAX */
} walk_state_t;

/* A wanted element. Of two, the first one counts. */
typedef struct walk_value {
    uint32_t tag;
    bool is_required; /* worth going on for, beyond the last tag that is wanted */
    char *bytes;      /* NULL: has not come. As it stands, a binary number as text, with a NUL behind; free it */
    size_t size;
} walk_value_t;

typedef struct walk walk_t;

/* `values`, in the order of their tags, are kept by the caller; at most `value_max` bytes of each are. */
walk_t *walk_new(encoding_t encoding, walk_value_t *values, size_t count, size_t value_max);
void walk_destroy(walk_t **self_p);

/* The data set goes on with these bytes, which are not needed after the call. `is_end`: these are the last. */
walk_state_t walk_feed(walk_t *self, const uint8_t *bytes, size_t size, bool is_end);

/* Of the data set, so far. */
uint64_t walk_bytes(const walk_t *self);

/* The memory that it takes, with the values. */
size_t walk_held(const walk_t *self);

/* The wanted value that has begun and is not whole yet; NULL: none. */
const walk_value_t *walk_unfinished(const walk_t *self);

/* Between two elements of the top level. */
bool walk_is_between(const walk_t *self);

/* Within a sequence. */
bool walk_is_inside(const walk_t *self);

/* Of the elements so far: one is not behind all that are wanted, the last one is behind them, one has a lower tag
 * than the one before it. */
bool walk_has_any(const walk_t *self);
bool walk_is_behind(const walk_t *self);
bool walk_is_disordered(const walk_t *self);

#ifdef __cplusplus
}
#endif
#endif
