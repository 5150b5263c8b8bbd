/* The viewers of the live page: each has an event stream (WHATWG HTML 9.2, server-sent events) in which it gets the
 * latest view, and the next one when that has gone out. Who is slow misses some; nobody holds up anybody.
 *
 * Written by the loop, read by the thread that answers HTTP. */
#ifndef NOTIFIER_STREAM_H
#define NOTIFIER_STREAM_H

#include <microhttpd.h>
#include <stdbool.h>

typedef struct stream stream_t;

stream_t *stream_new(void);
/* The daemon of the viewers must have been stopped. */
void stream_destroy(stream_t **self_p);

/* A response that never ends. NULL: VIEWERS_MAX look already. From the thread that answers HTTP. */
struct MHD_Response *stream_response(stream_t *stream, struct MHD_Connection *connection);

/* Whether anybody looks. */
bool stream_has_viewers(stream_t *stream);
/* Copied; one line of text, without a line's end. */
void stream_publish(stream_t *stream, const char *line);
/* Ends all streams, and every new one: to be called before the daemon is stopped. */
void stream_end(stream_t *stream);

#endif
