/* What one transaction of the journal owes the world once it is committed: acknowledgements for the listener, and
 * progress messages, in order. Where the commit fails, nothing is owed and the batch is thrown away. */
#ifndef NOTIFIER_JOURNAL_BATCH_H
#define NOTIFIER_JOURNAL_BATCH_H

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "notifier/progress/progress.h"
#include "proto/ring.h"

typedef struct batch batch_t;

batch_t *batch_new(void);
void batch_destroy(batch_t **self_p);

/* All texts are copied. */
void batch_acknowledge_object(batch_t *batch, const Ring__ObjectId *object, uint32_t status,
                              uint32_t offending_element, const char *error_comment);
void batch_acknowledge_end(batch_t *batch, uint64_t listener, uint64_t association);

/* An object with a span of its own (span.h) is journaled: its `journal` span lasts from now to the commit. */
void batch_trace(batch_t *batch, const char *traceparent, uint64_t span);

/* An event came after the end of its association. */
void batch_mark_late(batch_t *batch);
bool batch_has_late(const batch_t *batch);

/* LONK of a reception, see progress.h. */
void batch_count(batch_t *batch, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count);
void batch_error(batch_t *batch, const char *calling_ae, const char *series_uid, const char *text);
void batch_done(batch_t *batch, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count);

/* Says everything that is owed, acknowledgements first, one Acknowledged per listener, and empties the batch. */
void batch_settle(batch_t *batch, zsock_t *listener, progress_t *progress, int64_t now_ms);
/* Throws away what is owed. */
void batch_drop(batch_t *batch);

#endif
