/* What this writer says of objects that have come to their end: to the listener in the same turn; to the notifier
 * at once where a series is new from its association or an object was refused, else gathered. Nothing that
 * matters is kept here: gathered messages are for progress, and the listener has the rest sent again. */
#ifndef WRITER_REPORT_H
#define WRITER_REPORT_H

#include <czmq.h>

#include "common/log.h"
#include "proto/ring.h"

/* Stored objects are gathered for so long, and so many of them. */
#define REPORT_GATHER_MS      10
#define REPORT_GATHER_OBJECTS 64
/* The listener is told of objects in rows: of half as many as the turn of the loop before had, of at most so many;
 * at the turn's end, and not later than this after a row's first. */
#define REPORT_ROW_OBJECTS 8
#define REPORT_ROW_US      500
/* Series that the notifier is known to have heard of from an association; beyond that, one is said at once again.
 */
#define REPORT_SERIES_TOLD 256

typedef struct report report_t;

/* What an object was, for both events. The texts and messages must live until the call returns. */
typedef struct report_object {
    const Ring__ObjectId *id;
    uint32_t attempt;
    const Ring__ObjectHeader *header;
    const Ring__Series *series; /* NULL: it could not be read */
    Ring__WriterSpans *spans;   /* NULL: it is not traced */
} report_object_t;

/* The outboxes and the loop must outlive it. Without a loop, gathered messages wait for REPORT_GATHER_OBJECTS or
 * report_flush, and the listener is told at once. */
report_t *report_new(zloop_t *loop, zsock_t *listener, zsock_t *notifier, const char *writer_id);
/* Sends the gathered events. */
void report_destroy(report_t **self_p);

/* The file is durable under its final name. */
void report_stored(report_t *self, const report_object_t *object, const char *file, uint64_t bytes);
/* `comment`: at most 64 bytes of ASCII, without patients' data. */
void report_refused(report_t *self, const report_object_t *object, uint32_t status, uint32_t offending_element,
                    const char *comment);
void report_flush(report_t *self);
/* Tells the listener of the objects of this turn. Call it at the end of a turn after any object went on. */
void report_end_turn(report_t *self);

#endif
