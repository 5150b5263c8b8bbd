/* The real notifier process, with the test in the parts of the listener and of a writer. */
#ifndef TESTS_NOTIFIER_SITE_H
#define TESTS_NOTIFIER_SITE_H

#include <czmq.h>
#include <jansson.h>

#include "tests/notifier/journal/events.h"
#include "tests/support/process.h"

typedef struct site {
    char *folder; /* with root/, run/, state/, tasks/ and log in it */
    char *root, *tasks;
    char *broker, *nats;       /* addresses; NULL: filesystem://<tasks>, no NATS */
    const char *drain_timeout; /* NULL: the default */
    const char *const *more;   /* further name-value pairs for the notifier, NULL-terminated, or NULL */
    uint64_t last_series;      /* number of the last series of site_send_series */
    pid_t notifier;
    zsock_t *inbox; /* the listener's */
    zsock_t *notifier_inbox;
    uint64_t notifier_incarnation; /* of the last Alive that was read */
    uint64_t journal;              /* of the same */
    char told[1024 * 1024];        /* " opened:1 ended:1 ", with associations, so far */
} site_t;

/* Makes the folders and the listener's inbox; starts nothing. */
void site_set_up(site_t *site);
/* Kills the notifier if it runs, and removes everything. */
void site_tear_down(site_t *site);

/* Starts the notifier and waits for its first Alive. */
void site_start(site_t *site);
void site_kill(site_t *site);
/* Says TERM; returns the exit status, -1 where it did not end within `ms`. */
int site_terminate(site_t *site, int64_t ms);

void site_send_alive(site_t *site, uint64_t listener);
/* Writes the file that a stored event speaks of, then says the event. */
void site_send_event(site_t *site, const event_t *event);
/* The same, as a second attempt, and waits until its series is told to be open. Then all before it was
 * heard, unless the association was told so for an earlier event, which the test has not read yet. */
void site_send_last(site_t *site, const event_t *event);
void site_send_end(site_t *site, uint64_t listener, uint64_t association);
/* A series of one file and one association, both with the next number, and waits until its end is acknowledged. */
void site_send_series(site_t *site, const char *series);
/* That the journal has the series in this state, within a minute. */
void site_expect_state(site_t *site, const char *series, const char *state);
#define EVENT(...) (&(event_t){__VA_ARGS__})

/* Waits until `item` ("opened:1", "ended:1") was told. */
bool site_await_told(site_t *site, const char *item);
/* How often it was told so far. */
int site_told(const site_t *site, const char *item);
/* Reads what the notifier says for `ms`. */
void site_listen(site_t *site, int64_t ms);
/* Waits until the log has the text. */
bool site_await_log(site_t *site, const char *text, int64_t ms);

/* Number of tasks that kombu's receiver would find in the folder. */
int site_tasks(site_t *site);
bool site_await_tasks(site_t *site, int count, int64_t ms);
/* ndicom of the oldest task, and takes it away; -1: none. */
int64_t site_take_task(site_t *site);

/* The only value of a query of the journal; valid until the next call. */
const char *site_query(site_t *site, const char *sql);
bool site_await_query(site_t *site, const char *sql, const char *wanted, int64_t ms);

#endif
