/* Log lines on stderr: time, level, stage, association and object, message. Safe from any thread.
 * No patient's name or ID above debug. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum log_level { LEVEL_OFF, LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG, LEVEL_TRACE } log_level_t;

/* What a line is about; 0 means none. */
typedef struct log_context {
    uint64_t association;
    uint64_t object;
} log_context_t;

/* `stage` must outlive the process' logging. `directives` is the value of RUST_LOG as log_directives_valid
 * accepted it. */
void log_start(const char *stage, const char *directives);

/* Reads RUST_LOG: a level, or comma-separated directives of which `oxidicom=LEVEL` and a plain LEVEL count.
 * Returns whether it was understood. */
bool log_directives_valid(const char *directives);

bool log_wanted(log_level_t level);

/* For complaints that could come with every message: true at most once in LOG_SELDOM_MS. `last_ms` begins as 0 and
 * belongs to one kind of complaint. */
bool log_seldom(int64_t *last_ms);

/* The same for complaints that could come with every object, at most once in LOG_RARELY_MS; begins zeroed. Then
 * `left_out` is how many were not said since the last one that was. */
typedef struct log_limit {
    int64_t said_ms; /* 0: never */
    uint64_t left_out;
} log_limit_t;
bool log_rarely(log_limit_t *limit, uint64_t *left_out);
/* The same for complaints of peers, at most once in LOG_SELDOM_MS. */
bool log_counted(log_limit_t *limit, uint64_t *left_out);

/* `context` may be NULL. */
void log_write(log_level_t level, const log_context_t *context, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(context, ...) log_write(LEVEL_ERROR, context, __VA_ARGS__)
#define log_warn(context, ...)  log_write(LEVEL_WARN, context, __VA_ARGS__)
#define log_info(context, ...)  log_write(LEVEL_INFO, context, __VA_ARGS__)
#define log_debug(context, ...)                                                                                    \
    do {                                                                                                           \
        if (log_wanted(LEVEL_DEBUG))                                                                               \
            log_write(LEVEL_DEBUG, context, __VA_ARGS__);                                                          \
    } while (0)

#endif
