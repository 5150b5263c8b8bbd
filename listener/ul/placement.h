/* Receives the bytes of a data set into their final place, a chunk of their object, and the headers between them
 * elsewhere. It foresees PDUs like the current one. If others come, the bytes are copied out and go the way of all
 * other input. */
#ifndef LISTENER_UL_PLACEMENT_H
#define LISTENER_UL_PLACEMENT_H

#include <sys/uio.h>

#include "listener/custody/custody.h"
#include "listener/ul/pdu_stream.h"

/* So many PDUs at once; misplaced bytes fit the receive buffer. */
#define PLACED_PDUS_MAX      16
#define RECEIVE_BUFFER_BYTES (RECEIVE_BYTES + PLACED_PDUS_MAX * P_DATA_HEADER_BYTES)

typedef struct placement {
    pdu_run_t run;
    size_t pdus; /* foreseen after the one under way */
    uint8_t headers[PLACED_PDUS_MAX][P_DATA_HEADER_BYTES];
    struct iovec pieces[1 + 2 * PLACED_PDUS_MAX]; /* data, and before each but the first a header */
    size_t count;
} placement_t;

/* Where the next bytes of the object, at most `room`, are to be received: into p->pieces. False where that can't be
 * told before they have come, or is not worth it. The object must not change until placement_finish. */
bool placement_plan(placement_t *p, const pdu_stream_t *stream, object_t *object, size_t room);

/* The received part. */
typedef struct placed {
    size_t size; /* in their places: the object's next bytes, to be told to object_placed; the stream knows them */
    bool ends_object; /* with the last of these */
    size_t others;    /* bytes that follow, copied to where the caller said */
} placed_t;

/* `size` bytes have been received into p->pieces. `others` has room for RECEIVE_BUFFER_BYTES. */
placed_t placement_finish(const placement_t *p, pdu_stream_t *stream, size_t size, uint8_t *others);

#endif
