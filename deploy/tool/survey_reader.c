#include "deploy/tool/survey_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "deploy/tool/place.h"

/* In the new process. Does not return. */
static void become_survey(const char *command, const options_t *options, int out) {
    char folder[PATH_MAX], path[PATH_MAX + 32], since[32];
    const char **argv = calloc(options->names_count + 5, sizeof *argv);
    size_t count = 0;
    if (!argv || !place_own_folder(folder) || dup2(out, STDOUT_FILENO) < 0)
        _exit(EX_OSERR);
    snprintf(path, sizeof path, "%s/oxidicom-writer", folder);
    argv[count++] = path;
    argv[count++] = "--survey";
    if (options->since >= 0) {
        snprintf(since, sizeof since, "%lld", (long long)options->since);
        argv[count++] = "--since";
        argv[count++] = since;
    }
    for (size_t i = 0; i < options->names_count; i++)
        argv[count++] = options->names[i];
    execv(path, (char **)(uintptr_t)argv);
    fprintf(stderr, "oxidicom %s: can't run %s: %s\n", command, path, strerror(errno));
    _exit(EX_UNAVAILABLE);
}

pid_t survey_reader_start(const char *command, const options_t *options, survey_reader_lines_t *lines) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t survey = fork();
    if (survey == 0)
        become_survey(command, options, ends[1]);
    close(ends[1]);
    *lines = (survey_reader_lines_t){.descriptor = ends[0]};
    return survey;
}

/* Reads more before the deadline. Returns read()'s result, or -1 with ETIMEDOUT. */
static ssize_t read_more(survey_reader_lines_t *lines, int64_t deadline_ms) {
    int64_t left_ms = deadline_ms - clock_ms();
    struct pollfd polled = {.fd = lines->descriptor, .events = POLLIN};
    int ready = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
    if (ready == 0)
        errno = ETIMEDOUT;
    if (ready <= 0)
        return -1;
    if (lines->count == lines->room)
        lines->bytes = must(realloc(lines->bytes, lines->room = lines->room ? 2 * lines->room : 4096));
    memmove(lines->bytes, lines->bytes + lines->at, lines->count - lines->at);
    lines->count -= lines->at;
    lines->at = 0;
    ssize_t got = read(lines->descriptor, lines->bytes + lines->count, lines->room - lines->count);
    lines->count += got > 0 ? (size_t)got : 0;
    return got;
}

char *survey_reader_next_line(survey_reader_lines_t *lines, int64_t deadline_ms, ssize_t *got) {
    char *end;
    while (
        !(end = lines->count > lines->at ? memchr(lines->bytes + lines->at, '\n', lines->count - lines->at) : NULL))
        if ((*got = read_more(lines, deadline_ms)) <= 0)
            return NULL;
    char *line = lines->bytes + lines->at;
    *end = 0;
    lines->at = (size_t)(end + 1 - lines->bytes);
    return line;
}

void survey_reader_close(survey_reader_lines_t *lines) {
    if (lines->descriptor >= 0)
        close(lines->descriptor);
    free(lines->bytes);
    *lines = (survey_reader_lines_t){.descriptor = -1};
}
