/* The messages that a transaction of the journal owes after its commit: opened series and ended associations, for
 * the listener; and progress messages, in order. If the commit fails, nothing is owed and the batch is thrown
 * away. */
#ifndef NOTIFIER_JOURNAL_OWED_H
#define NOTIFIER_JOURNAL_OWED_H

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "notifier/progress/progress.h"
#include "notifier/replicas/replicas.h"
#include "proto/ring.h"

typedef struct owed owed_t;

/* `journal`: its id. `replicas`: outlives it; NULL: there are none. */
owed_t *owed_new(uint64_t journal, replicas_t *replicas);
void owed_destroy(owed_t **self_p);

/* A series is open, as part of a reception: that is said once the reception shares the lock of its series, which
 * replicas know as `series`. */
void owed_open(owed_t *owed, uint64_t listener, uint64_t association, uint64_t token, int64_t reception,
               uint64_t series);
/* A reception is to share the lock without that, or needs it no more: nothing of it will be registered. */
void owed_share(owed_t *owed, int64_t reception, uint64_t series);
void owed_let_go(owed_t *owed, int64_t reception);
/* All texts are copied. */
void owed_acknowledge_end(owed_t *owed, uint64_t listener, uint64_t association);

/* An object with a span of its own (span.h) has opened a series: its `journal` span lasts from now to the commit.
 */
void owed_trace(owed_t *owed, const char *traceparent, uint64_t span);

/* An event came after the end of its association. */
void owed_mark_late(owed_t *owed);
bool owed_has_late(const owed_t *owed);

/* A reception has begun to wait. */
void owed_mark_wait(owed_t *owed);
bool owed_has_wait(const owed_t *owed);

/* LONK of a reception, see progress.h. */
void owed_count(owed_t *owed, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count);
void owed_error(owed_t *owed, const char *calling_ae, const char *text);
void owed_end(owed_t *owed, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count);

/* Whether a reception is over: its done may be due. */
bool owed_has_end(const owed_t *owed);

/* Says everything that is owed, first to the listeners, one Opened and one Acknowledged to each, and empties the
 * owed. */
void owed_tell(owed_t *owed, zsock_t *listener, progress_t *progress, int64_t now_ms);
/* Says the openings that have waited for a lock and have it now. Nothing else may be owed. */
void owed_tell_shared(owed_t *owed, zsock_t *listener);
/* Throws away the owed messages. */
void owed_drop(owed_t *owed);

#endif
