#include "common/log_filter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const LEVEL_NAMES[] = {"off", "error", "warn", "info", "debug", "trace"};
static const char *const STAGES[] = {"listener", "writer", "notifier", "launcher"};

#define PROGRAM "oxidicom"

typedef struct text {
    const char *at;
    size_t size;
} text_t;

const char *log_level_name(log_level_t level) {
    return LEVEL_NAMES[level];
}

static text_t trim(text_t text) {
    while (text.size && strchr(" \t", *text.at))
        text.at++, text.size--;
    while (text.size && strchr(" \t", text.at[text.size - 1]))
        text.size--;
    return text;
}

static bool is_text(text_t text, const char *other) {
    return strlen(other) == text.size && strncasecmp(text.at, other, text.size) == 0;
}

static bool read_level(text_t name, log_level_t *level) {
    for (int i = LEVEL_OFF; i <= LEVEL_TRACE; i++)
        if (is_text(name, LEVEL_NAMES[i])) {
            *level = (log_level_t)i;
            return true;
        }
    return false;
}

/* How well the target fits the stage, which may have a number behind its name ("writer-0"): 0: not at all, -1: it
 * is named like one of ours and is none. */
static int fit_of(text_t target, const char *stage) {
    size_t program = strlen(PROGRAM);
    if (target.size < program || strncasecmp(target.at, PROGRAM, program) != 0)
        return 0;
    if (target.size == program)
        return 1;
    if (target.size < program + 2 || strncmp(target.at + program, "::", 2) != 0)
        return 0; /* oxidicom_something */
    text_t named = {target.at + program + 2, target.size - program - 2};
    for (size_t i = 0; i < sizeof STAGES / sizeof *STAGES; i++)
        if (is_text(named, STAGES[i]))
            return strncmp(stage, STAGES[i], named.size) == 0 &&
                           (stage[named.size] == 0 || stage[named.size] == '-')
                       ? 2
                       : 0;
    return -1;
}

/* Whether the directive was understood; then its level and how well it fits: 1 more than its target does, 0: it is
 * meant for others. */
static bool read_directive(text_t directive, const char *stage, int *fit, log_level_t *level) {
    const char *equals = memchr(directive.at, '=', directive.size);
    *fit = 1;
    if (!equals && read_level(directive, level))
        return true;
    text_t target = directive, name = {"", 0};
    if (equals) {
        target = trim((text_t){directive.at, (size_t)(equals - directive.at)});
        name = trim((text_t){equals + 1, directive.size - (size_t)(equals + 1 - directive.at)});
    }
    int fits = fit_of(target, stage);
    *fit = fits > 0 ? fits + 1 : 0;
    *level = LEVEL_TRACE;
    /* A word alone that is no target of ours is rather a level with a slip. */
    bool slip = !equals && fits == 0 && !memchr(target.at, ':', target.size);
    return fits >= 0 && !slip && (name.size == 0 || read_level(name, level));
}

log_level_t log_filter(const char *directives, const char *stage, char *unknown, size_t room) {
    log_level_t wanted = LEVEL_INFO;
    int best = 0;
    *unknown = 0;
    for (const char *at = directives ? directives : ""; *at;) {
        text_t whole = {at, strcspn(at, ",")}, directive = trim(whole);
        at += whole.size + (at[whole.size] == ',');
        int fit = 0;
        log_level_t level;
        if (directive.size == 0)
            continue;
        if (!read_directive(directive, stage, &fit, &level)) {
            size_t used = strlen(unknown);
            if (used < room)
                snprintf(unknown + used, room - used, "%s%.*s", used ? "," : "", (int)directive.size, directive.at);
        } else if (fit > 0 && fit >= best) {
            best = fit;
            wanted = level;
        }
    }
    return wanted;
}
