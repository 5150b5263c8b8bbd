/* The live page: what the loop does for those who look at it. While nobody does, that is nothing. */
#ifndef NOTIFIER_HTTP_LIVE_H
#define NOTIFIER_HTTP_LIVE_H

#include "notifier/http/search.h"
#include "notifier/http/view.h"
#include "notifier/http/viewers.h"

typedef struct live {
    view_t *view;
    viewers_t *stream;
    search_t *search;
    int64_t shown_ms, beat_ms;
} live_t;

void live_init(live_t *live, const view_sources_t *sources);
/* After nobody is served any more. */
void live_clear(live_t *live);

/* To be called every ALIVE_INTERVAL_MS or so, outside of a transaction. */
void live_beat(live_t *live, int64_t now_ms);
/* Sends every viewer away, so that the HTTP daemon can be stopped. */
void live_end(live_t *live);

/* The page and its Content-Security-Policy, which allows the page's own parts and nothing else. Made once. */
const char *live_page(size_t *size);
const char *live_page_policy(void);

#endif
