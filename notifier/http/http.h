/* The live page, health and metrics over HTTP, in a thread of libmicrohttpd's own: the loop never waits for
 * clients.
 *
 *   /          the page (page.html)
 *   /events    its content, as an event stream
 *   /series    ?q=: a search, as JSON
 *   /metrics   the metrics for Prometheus
 *   /livez     200 while the loop comes round
 *   /readyz    200 while new associations are served, 503 otherwise; the missing parts in plain words
 *   ?verbose   of the last two: JSON
 *
 * Clients are bounded in number and time (clients.h), and in the bytes that they may send. */
#ifndef NOTIFIER_HTTP_HTTP_H
#define NOTIFIER_HTTP_HTTP_H

#include "common/settings.h"
#include "notifier/http/health.h"
#include "notifier/http/live.h"

/* Bytes of a request and of what belongs to it, and times: between two bytes of a client, and between two attempts
 * to bind the port. */
#define HTTP_REQUEST_MAX_BYTES (16 * 1024)
#define HTTP_IDLE_TIMEOUT_S    10
#define HTTP_RETRY_MS          5000

typedef struct http http_t;

/* Serves on settings->http_port of settings->http_address; all three must outlive it. NULL where the port is 0.
 * Where it can't be bound, that is logged and tried again: nobody's reception depends on it. */
http_t *http_new(const settings_t *settings, health_t *health, live_t *live);
/* Ends `live`, too: nobody is shown anything any more. */
void http_destroy(http_t **self_p);

/* To be called every ALIVE_INTERVAL_MS or so: ends connections of clients that are too slow. */
void http_tick(http_t *http, int64_t now_ms);

#endif
