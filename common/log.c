/* How a line looks: for people, for journald, or as JSON; and how many come from one place. */
#include "common/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_filter.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "common/utf8.h"
#include "common/version.h"

#define NANOSECONDS 1000000000LL

/* A reader of the log that stops must not stop a loop. */
#define LOG_PATIENCE_MS 100

typedef enum log_format { FORMAT_PLAIN, FORMAT_COLOR, FORMAT_JOURNAL, FORMAT_JSON } log_format_t;

static const char *stage_name = "oxidicom";
static log_level_t wanted = LEVEL_INFO;
static log_format_t line_format = FORMAT_PLAIN;

int (*log_poll)(struct pollfd *files, nfds_t count, int timeout_ms) = poll;

static atomic_uint_fast64_t unread; /* lines left out since the log's reader has stopped */

static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;
static log_site_t *sites; /* the places that have suppressed lines at some time */

/* --- start ------------------------------------------------------------------------------------------- */

/* Whether stderr is the journal's socket, as systemd.exec(5) has it for JOURNAL_STREAM. */
static bool is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat s;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &s) == 0 &&
           s.st_dev == device && s.st_ino == inode;
}

/* https://no-color.org */
static bool wants_color(void) {
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return !(no_color && *no_color) && !(terminal && strcmp(terminal, "dumb") == 0) && isatty(STDERR_FILENO);
}

void log_start(const char *stage, const char *directives, const char *format) {
    char unknown[LOG_UNKNOWN_BYTES];
    stage_name = stage;
    line_format = format && strcmp(format, "json") == 0 ? FORMAT_JSON
                  : is_journal()                        ? FORMAT_JOURNAL
                  : wants_color()                       ? FORMAT_COLOR
                                                        : FORMAT_PLAIN;
    wanted = log_filter(directives, stage, unknown, sizeof unknown);
    if (*unknown)
        log_warn(NULL,
                 "RUST_LOG: not understood and ignored: \"%s\"; a directive is off, error, warn, info, debug or "
                 "trace, or TARGET=LEVEL, with the targets oxidicom, oxidicom::listener, ::writer, ::notifier and "
                 "::launcher",
                 unknown);
}

bool log_wanted(log_level_t level) {
    return level <= wanted;
}

/* --- how many --------------------------------------------------------------------------------------- */

static bool once_in(int64_t ms, log_limit_t *limit, uint64_t *left_out) {
    int64_t now = clock_ms();
    if (limit->said_ms && now - limit->said_ms < ms) {
        limit->left_out++;
        metric_add(METRIC_LOG_SUPPRESSED, NULL, 1);
        return false;
    }
    if (left_out)
        *left_out = limit->left_out;
    *limit = (log_limit_t){.said_ms = now};
    return true;
}

bool log_rarely(log_limit_t *limit, uint64_t *left_out) {
    return once_in(LOG_RARELY_MS, limit, left_out);
}

bool log_seldom(log_limit_t *limit, uint64_t *left_out) {
    return once_in(LOG_SELDOM_MS, limit, left_out);
}

const char *log_more(uint64_t left_out) {
    static _Thread_local char text[64];
    *text = 0;
    if (left_out > 0)
        snprintf(text, sizeof text, "; %llu more since that was last said", (unsigned long long)left_out);
    return text;
}

/* Whether a line may come from the site now: each moves the time until which lines are spent one interval on, and
 * it must not be more than a burst ahead. */
static bool spend(log_site_t *site, log_level_t level, int64_t now_ms) {
    int64_t interval_ms = level >= LEVEL_INFO ? LOG_INTERVAL_MS / 10 : LOG_INTERVAL_MS;
    if (site->spent_until_ms < now_ms)
        site->spent_until_ms = now_ms;
    if (site->spent_until_ms - now_ms > LOG_BURST_LINES * interval_ms)
        return false;
    site->spent_until_ms += interval_ms;
    return true;
}

