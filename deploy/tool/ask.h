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
    int64_t timeout_ms;
} ask_t;

/* Finds the run folder of an oxidicom that runs (`run_dir` of the settings, else where a launcher would have it)
 * and binds an inbox in it. Returns 0, or EX_UNAVAILABLE after saying on stderr that nothing runs. Close it in any
 * case. */
int ask_open(ask_t *ask, const char *run_dir, int64_t timeout_ms) __attribute__((warn_unused_result));
void ask_close(ask_t *ask);

/* Whether somebody has the inbox `id`. A socket file alone may be what a killed process left. */
bool ask_reaches(const char *run_dir, const char *id);

/* What the next question must have in it; it belongs to `ask`. */
Ring__ReplyTo *ask_reply_to(ask_t *ask);

/* Asks the stage. NULL where no answer comes in time, or a signal does. Free with ring__answer__free_unpacked. */
Ring__Answer *ask_stage(ask_t *ask, const char *stage, const Ring__Envelope *question);

/* Asks the notifier for series or registrations. NULL after saying on stderr what went wrong: no answer, or one
 * that is an error. */
Ring__Answer *ask_notifier(ask_t *ask, const Ring__Envelope *question);

#endif
