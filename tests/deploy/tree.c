#include "tests/deploy/tree.h"

#include <criterion/hooks.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOKEN "OXIDICOM_TEST_DEPLOY"

/* --- processes ------------------------------------------------------------------------------------------- */

/* Whether the process has NAME=value in its environment. */
static bool has_variable(int pid, const char *variable) {
    char *path = text_of("/proc/%d/environ", pid);
    size_t size = 0;
    char *content = file_content(path, &size);
    bool found = false;
    for (char *at = content; at && at < content + size && !found; at += strlen(at) + 1)
        found = strcmp(at, variable) == 0;
    free(content);
    free(path);
    return found;
}

static bool runs(int pid, const char *executable) {
    char *link = text_of("/proc/%d/exe", pid), target[4096] = "";
    bool same = readlink(link, target, sizeof target - 1) > 0 && strcmp(target, executable) == 0;
    free(link);
    return same;
}

/* Calls `is_wanted` for each process; the first match, or 0. */
static pid_t find_process(bool (*is_wanted)(int pid, void *argument), void *argument) {
    DIR *folder = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *entry; !found && folder && (entry = readdir(folder));)
        if (atoi(entry->d_name) > 1 && is_wanted(atoi(entry->d_name), argument))
            found = atoi(entry->d_name);
    if (folder)
        closedir(folder);
    return found;
}

typedef struct wanted_stage {
    char *executable, *run_dir, *writer;
} wanted_stage_t;

static bool is_stage(int pid, void *argument) {
    const wanted_stage_t *wanted = argument;
    return runs(pid, wanted->executable) && has_variable(pid, wanted->run_dir) &&
           (!wanted->writer || has_variable(pid, wanted->writer));
}

pid_t tree_stage(const receiver_t *receiver, const char *id) {
    bool is_writer = strncmp(id, "writer-", 7) == 0;
    wanted_stage_t wanted = {.executable = text_of("%s/oxidicom-%s", binaries(), is_writer ? "writer" : id),
                             .run_dir = text_of("OXIDICOM_RUN_DIR=%s/run", receiver->folder),
                             .writer = is_writer ? text_of("OXIDICOM_WRITER_ID=%s", id + 7) : NULL};
    pid_t found = find_process(is_stage, &wanted);
    free(wanted.executable);
    free(wanted.run_dir);
    free(wanted.writer);
    return found;
}

typedef struct awaited {
    const receiver_t *receiver;
    const char *id;
    pid_t old, found;
} awaited_t;

static bool answers(void *argument) {
    awaited_t *awaited = argument;
    awaited->found = tree_stage(awaited->receiver, awaited->id);
    if (!awaited->found || awaited->found == awaited->old)
        return false;
    /* A writer is known as soon as the listener has heard of it; the other two answer by themselves. */
    char *line =
        text_of("\"$BIN/oxidicom\" status | grep -qE '^ *%s +runs +%d '", awaited->id, (int)awaited->found);
    if (strncmp(awaited->id, "writer-", 7) == 0) {
        free(line);
        line = text_of("\"$BIN/oxidicom\" status | grep -qE '^ *%s +runs '", awaited->id);
    }
    bool is_known = tree_try_shell(awaited->receiver, line) == 0;
    free(line);
    return is_known;
}

pid_t tree_await_stage(const receiver_t *receiver, const char *id, pid_t old) {
    awaited_t awaited = {.receiver = receiver, .id = id, .old = old};
    if (!await(answers, &awaited, PATIENCE_MS)) {
        (void)tree_try_shell(receiver, "\"$BIN/oxidicom\" status >&2; cat \"$FOLDER\"/log \"$FOLDER\"/logs/* "
                                       "\"$FOLDER\"/logs/*/current >&2; cat \"$FOLDER/shell\" >/proc/self/fd/1");
        char *path = text_of("%s/shell", receiver->folder);
        size_t size;
        cr_assert_fail("no %s but %d:\n%s", id, (int)old, file_content(path, &size));
    }
    return awaited.found;
}

