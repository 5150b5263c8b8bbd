/* Log lines on stderr: time, level, stage, association and object, message. Safe from any thread.
 * No patient's name or ID above debug. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/trace.h"

/* A complaint that could come with every message comes once in this time. */
#define LOG_SELDOM_MS 1000
/* A line that could come with every object comes once in this time, with a count of the suppressed ones. */
#define LOG_RARELY_MS 60000
/* From one place in the source: so many lines at once, then one in this time. */
#define LOG_BURST_LINES 300
#define LOG_INTERVAL_MS 100
/* A line, or its message in JSON; and the quoted part of a bad RUST_LOG. */
#define LOG_LINE_BYTES    2048
#define LOG_UNKNOWN_BYTES 256

typedef enum log_level { LEVEL_OFF, LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG, LEVEL_TRACE } log_level_t;

/* What a line is about; 0 means none. */
typedef struct log_context {
    uint64_t association;
    uint64_t object;
    trace_context_t trace; /* of the span that it belongs to */
} log_context_t;

/* `stage` ("listener", "writer-0", …) must outlive the process' logging. `directives`: the value of RUST_LOG
 * (log_filter.h); unknown parts are named in a warning and ignored. `format`: the value of OXIDICOM_LOG_FORMAT,
 * "text" or "json"; NULL: text. */
void log_start(const char *stage, const char *directives, const char *format);

bool log_wanted(log_level_t level);

/* Of one kind of complaint; begins zeroed. */
typedef struct log_limit {
    int64_t said_ms; /* 0: never */
    uint64_t left_out;
} log_limit_t;

/* For complaints that could come with every message, whatever their site's limit below: true at most once in
 * LOG_SELDOM_MS. Then `left_out`, if not NULL, is how many were suppressed since the last line. */
bool log_seldom(log_limit_t *limit, uint64_t *left_out);
/* The same for complaints that could come with every object, at most once in LOG_RARELY_MS. */
bool log_rarely(log_limit_t *limit, uint64_t *left_out);

/* What such a complaint says of those before it that were not said: "" of none. Valid until this thread's next
 * call. */
const char *log_more(uint64_t left_out);

/* One place in the source that writes lines. However often it is passed, no more lines come from it than
 * LOG_BURST_LINES at once and then one each LOG_INTERVAL_MS (ten times that at info); debug and trace have no
 * limit. Private to log.c but for its creation by the macros below. */
typedef struct log_site {
    struct log_site *next;
    int64_t spent_until_ms; /* lines already written count until then */
    uint64_t left_out;
    const char *format;
    log_level_t level;
} log_site_t;

/* `context` may be NULL. `site` NULL: the line is always written, since its cause is rare by itself. */
void log_write(log_site_t *site, log_level_t level, const log_context_t *context, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Says how many lines were left out where none has come since that could have said so. To be called now and then,
 * and with `all` before the end. */
void log_say_left_out(bool all);

/* poll(2), of stderr. Replaced by tests: a reader that stops between two looks. */
extern int (*log_poll)(struct pollfd *files, nfds_t count, int timeout_ms);

#define LOG_HERE(level, context, ...)                                                                              \
    do {                                                                                                           \
        static log_site_t log_site_here;                                                                           \
        if (log_wanted(level))                                                                                     \
            log_write(&log_site_here, level, context, __VA_ARGS__);                                                \
    } while (0)

#define log_error(context, ...)  LOG_HERE(LEVEL_ERROR, context, __VA_ARGS__)
#define log_warn(context, ...)   LOG_HERE(LEVEL_WARN, context, __VA_ARGS__)
#define log_info(context, ...)   LOG_HERE(LEVEL_INFO, context, __VA_ARGS__)
#define log_always(context, ...) log_write(NULL, LEVEL_INFO, context, __VA_ARGS__)
#define log_debug(context, ...)  LOG_HERE(LEVEL_DEBUG, context, __VA_ARGS__)

#endif
