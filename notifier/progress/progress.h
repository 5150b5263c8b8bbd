/* When which LONK message is due: the first count of a reception at once, further ones at most one per interval,
 * every error at once, the last count before done, done last. Owns what was said and what is pending per reception;
 * knows neither NATS nor the journal. Nothing here survives a restart: progress is not custody. */
#ifndef NOTIFIER_PROGRESS_PROGRESS_H
#define NOTIFIER_PROGRESS_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct progress progress_t;

/* Takes one message that is not a done; must not block. */
typedef void progress_publish_fn(void *self, const char *subject, const void *payload, size_t size);

/* Takes a done; `count` is what the series' last count said. Must not block. */
typedef void progress_done_fn(void *self, const char *subject, uint32_t count);

/* Where messages go. */
typedef struct progress_sink {
    progress_publish_fn *publish;
    progress_done_fn *publish_done;
    void *self;
} progress_sink_t;

/* `root` is the first part of every subject and must outlive this. */
progress_t *progress_new(const char *root, int64_t interval_ms, progress_sink_t sink);
/* Says pending counts, then frees. */
void progress_destroy(progress_t **self_p);

/* The reception holds `count` distinct files now. `now_ms`: clock_ms. */
void progress_count(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid,
                    uint32_t count, int64_t now_ms);
/* `series_uid` empty: unknown. */
void progress_error(progress_t *progress, const char *calling_ae, const char *series_uid, const char *text);
/* The reception is over with `count` files; it is not known here afterwards. */
void progress_done(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid,
                   uint32_t count);

/* Says the pending counts whose time has come. Returns in how many milliseconds the next one is due, -1: none. */
int64_t progress_flush(progress_t *progress, int64_t now_ms);

#endif
