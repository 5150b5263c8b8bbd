/* The operator's tool beside a receiver that runs. */
#ifndef TESTS_TOOL_H
#define TESTS_TOOL_H

#include <jansson.h>

#include "tests/ring/ring.h"

/* Runs `oxidicom` with these arguments in the environment of the receiver started last. A command without
 * --timeout gets one that only ends what hangs. Free its output, stdout and stderr. */
char *tool_run(int *status, const char *const *arguments);
#define TOOL(status, ...) tool_run(status, (const char *const[]){__VA_ARGS__, NULL})
/* The same again and again, with a --timeout that doubles, until it ends with that status and has said that text:
 * a busy machine may take all of a short one before the tool has come to what hangs. */
char *tool_run_until(int wanted_status, const char *wanted, const char *const *arguments);
#define TOOL_UNTIL(wanted_status, wanted, ...)                                                                     \
    tool_run_until(wanted_status, wanted, (const char *const[]){__VA_ARGS__, NULL})
/* The same with --json at the end, parsed; fails the test if it is no JSON. json_decref it. */
json_t *tool_json(int *status, const char *const *arguments);
#define TOOL_JSON(status, ...) tool_json(status, (const char *const[]){__VA_ARGS__, NULL})

/* `oxidicom status --json` until the text of that path ("broker.connected", with true and false) is as wanted. */
void await_status(const char *path, const char *wanted);
/* A value within: object keys between dots. As text; "" where there is none. Valid for the next dozen of calls. */
const char *value_at(const json_t *json, const char *path);
/* The stage of that id in the answer to status; NULL: none. */
const json_t *stage_in(const json_t *status, const char *id);
/* The newest reception of the series in what `oxidicom series` says; NULL: none. */
json_t *reception_of(const char *series_uid);
/* Waits until that is in this state, and returns it. json_decref it. */
json_t *await_reception(const char *series_uid, const char *state);

/* What the test data says of its patient is not in the text. */
void expect_no_patient(const char *text);

#endif
