/* The tool's side of the ring: an inbox of its own, questions, and answers that come before a deadline or not at
 * all. */
#ifndef TOOL_ASK_H
#define TOOL_ASK_H

#include <czmq.h>

#include "proto/reply.h"

typedef struct ask {
    char *run_dir;
    char inbox_name[TOOL_INBOX_BYTES];
    zsock_t *inbox;
    Ring__ReplyTo reply_to;
    int64_t timeout_ms;  /* --timeout */
    int64_t deadline_ms; /* clock_ms: nothing is waited for any longer */
} ask_t;

/* A question to a stage, and its answer. */
typedef struct question {
    const char *stage;
    Ring__Answer *answer; /* NULL: none came in time */
    bool there;           /* somebody has its inbox */
    int64_t took_ms;      /* to answer: the earlier messages in the inbox, above all */
    uint64_t number;      /* ask.c's own, as all that follow */
    int64_t asked_ms;
    zsock_t *outbox;
} question_t;

/* Finds the run folder of an oxidicom that runs (`run_dir` of the settings, else where a launcher would have it)
 * and binds an inbox in it. Returns 0, or EX_UNAVAILABLE after saying on stderr that nothing runs, or which folder
 * does not answer within the timeout, which runs from `begin_ms` (clock_ms) on. Close it in any case. */
int ask_open(ask_t *ask, const char *run_dir, int64_t timeout_ms, int64_t begin_ms)
    __attribute__((warn_unused_result));
void ask_close(ask_t *ask);

/* The timeout begins anew: something has been heard, or nothing was to be waited for. One deadline covers all that
 * a command waits for in between. */
void ask_renew(ask_t *ask);

/* What the next question must have in it; it belongs to `ask`. */
Ring__ReplyTo *ask_reply_to(ask_t *ask);

/* Asks all of these stages at once how they are, and waits for their answers until the deadline. Free those with
 * ring__answer__free_unpacked. */
void ask_status(ask_t *ask, question_t *questions, size_t count);

/* Asks the stage; an answer renews the deadline. NULL where none comes before it, or a signal does. Free with
 * ring__answer__free_unpacked. */
Ring__Answer *ask_stage(ask_t *ask, const char *stage, const Ring__Envelope *envelope);

/* Asks the notifier for series, registrations or an audit. NULL after printing why: no answer, or an error. */
Ring__Answer *ask_notifier(ask_t *ask, const Ring__Envelope *question);

#endif
