/* The notifier's parts on a bench: a journal in a folder of the test's own, and everything that is owed after a
 * commit written down instead of sent. */
#ifndef TESTS_NOTIFIER_BENCH_H
#define TESTS_NOTIFIER_BENCH_H

#include "notifier/journal/batch.h"
#include "notifier/journal/journal.h"
#include "tests/notifier/journal/events.h"

typedef struct bench {
    char *folder; /* with state/ and root/ in it */
    settings_t settings;
    journal_t journal;
    batch_t *batch;
    progress_t *progress;
    zsock_t *acknowledgements, *listener;
    char *said; /* LONK messages in order: "count 1", "error: …", "done", with their subject's last part */
    size_t said_size;
    FILE *said_file;
} bench_t;

/* Aborts the test where something fails. */
void bench_set_up(bench_t *bench);
void bench_tear_down(bench_t *bench);
/* As if the process ended and began anew; nothing but the journal stays. */
void bench_restart(bench_t *bench);

void bench_event(bench_t *bench, const event_t *event);
#define EVENT(...) (&(event_t){__VA_ARGS__})
void bench_end(bench_t *bench, uint64_t listener, uint64_t association);
/* As the notifier does after a burst of messages. Returns journal_commit's. */
int bench_commit(bench_t *bench);
/* As the notifier does every now and then. */
void bench_beat(bench_t *bench);

/* What was said since the last call; valid until the next. */
const char *bench_said(bench_t *bench);
/* The next message to the listener, "objects 1:0000 2:C000 ends 1" (for listener 1, else "@listener …"); "" where
 * there is none. Valid until the next call. */
const char *bench_acknowledged(bench_t *bench);

/* The only value of a query, as text; valid until the next call. */
const char *bench_query(bench_t *bench, const char *sql);

/* Commits, and compares what was said to NATS. */
void bench_expect_said(bench_t *bench, const char *wanted);
/* Compares the next message to the listener. */
void bench_expect_acknowledged(bench_t *bench, const char *wanted);
/* Compares the states of all receptions, oldest first, with a space between them. */
void bench_expect_states(bench_t *bench, const char *wanted);

#endif
