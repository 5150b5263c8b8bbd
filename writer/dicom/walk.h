/* Walks through a data set as its bytes come, whatever its size: tells of the elements at its top level, and of
 * those values that are wanted. What lies in sequences is passed by, without recursion. Sequences that end
 * otherwise than they say are followed as deploy/CONFORMANCE.md (8.1.2) tells. */
#ifndef WRITER_DICOM_WALK_H
#define WRITER_DICOM_WALK_H

#include "writer/dicom/element.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum walk_state {
    WALK_ON,
    WALK_STOPPED,  /* by whom it tells */
    WALK_TOO_DEEP, /* WALK_DEPTH_MAX */
} walk_state_t;

/* Who is told. Both return whether the walk goes on. */
typedef struct walk_listener {
    void *self;
    /* An element of the top level begins. Sets `is_wanted`, false at first, to be given its value; it has none
     * where it is a sequence. */
    bool (*on_element)(void *self, const element_t *element, bool *is_wanted);
    /* The next bytes of the value that is wanted; `left` after them. Once for an empty one. */
    bool (*on_value)(void *self, const uint8_t *bytes, size_t size, uint32_t left);
} walk_listener_t;

typedef struct walk walk_t;

walk_t *walk_new(encoding_t encoding, const walk_listener_t *listener);
void walk_destroy(walk_t **self_p);

/* The data set goes on with these bytes, which are not needed after the call. `is_end`: these are the last. */
walk_state_t walk_feed(walk_t *self, const uint8_t *bytes, size_t size, bool is_end);

/* Of the data set, so far. */
uint64_t walk_bytes(const walk_t *self);

/* Between two elements of the top level. */
bool walk_is_between(const walk_t *self);

/* Within a sequence. */
bool walk_is_inside(const walk_t *self);

#ifdef __cplusplus
}
#endif
#endif
