/* RUST_LOG: which lines of this process are wanted. Directives as env_logger and tracing-subscriber read them. */
#ifndef COMMON_LOG_FILTER_H
#define COMMON_LOG_FILTER_H

#include <stddef.h>

#include "common/log.h"

/* The level for lines of `stage` (as log_start has it): comma-separated directives, each a LEVEL, TARGET=LEVEL, or
 * a TARGET alone, which means everything; levels in any case. Targets are oxidicom, oxidicom::listener, ::writer,
 * ::notifier and ::launcher; targets of other programs count for nothing. The longest target that fits wins, of two
 * equal ones the last. Where none fits: info. `unknown` gets the bad parts, separated by commas (at most `room`
 * bytes with the NUL), or "". */
log_level_t log_filter(const char *directives, const char *stage, char *unknown, size_t room);

/* The level's name in lower case. */
const char *log_level_name(log_level_t level);

#endif
