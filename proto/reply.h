/* Answers to questions from outside the ring's pipeline, by the operator's tool. */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include <stdbool.h>

#include "common/stage.h"
#include "proto/ring.h"

/* What the inboxes of the tool are named: the prefix, then 1 to TOOL_NUMBER_DIGITS digits. */
#define TOOL_INBOX_PREFIX  "tool-"
#define TOOL_NUMBER_DIGITS 10
#define TOOL_INBOX_BYTES   (sizeof TOOL_INBOX_PREFIX + TOOL_NUMBER_DIGITS)

/* Whether the name is one of the tool's, so that it can't lead out of the run folder. */
bool reply_inbox_valid(const char *inbox);

/* Sends the answer to the tool's inbox. The answer stays the caller's. Does not wait, and is no error where the
 * tool has gone: nobody wants the answer then. */
void reply_send(const char *run_dir, const char *inbox, const Ring__Answer *answer);

/* What the stage says of itself. Its texts are the stage's. */
Ring__Alive alive_of(const stage_t *stage, Ring__Stage kind);

#endif
