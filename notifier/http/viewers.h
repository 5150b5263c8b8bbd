/* The viewers of the live page: each has an event stream (WHATWG HTML 9.2, server-sent events) with the latest
 * view, and the next one when that has gone out. Who is slow misses some; nobody holds up anybody.
 *
 * Written by the loop, read by the thread that answers HTTP. */
#ifndef NOTIFIER_HTTP_VIEWERS_H
#define NOTIFIER_HTTP_VIEWERS_H

#include <microhttpd.h>
#include <stdbool.h>

/* Those who look at the live page at once. */
#define VIEWERS_MAX 16

typedef struct viewers viewers_t;

viewers_t *viewers_new(void);
/* The daemon of the viewers must have been stopped. */
void viewers_destroy(viewers_t **self_p);

/* A response that never ends. NULL: VIEWERS_MAX look already. From the thread that answers HTTP. */
struct MHD_Response *viewers_response(viewers_t *viewers, struct MHD_Connection *connection);

/* Whether anybody looks. */
bool viewers_any(viewers_t *viewers);
/* Copied; one line of text, without a line's end. */
void viewers_publish(viewers_t *viewers, const char *line);
/* Ends all streams, and every new one: to be called before the daemon is stopped. */
void viewers_end(viewers_t *viewers);

#endif
