#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/metrics.h"

/* One line is one write(2), so that lines of several threads and stages do not mix. */
#define LINE_MAX_BYTES 2048

static const char *const LEVEL_NAMES[] = {"off", "error", "warn", "info", "debug", "trace"};
static const char *stage_name = "oxidicom";
static log_level_t wanted = LEVEL_INFO;

static bool level_named(const char *name, size_t length, log_level_t *level) {
    for (int i = LEVEL_OFF; i <= LEVEL_TRACE; i++)
        if (strlen(LEVEL_NAMES[i]) == length && strncasecmp(LEVEL_NAMES[i], name, length) == 0) {
            *level = (log_level_t)i;
            return true;
        }
    return false;
}

/* One directive: a level for everything, or target=level, of which only this program's own count. */
static bool read_directive(const char *at, size_t length, log_level_t *level) {
    const char *equals = memchr(at, '=', length);
    if (!equals)
        return level_named(at, length, level);
    log_level_t given;
    if (!level_named(equals + 1, length - (size_t)(equals + 1 - at), &given))
        return false;
    if ((size_t)(equals - at) == strlen("oxidicom") && strncmp(at, "oxidicom", strlen("oxidicom")) == 0)
        *level = given;
    return true;
}

static bool read_directives(const char *directives, log_level_t *level) {
    if (!directives)
        return true;
    for (const char *at = directives; *at;) {
        at += strspn(at, " ,");
        size_t length = strcspn(at, " ,");
        if (length > 0 && !read_directive(at, length, level))
            return false;
        at += length;
    }
    return true;
}

bool log_directives_valid(const char *directives) {
    log_level_t level;
    return read_directives(directives, &level);
}

void log_start(const char *stage, const char *directives) {
    stage_name = stage;
    wanted = LEVEL_INFO;
    (void)read_directives(directives, &wanted); /* settings_read has refused what can't be read */
}

bool log_wanted(log_level_t level) {
    return level <= wanted;
}

bool log_seldom(int64_t *last_ms) {
    int64_t now = clock_ms();
    if (*last_ms && now - *last_ms < LOG_SELDOM_MS) {
        metric_add(METRIC_LOG_SUPPRESSED, NULL, 1);
        return false;
    }
    *last_ms = now;
    return true;
}

static bool once_in(int64_t ms, log_limit_t *limit, uint64_t *left_out) {
    int64_t now = clock_ms();
    if (limit->said_ms && now - limit->said_ms < ms) {
        limit->left_out++;
        metric_add(METRIC_LOG_SUPPRESSED, NULL, 1);
        return false;
    }
    *left_out = limit->left_out;
    *limit = (log_limit_t){.said_ms = now};
    return true;
}

bool log_rarely(log_limit_t *limit, uint64_t *left_out) {
    return once_in(LOG_RARELY_MS, limit, left_out);
}

bool log_counted(log_limit_t *limit, uint64_t *left_out) {
    return once_in(LOG_SELDOM_MS, limit, left_out);
}

/* How much of the line is filled after snprintf said `written`. */
static size_t advance(size_t at, int written) {
    size_t end = written < 0 ? at : at + (size_t)written;
    return end < LINE_MAX_BYTES - 1 ? end : LINE_MAX_BYTES - 1;
}

void log_write(log_level_t level, const log_context_t *context, const char *format, ...) {
    if (!log_wanted(level))
        return;
    metric_add(METRIC_LOG_LINES, LEVEL_NAMES[level], 1);
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    at = advance(at, snprintf(line + at, sizeof line - at, ".%03ldZ %-5s %s", now.tv_nsec / 1000000,
                              LEVEL_NAMES[level], stage_name));
    if (context && context->association)
        at = advance(at, snprintf(line + at, sizeof line - at, " association=%llu",
                                  (unsigned long long)context->association));
    if (context && context->object)
        at =
            advance(at, snprintf(line + at, sizeof line - at, " object=%llu", (unsigned long long)context->object));
    at = advance(at, snprintf(line + at, sizeof line - at, ": "));
    size_t message = at;
    va_list arguments;
    va_start(arguments, format);
    at = advance(at, vsnprintf(line + at, sizeof line - at, format, arguments));
    va_end(arguments);
    /* Texts of peers end up in lines: a line break in one must not forge another line. */
    for (size_t i = message; i < at; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7F)
            line[i] = '?';
    line[at++] = '\n';
    if (write(STDERR_FILENO, line, at) < 0)
        return; /* there is nowhere left to say it */
}