static bool is_gone(void *argument) {
    const awaited_t *awaited = argument;
    return tree_stage(awaited->receiver, awaited->id) == 0;
}

void tree_await_gone(const receiver_t *receiver, const char *id) {
    awaited_t awaited = {.receiver = receiver, .id = id};
    cr_assert(await(is_gone, &awaited, PATIENCE_MS), "%s is still there", id);
}

/* --- cleaning up after a failed test ---------------------------------------------------------------------- */

/* Supervisors outlive who started them: all of this program's are told by a variable that they hand on. */
ReportHook(PRE_ALL)(struct criterion_test_set *tests) {
    (void)tests;
    char *token = text_of("%d", (int)getpid());
    setenv(TOKEN, token, 1);
    free(token);
    /* Once, and not from several tests at the same time. */
    if (process_run(NULL, NULL, (const char *const[]){"make", "-s", "SANITIZE=", "man", NULL}, 30 * 60 * 1000) != 0)
        abort();
}

static bool is_ours(int pid, void *variable) {
    return pid != getpid() && has_variable(pid, variable);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats) {
    (void)stats;
    char *variable = text_of(TOKEN "=%s", getenv(TOKEN));
    /* Again and again, since a supervisor may start another before it is found. */
    for (pid_t pid; (pid = find_process(is_ours, variable));)
        kill(pid, SIGKILL);
    free(variable);
}

/* --- shell and logs ------------------------------------------------------------------------------------------ */

int tree_try_shell(const receiver_t *receiver, const char *line) {
    char *log = text_of("%s/shell", receiver->folder), *run = text_of("%s/run", receiver->folder);
    int status = process_run(
        log, (const char *const[]){"FOLDER", receiver->folder, "BIN", binaries(), "OXIDICOM_RUN_DIR", run, NULL},
        (const char *const[]){"bash", "-euo", "pipefail", "-c", line, NULL}, 2 * PATIENCE_MS);
    free(log);
    free(run);
    return status;
}

void tree_shell(const receiver_t *receiver, const char *line) {
    int status = tree_try_shell(receiver, line);
    char *path = text_of("%s/shell", receiver->folder);
    size_t size;
    char *said = file_content(path, &size);
    cr_assert_eq(status, 0, "status %d of: %s\n%s", status, line, said);
    free(said);
    free(path);
}

/* Where each of the trees has its logs. */
static char *logs_of(const receiver_t *receiver) {
    (void)tree_try_shell(receiver, "cat \"$FOLDER\"/log \"$FOLDER\"/logs/*.log \"$FOLDER\"/logs/*/current "
                                   ">\"$FOLDER/all\" 2>/dev/null");
    char *path = text_of("%s/all", receiver->folder);
    size_t size;
    char *content = file_content(path, &size);
    free(path);
    return content ? content : text_of("%s", "");
}

bool tree_has_said(const receiver_t *receiver, const char *text) {
    char *logs = logs_of(receiver);
    bool said = strstr(logs, text) != NULL;
    free(logs);
    return said;
}

static bool has_said(void *argument) {
    const awaited_t *awaited = argument;
    return tree_has_said(awaited->receiver, awaited->id);
}

void tree_expect_said(const receiver_t *receiver, const char *text) {
    awaited_t awaited = {.receiver = receiver, .id = text};
    if (!await(has_said, &awaited, PATIENCE_MS))
        cr_assert_fail("\"%s\" is not said:\n%s", text, logs_of(receiver));
}

char *tree_said_at(const receiver_t *receiver, const char *text) {
    char *logs = logs_of(receiver), *at = strstr(logs, text);
    cr_assert_not_null(at, "\"%s\" is not said:\n%s", text, logs);
    while (at > logs && at[-1] != '\n')
        at--;
    char *time = strndup(at, strlen("2000-01-01T00:00:00.000Z"));
    free(logs);
    return time;
}