/* Whether the line may be written; `left_out`: how many were not, since the last that was. */
static bool admit(log_site_t *site, log_level_t level, const char *format, uint64_t *left_out) {
    *left_out = 0;
    if (level >= LEVEL_DEBUG)
        return true;
    pthread_mutex_lock(&sites_lock);
    bool admitted = spend(site, level, clock_ms());
    if (admitted) {
        *left_out = site->left_out;
        site->left_out = 0;
    } else {
        site->left_out++;
        metric_add(METRIC_LOG_SUPPRESSED, NULL, 1);
        if (!site->format) {
            site->format = format;
            site->level = level;
            site->next = sites;
            sites = site;
        }
    }
    pthread_mutex_unlock(&sites_lock);
    return admitted;
}

/* --- one line ---------------------------------------------------------------------------------------- */

static bool write_line(log_level_t level, const log_context_t *context, const char *message);

/* Whether a line can be written without waiting for who reads them: after LOG_PATIENCE_MS, none waits any more. */
static bool is_read(void) {
    struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool is = log_poll(&reader, 1, atomic_load(&unread) ? 0 : LOG_PATIENCE_MS) != 0;
    if (!is) {
        atomic_fetch_add(&unread, 1);
        metric_add(METRIC_LOG_SUPPRESSED, NULL, 1);
    }
    return is;
}

static bool tell_unread(uint64_t left_out) {
    char message[128];
    snprintf(message, sizeof message, "%llu %s left out: nobody read the log", (unsigned long long)left_out,
             plural(left_out, "line was", "lines were"));
    return write_line(LEVEL_WARN, NULL, message);
}

/* One line is one write(2), so that lines of several threads and stages do not mix. Returns whether it is written;
 * where it is not, there may be nowhere left to say so. */
static bool put_line(const char *line, size_t size) {
    if (!is_read())
        return false;
    uint64_t left_out = atomic_exchange(&unread, 0);
    if (left_out && !tell_unread(left_out)) {
        atomic_fetch_add(&unread, left_out); /* the telling line has counted itself, which stands for this one */
        return false;
    }
    if (left_out && !is_read())
        return false;
    return write(STDERR_FILENO, line, size) >= 0;
}

/* How much of the line is filled after snprintf said `written`. */
static size_t advance(size_t at, int written) {
    size_t end = written < 0 ? at : at + (size_t)written;
    return end < LOG_LINE_BYTES - 1 ? end : LOG_LINE_BYTES - 1;
}

