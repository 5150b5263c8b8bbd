/* Where the oxidicom runs that the tool asks. */
#ifndef TOOL_RUN_DIR_H
#define TOOL_RUN_DIR_H

#include <stdbool.h>
#include <stdint.h>

/* The folder `named` by the environment; for NULL, the first of the launcher's own places with a listening stage:
 * this shell's environment need not be the service's. Storage comes last, and no folder is waited for longer than
 * until `deadline_ms` (clock_ms). Free it; NULL after saying on stderr why there is none. */
char *run_dir_find(const char *named, int64_t deadline_ms);

/* Whether somebody has the inbox `id` in it. A socket file alone may be what a killed process left. */
bool run_dir_reaches(const char *run_dir, const char *id);

/* A tool that was killed leaves its socket behind: removes those. */
void run_dir_sweep(const char *run_dir);

#endif
