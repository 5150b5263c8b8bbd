/* Rules: reading them, finding an applicable one, acting. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/preload/preload.h"

#define RULES_MAX 16

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static rule_t rules[RULES_MAX];
static int rules_count;
static struct stat read_as; /* the file when it was read */

/* These calls must not be taken for the stage's own. */
static _Thread_local bool inside;

/* --- the file ------------------------------------------------------------------------------------------ */

static void read_option(rule_t *rule, const char *option) {
    sscanf(option, "after=%ld", &rule->after);
    sscanf(option, "count=%ld", &rule->count);
    sscanf(option, "path=%95s", rule->path);
    sscanf(option, "from=%15s", rule->from);
}

static void read_rule(char *text, int line) {
    char *rest = NULL, *stage = strtok_r(text, " \n", &rest), *call = strtok_r(NULL, " \n", &rest);
    char *action = strtok_r(NULL, " \n", &rest);
    if (!action || rules_count == RULES_MAX)
        return;
    rule_t *rule = &rules[rules_count++];
    *rule = (rule_t){.line = line, .count = 1L << 60};
    bool is_tool = strcmp(stage, "tool") == 0;
    snprintf(rule->stage, sizeof rule->stage, is_tool ? "oxidicom" : "oxidicom-%s", stage);
    snprintf(rule->call, sizeof rule->call, "%s", call);
    snprintf(rule->action, sizeof rule->action, "%s", action);
    for (char *option; (option = strtok_r(NULL, " \n", &rest));)
        read_option(rule, option);
}

/* Reads the rules where the file is another than before. */
static void refresh(const char *path) {
    struct stat now = {0};
    if (stat(path, &now) != 0)
        now = (struct stat){0};
    if (now.st_ino == read_as.st_ino && now.st_size == read_as.st_size &&
        memcmp(&now.st_mtim, &read_as.st_mtim, sizeof now.st_mtim) == 0)
        return;
    read_as = now;
    rules_count = 0;
    FILE *file = fopen(path, "re");
    char line[256];
    for (int number = 1; file && fgets(line, sizeof line, file); number++)
        read_rule(line, number);
    if (file)
        fclose(file);
}

/* --- acting -------------------------------------------------------------------------------------------- */

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0)
        ;
}

static void name_death(const rule_t *rule, char path[4096]) {
    snprintf(path, 4096, "%s.dead-%d", getenv("OXIDICOM_TEST_FAULTS"), rule->line);
}

/* It has killed a process before: the next rule may act. */
static bool is_spent(const rule_t *rule) {
    char path[4096];
    name_death(rule, path);
    return strncmp(rule->action, "kill-", 5) == 0 && access(path, F_OK) == 0;
}

/* Only the process that makes the file dies: its successor reads the same rule. */
static void die_once(const rule_t *rule) {
    char path[4096];
    name_death(rule, path);
    if (syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0)
        return;
    kill(getpid(), SIGKILL);
    pause_ms(10000);
}

static void say_that_it_hangs(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s.hangs", getenv("OXIDICOM_TEST_FAULTS"));
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
}

static int error_number(const char *name) {
    for (int number = 1; number < 200; number++)
        if (strerrorname_np(number) && strcmp(strerrorname_np(number), name) == 0)
            return number;
    return 0;
}

static bool is_call(const rule_t *rule, const char *call) {
    return strcmp(rule->call, call) == 0 || (strcmp(rule->call, "any") == 0 && !strchr(call, '/'));
}

static const rule_t *find(const char *call, const char *path, const char *from) {
    const char *file = getenv("OXIDICOM_TEST_FAULTS");
    const rule_t *found = NULL;
    if (!file || inside)
        return NULL;
    inside = true;
    pthread_mutex_lock(&mutex);
    refresh(file);
    for (int i = 0; i < rules_count && !found; i++) {
        rule_t *rule = &rules[i];
        if (strcmp(rule->stage, program_invocation_short_name) != 0 || !is_call(rule, call) ||
            (*rule->path && (!path || !strstr(path, rule->path))) ||
            (*rule->from && (!from || strcmp(rule->from, from) != 0)) || is_spent(rule))
            continue;
        if (++rule->seen > rule->after && rule->acted < rule->count) {
            rule->acted++;
            found = rule;
        }
    }
    pthread_mutex_unlock(&mutex);
    inside = false;
    return found;
}

bool fault_begin(const char *call, const char *path, const char *from, const rule_t **rule) {
    long ms;
    while ((*rule = find(call, path, from)) && strcmp((*rule)->action, "hang") == 0) {
        say_that_it_hangs();
        pause_ms(5);
    }
    if (!*rule)
        return true;
    if (sscanf((*rule)->action, "stall=%ld", &ms) == 1)
        pause_ms(ms);
    else if (strcmp((*rule)->action, "kill-before") == 0)
        die_once(*rule);
    int error = error_number((*rule)->action);
    if (error)
        errno = error;
    return !error;
}

bool fault_begin_at(const char *call, int fd, const rule_t **rule) {
    char link[64], path[4096] = "";
    *rule = NULL;
    if (fd <= STDERR_FILENO || !getenv("OXIDICOM_TEST_FAULTS"))
        return true;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0 || path[0] != '/')
        return true; /* a socket, a pipe */
    return fault_begin(call, path, NULL, rule);
}

void fault_end(const rule_t *rule) {
    if (!rule || strcmp(rule->action, "kill-after") != 0)
        return;
    /* Nothing tells when ZeroMQ's thread has handed a message to the kernel, which keeps it beyond our death. */
    if (strncmp(rule->call, "send/", 5) == 0)
        pause_ms(20);
    die_once(rule);
}

bool fault_loses(const rule_t *rule) {
    if (!rule || strncmp(rule->action, "lost=", 5) != 0)
        return false;
    errno = error_number(rule->action + 5);
    return true;
}

size_t fault_size(const rule_t *rule, size_t size) {
    return rule && strcmp(rule->action, "short") == 0 && size > 1 ? size / 2 : size;
}