static size_t put_time(char *line, const struct timespec *now) {
    struct tm utc;
    gmtime_r(&now->tv_sec, &utc);
    size_t at = strftime(line, LOG_LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    return advance(at, snprintf(line + at, LOG_LINE_BYTES - at, ".%03ldZ ", now->tv_nsec / 1000000));
}

/* Priorities of syslog(3); journald has a time of its own. */
static size_t put_begin(char *line, log_level_t level, const struct timespec *now) {
    static const int priorities[] = {
        [LEVEL_ERROR] = 3, [LEVEL_WARN] = 4, [LEVEL_INFO] = 6, [LEVEL_DEBUG] = 7, [LEVEL_TRACE] = 7};
    static const char *const colors[] = {
        [LEVEL_ERROR] = "31", [LEVEL_WARN] = "33", [LEVEL_INFO] = "32", [LEVEL_DEBUG] = "34", [LEVEL_TRACE] = "35"};
    if (line_format == FORMAT_JOURNAL)
        return advance(0, snprintf(line, LOG_LINE_BYTES, "<%d>%s", priorities[level], stage_name));
    size_t at = put_time(line, now);
    const char *name = log_level_name(level);
    if (line_format == FORMAT_COLOR)
        return advance(at, snprintf(line + at, LOG_LINE_BYTES - at, "\033[%sm%-5s\033[0m \033[1m%s\033[0m",
                                    colors[level], name, stage_name));
    return advance(at, snprintf(line + at, LOG_LINE_BYTES - at, "%-5s %s", name, stage_name));
}

static bool write_text(log_level_t level, const log_context_t *context, const char *message,
                       const struct timespec *now) {
    char line[LOG_LINE_BYTES];
    size_t at = put_begin(line, level, now);
    if (context && context->association)
        at = advance(at, snprintf(line + at, sizeof line - at, " association=%llu",
                                  (unsigned long long)context->association));
    if (context && context->object)
        at =
            advance(at, snprintf(line + at, sizeof line - at, " object=%llu", (unsigned long long)context->object));
    at = advance(at, snprintf(line + at, sizeof line - at, ": %s", message));
    line[at++] = '\n';
    return put_line(line, at);
}

/* The fields of https://opentelemetry.io/docs/specs/otel/logs/data-model/ under their names there. */
static json_t *record_of(log_level_t level, const log_context_t *context, const char *message,
                         const struct timespec *now) {
    static const int severities[] = {
        [LEVEL_ERROR] = 17, [LEVEL_WARN] = 13, [LEVEL_INFO] = 9, [LEVEL_DEBUG] = 5, [LEVEL_TRACE] = 1};
    static const char *const names[] = {[LEVEL_ERROR] = "ERROR",
                                        [LEVEL_WARN] = "WARN",
                                        [LEVEL_INFO] = "INFO",
                                        [LEVEL_DEBUG] = "DEBUG",
                                        [LEVEL_TRACE] = "TRACE"};
    char time[32];
    /* As OTLP's JSON has it: numbers of 64 bits are texts. */
    snprintf(time, sizeof time, "%lld", (long long)now->tv_sec * NANOSECONDS + now->tv_nsec);
    json_t *attributes = json_object();
    if (context && context->association)
        json_object_set_new(attributes, "oxidicom.association", json_integer((json_int_t)context->association));
    if (context && context->object)
        json_object_set_new(attributes, "oxidicom.object", json_integer((json_int_t)context->object));
    return json_pack("{s:s, s:s, s:i, s:s, s:o, s:{s:s, s:s, s:s, s:i}}", "Timestamp", time, "SeverityText",
                     names[level], "SeverityNumber", severities[level], "Body", message, "Attributes", attributes,
                     "Resource", "service.name", "oxidicom", "service.version", OXIDICOM_VERSION,
                     "service.instance.id", stage_name, "process.pid", (int)getpid());
}

static bool write_json(log_level_t level, const log_context_t *context, const char *message,
                       const struct timespec *now) {
    json_t *record = record_of(level, context, message, now);
    if (record && context && trace_is_set(&context->trace)) {
        char id[2 * TRACE_ID_BYTES + 1];
        trace_hex(context->trace.trace_id, TRACE_ID_BYTES, id);
        json_object_set_new(record, "TraceId", json_string(id));
        trace_hex(context->trace.span_id, SPAN_ID_BYTES, id);
        json_object_set_new(record, "SpanId", json_string(id));
    }
    char *line = must(record ? json_dumps(record, JSON_COMPACT) : NULL);
    json_decref(record);
    size_t size = strlen(line);
    line[size] = '\n';
    bool written = put_line(line, size + 1);
    free(line);
    return written;
}

/* Texts of peers end up in lines: a line break in one must not forge another line. Half a character is left where a
 * message was cut, or came from a peer. */
static bool write_line(log_level_t level, const log_context_t *context, const char *message) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char *text = utf8_shown(message);
    bool written = line_format == FORMAT_JSON ? write_json(level, context, text, &now)
                                              : write_text(level, context, text, &now);
    free(text);
    return written;
}

static void write_left_out(log_level_t level, uint64_t left_out, const char *format) {
    char message[LOG_LINE_BYTES];
    snprintf(message, sizeof message, "%llu more %s left out: \"%s\"", (unsigned long long)left_out,
             plural(left_out, "line like this was", "lines like this were"), format);
    write_line(level, NULL, message);
}

void log_write(log_site_t *site, log_level_t level, const log_context_t *context, const char *format, ...) {
    char message[LOG_LINE_BYTES];
    uint64_t left_out = 0;
    va_list arguments;
    if (!log_wanted(level) || (site && !admit(site, level, format, &left_out)))
        return;
    metric_add(METRIC_LOG_LINES, log_level_name(level), 1);
    if (left_out)
        write_left_out(level, left_out, format);
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    write_line(level, context, message);
}

void log_say_left_out(bool all) {
    int64_t now = clock_ms();
    pthread_mutex_lock(&sites_lock);
    for (log_site_t *site = sites; site; site = site->next) {
        uint64_t left_out = site->left_out;
        if (left_out == 0 || (!all && !spend(site, site->level, now)))
            continue;
        site->left_out = 0;
        write_left_out(site->level, left_out, site->format);
    }
    pthread_mutex_unlock(&sites_lock);
}
