/* The due time of each LONK message: the first count of a reception at once, further ones at most one per
 * interval, the last one at its end; its errors and done follow when the journal has them due (journal/dones.h).
 * Owns the published and pending counts of each open reception; knows neither NATS nor the journal. Counts do not
 * survive a restart: progress is not custody. */
#ifndef NOTIFIER_PROGRESS_PROGRESS_H
#define NOTIFIER_PROGRESS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/progress/lonk.h"

typedef struct progress progress_t;

/* Takes one message that is not a done; must not block. */
typedef void progress_publish_fn(void *self, const char *subject, const void *payload, size_t size);

/* Takes errors and done; false: there is no room for them now. Must not block. */
typedef bool progress_done_fn(void *self, const lonk_final_t *final);

/* When the connection was last found broken, by clock_ms; 0: never. */
typedef int64_t progress_interrupted_fn(void *self);

/* Where messages go. */
typedef struct progress_sink {
    progress_publish_fn *publish;
    progress_done_fn *publish_done;
    progress_interrupted_fn *interrupted_ms;
    void *self;
} progress_sink_t;

/* `root` is the first part of every subject and must outlive this. */
progress_t *progress_new(const char *root, int64_t interval_ms, progress_sink_t sink);
/* Says pending counts, then frees. */
void progress_destroy(progress_t **self_p);

/* The reception holds `count` distinct files now. `now_ms`: clock_ms. */
void progress_count(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid,
                    uint32_t count, int64_t now_ms);
/* An error of an object of an unknown series, which has no end to wait for. */
void progress_error(progress_t *progress, const char *calling_ae, const char *text);
/* The reception is over with `count` files. Says the last count, again where an interruption may have lost it, and
 * forgets the reception. */
void progress_end(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid,
                  uint32_t count);
/* Says errors and done of a reception that is over; `final` without its subject. Returns what the sink does. */
bool progress_done(progress_t *progress, const lonk_final_t *final, const char *calling_ae, const char *series_uid);

/* Publishes the due counts. Returns in how many milliseconds the next one is due, -1: none. */
int64_t progress_flush(progress_t *progress, int64_t now_ms);

#endif
