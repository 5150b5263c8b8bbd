/* A writer that looks through storage for series and says them, a line of JSON each; `{}` now and then while
 * storage answers. The tool itself opens no file there. */
#ifndef TOOL_SURVEY_READER_H
#define TOOL_SURVEY_READER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/tool/tool.h"

/* Where its lines come from. */
typedef struct survey_reader_lines {
    int descriptor; /* -1: none */
    char *bytes;    /* `count` of them were read; before `at` stand lines that were taken */
    size_t count, at, room;
} survey_reader_lines_t;

/* Starts it for the series and the time that the options name; `command`: who asks, for complaints. Returns the
 * process; -1 with errno. Close the lines in any case. */
pid_t survey_reader_start(const char *command, const options_t *options, survey_reader_lines_t *lines);

/* The next line, valid until the one after it. NULL: there is none, and `*got` is what the last read returned: -1
 * with ETIMEDOUT where none came before the deadline, a clock_ms. */
char *survey_reader_next_line(survey_reader_lines_t *lines, int64_t deadline_ms, ssize_t *got);

void survey_reader_close(survey_reader_lines_t *lines);

#endif
