/* The fate of the series that an operator wants registered, one line each. */
#ifndef TOOL_OUTCOME_H
#define TOOL_OUTCOME_H

#include "deploy/tool/print.h"
#include "proto/ring.pb-c.h"

typedef struct outcomes {
    table_t *table;
    json_t *json;
    bool with_folder;
} outcomes_t;

typedef struct outcome_line {
    const char *series_uid, *calling_ae, *outcome, *why, *folder; /* NULL: unknown */
    int64_t files;                                                /* 0: unknown */
} outcome_line_t;

outcomes_t outcomes_new(bool with_folder);
void outcome_add(outcomes_t *outcomes, const outcome_line_t *line);
/* Prints the lines and frees them. */
void outcomes_print(outcomes_t *outcomes, bool json);

/* In a word. */
const char *outcome_name(Ring__Outcome outcome, bool dry_run);

#endif
