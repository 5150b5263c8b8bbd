#include "tests/support/receiver.h"

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *binaries(void) {
    static char folder[4096];
    ssize_t size = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (size < 0)
        abort();
    folder[size] = 0;
    *strrchr(folder, '/') = 0;
    strcpy(strrchr(folder, '/'), "/bin");
    return folder;
}

void receiver_prepare(receiver_t *receiver) {
    receiver->folder = temporary_folder("receiver");
    receiver->root = text_of("%s/root", receiver->folder);
    receiver->log = text_of("%s/log", receiver->folder);
    receiver->port = free_port();
    if (mkdir(receiver->root, 0755) != 0)
        abort();
}

void receiver_set_defaults(const receiver_t *receiver) {
    char *port = text_of("%d", receiver->port);
    char *broker = text_of("filesystem://%s/queue", receiver->folder);
    char *run = text_of("%s/run", receiver->folder), *state = text_of("%s/state", receiver->folder);
    setenv("OXIDICOM_LISTENER_PORT", port, 1);
    setenv("OXIDICOM_FILES_ROOT", receiver->root, 1);
    setenv("OXIDICOM_AMQP_ADDRESS", broker, 1);
    setenv("OXIDICOM_RUN_DIR", run, 1);
    setenv("OXIDICOM_STATE_DIR", state, 1);
    unsetenv("OXIDICOM_NATS_ADDRESS");
    free(port);
    free(broker);
    free(run);
    free(state);
}

void receiver_launch_as(receiver_t *receiver, const char *const *environment, const char *const *argv) {
    receiver_set_defaults(receiver);
    receiver->launcher = process_start(receiver->log, environment, argv);
}

void receiver_launch(receiver_t *receiver, const char *const *environment) {
    char *launcher = text_of("%s/oxidicom", binaries());
    receiver_launch_as(receiver, environment, (const char *const[]){launcher, NULL});
    free(launcher);
}

void receiver_start(receiver_t *receiver, const char *const *environment) {
    receiver_launch(receiver, environment);
    if (!receiver_ready(receiver)) {
        size_t size;
        fprintf(stderr, "the receiver does not start:\n%s\n", file_content(receiver->log, &size));
        abort();
    }
}

int receiver_stop(receiver_t *receiver) {
    int status = process_stop(receiver->launcher, SIGTERM, PATIENCE_MS);
    receiver->launcher = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void receiver_clear(receiver_t *receiver) {
    if (receiver->launcher)
        receiver_stop(receiver);
    remove_folder(receiver->folder);
    free(receiver->folder);
    free(receiver->root);
    free(receiver->log);
    *receiver = (receiver_t){0};
}

static int by_number(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* The processes that the launcher has started, in order of their ids. */
static size_t children_of(pid_t launcher, int *found, size_t room) {
    size_t count = 0;
    char *path = text_of("/proc/%d/task/%d/children", (int)launcher, (int)launcher);
    FILE *file = fopen(path, "r");
    while (file && count < room && fscanf(file, "%d", &found[count]) == 1)
        count++;
    if (file)
        fclose(file);
    free(path);
    qsort(found, count, sizeof *found, by_number);
    return count;
}

static bool runs(int pid, const char *stage) {
    char *link = text_of("/proc/%d/exe", pid), *name = text_of("/oxidicom-%s", stage), target[4096] = "";
    bool same = readlink(link, target, sizeof target - 1) > 0 && strstr(target, name);
    free(link);
    free(name);
    return same;
}

pid_t receiver_stage(const receiver_t *receiver, const char *stage, int number) {
    int pids[64];
    size_t count = children_of(receiver->launcher, pids, 64);
    for (size_t i = 0; i < count; i++)
        if (runs(pids[i], stage) && number-- == 0)
            return pids[i];
    return 0;
}

long receiver_memory_kib(const receiver_t *receiver) {
    int pids[64];
    size_t count = children_of(receiver->launcher, pids, 64);
    long sum = process_anonymous_kib(receiver->launcher);
    for (size_t i = 0; i < count; i++)
        sum += process_anonymous_kib(pids[i]);
    return sum;
}

typedef struct search {
    const receiver_t *receiver;
    const char *text;
    int times;
} search_t;

int receiver_times_logged(const receiver_t *receiver, const char *text) {
    size_t size;
    char *content = file_content(receiver->log, &size);
    int times = 0;
    for (const char *at = content; at && (at = strstr(at, text)); at++)
        times++;
    free(content);
    return times;
}

bool receiver_was_killed(const receiver_t *receiver, const char *stage) {
    char *text = text_of("%s did not end in time: killed", stage ? stage : "");
    bool killed = receiver_times_logged(receiver, text) > 0;
    free(text);
    return killed;
}

static bool has_text(void *argument) {
    const search_t *search = argument;
    return receiver_times_logged(search->receiver, search->text) >= search->times;
}

bool receiver_logged_times(const receiver_t *receiver, const char *text, int times, int64_t ms) {
    search_t search = {receiver, text, times};
    return await(has_text, &search, ms);
}

bool receiver_logged(const receiver_t *receiver, const char *text, int64_t ms) {
    return receiver_logged_times(receiver, text, 1, ms);
}

static bool has_logged_of(const receiver_t *receiver, int writer, const char *what) {
    char *text = text_of("writer-%d %s", writer, what);
    bool logged = receiver_times_logged(receiver, text) > 0;
    free(text);
    return logged;
}

/* The listener has heard of every writer that was started. */
static bool has_heard_of_writers(void *argument) {
    const receiver_t *receiver = argument;
    for (int i = 0; has_logged_of(receiver, i, "is started, process "); i++)
        if (!has_logged_of(receiver, i, "is there, release "))
            return false;
    return true;
}

bool receiver_ready(const receiver_t *receiver) {
    return receiver_logged(receiver, "all stages are ready", PATIENCE_MS) &&
           receiver_logged(receiver, "the notifier is there", PATIENCE_MS) &&
           await(has_heard_of_writers, (void *)(uintptr_t)receiver, PATIENCE_MS);
}

static size_t counted;

static int count_file(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)path;
    (void)s;
    (void)ftw;
    counted += type == FTW_F;
    return 0;
}

size_t receiver_files(const receiver_t *receiver) {
    char *services = text_of("%s/SERVICES", receiver->root);
    counted = 0;
    nftw(services, count_file, 32, FTW_PHYS);
    free(services);
    return counted;
}

char *file_content(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *content = NULL;
    FILE *into = open_memstream(&content, size);
    char block[65536];
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        fwrite(block, 1, got, into);
    fclose(into);
    fclose(file);
    return content;
}
