/* The operator's tool: asks the stages of an oxidicom that runs, through the sockets of the ring. It reads no
 * journal and no storage by itself, and says nothing that names a patient unless it is told to. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/tool/ask.h"

/* How a command ends. Besides: EX_USAGE (64), EX_UNAVAILABLE (69), EXIT_SETTINGS (78). */
enum {
    TOOL_FINE = 0,
    TOOL_LACKING = 1, /* something is missing, was not found or was not done */
};

#define TOOL_COMMANDS_HELP                                                                                         \
    "  status                   stages, queues, journal, broker and NATS\n"                                        \
    "  top                      the same each second, with rates, associations, series and refusals\n"             \
    "  series [UID|AE|SINCE]    series with state and reason\n"                                                    \
    "  resend UID\u2026              register series once more\n"                                                  \
    "  reconcile --since SINCE  register series that lie in storage and that the journal does not know\n"          \
    "  audit [--since SINCE]    compare the journal, and storage, with CUBE\n"

/* What the command line says. */
typedef struct options {
    bool json, show_phi, all, dry_run, force, stages, once, resend, storage;
    int64_t timeout_ms;
    const char *uid, *ae; /* NULL: any */
    int64_t since;        /* milliseconds since 1970; -1: not given */
    char **names;         /* further arguments */
    size_t names_count;
} options_t;

bool tool_has_command(const char *name);
/* argv[0] is the command's name. Returns the exit status. */
int tool_main(int argc, char **argv);

/* --- the commands; the ring is reached --- */

int status_command(const options_t *options, ask_t *ask);
int top_command(const options_t *options, ask_t *ask);
int series_command(const options_t *options, ask_t *ask);
int resend_command(const options_t *options, ask_t *ask);
int reconcile_command(const options_t *options, ask_t *ask);
int audit_command(const options_t *options, ask_t *ask);

/* --- shared by series.c and top.c --- */

/* What an operator calls the state of a reception, and why it is in it. Valid as cells are. */
const char *reception_state(const Ring__Reception *reception);
const char *reception_details(const Ring__Reception *reception);

/* --- shared by status.c and top.c --- */

/* How the two are, asked at once; an answer has all that it must have. */
void status_ask(ask_t *ask, question_t *listener, question_t *notifier);

#endif
