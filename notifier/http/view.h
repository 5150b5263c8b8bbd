/* What the live page shows, as JSON: stages, queues, associations, refusals, series. It names no patient unless
 * OXIDICOM_HTTP_SHOW_PHI is set. Lives in the loop. */
#ifndef NOTIFIER_HTTP_VIEW_H
#define NOTIFIER_HTTP_VIEW_H

#include "notifier/http/health.h"
#include "notifier/journal/journal.h"
#include "proto/ring.h"

typedef struct view view_t;

/* All of it must outlive the view. */
typedef struct view_sources {
    const settings_t *settings;
    health_t *health;
    journal_t *journal;
} view_sources_t;

view_t *view_new(const view_sources_t *sources);
void view_destroy(view_t **self_p);

/* A message of the ring: remembers what the listener says of itself. */
void view_on_metrics(view_t *view, const Ring__Metrics *message);

/* Everything as of now, on one line; free it. Reads the journal, outside of a transaction. */
char *view_now(view_t *view, int64_t now_ms);
/* The series that `text` is (a part of) the UID of, or the AE title, task id or number of reception, in the same
 * form, of the latest SERIES_PAGE_SEARCHED_ROWS receptions; a whole UID is found in all. For search_answer_one. */
char *view_search(void *view, const char *text);

#endif
