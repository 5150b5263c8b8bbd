/* The notifier's parts on a rig: a journal in a folder of the test's own, and everything that is owed after a
 * commit written down instead of sent. */
#ifndef TESTS_NOTIFIER_RIG_H
#define TESTS_NOTIFIER_RIG_H

#include "notifier/journal/dones.h"
#include "notifier/journal/journal.h"
#include "notifier/journal/owed.h"
#include "tests/notifier/journal/events.h"

/* The delay of the rig's dones: longer than any test. */
#define RIG_DONE_DELAY_MS (10 * 60 * 1000)

typedef struct rig {
    char *folder; /* with state/ and root/ in it */
    settings_t settings;
    journal_t journal;
    owed_t *owed;
    progress_t *progress;
    dones_t *dones;
    int64_t said_to_be_done[DONES_UNDER_WAY_MAX]; /* receptions */
    size_t said_to_be_done_count;
    bool takes_nothing; /* NATS, so that they are said again */
    zsock_t *told, *listener;
    char *said; /* LONK messages in order: "count 1", "error: …", "done", with their subject's last part */
    size_t said_size;
    FILE *said_file;
} rig_t;

/* Aborts the test where something fails. */
void rig_set_up(rig_t *rig);
void rig_tear_down(rig_t *rig);
/* As if the process ended and began anew; nothing but the journal stays. */
void rig_restart(rig_t *rig);

/* Writes the file that a stored event speaks of, then hears of it. */
void rig_event(rig_t *rig, const event_t *event);
#define EVENT(...) (&(event_t){__VA_ARGS__})
/* The release of an association without awaited events; another end of it. */
void rig_end(rig_t *rig, uint64_t listener, uint64_t association);
void rig_end_as(rig_t *rig, uint64_t listener, uint64_t association, Ring__Ending ending);
/* The same, with so many objects of the event's series answered with Success, and so many refused. */
void rig_end_of(rig_t *rig, const event_t *event, uint64_t answered, uint64_t refused);
/* As the notifier does after a burst of messages. Returns journal_commit's. */
int rig_commit(rig_t *rig);
/* As the registrar does with an older reception of the same folder. */
void rig_merge(rig_t *rig, int64_t older, int64_t newer);
/* As if the broker had confirmed the due ones, a while ago. */
void rig_confirm(rig_t *rig);
/* Counts the files of receptions that were left open. */
void rig_count_left_open(rig_t *rig);
/* As the notifier does every now and then. */
void rig_beat(rig_t *rig);

/* The messages since the last call; valid until the next. */
const char *rig_said(rig_t *rig);
/* The next message to the listener: "opened 1 2" or "ended 1", with the associations (of listener 1, else
 * "@listener …"); "" where there is none. Valid until the next call. */
const char *rig_told(rig_t *rig);
/* Throws away the messages until now. */
void rig_forget_told(rig_t *rig);

/* The only value of a query, as text; valid until the next call. */
const char *rig_query(rig_t *rig, const char *sql);

/* Commits, and compares the messages to NATS. */
void rig_expect_said(rig_t *rig, const char *wanted);
/* Compares the next message to the listener. */
void rig_expect_told(rig_t *rig, const char *wanted);
/* Compares the states of all receptions, oldest first, with a space between them. */
void rig_expect_states(rig_t *rig, const char *wanted);

#endif
