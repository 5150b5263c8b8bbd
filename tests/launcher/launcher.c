#include "tests/launcher/launcher.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *log_of(const receiver_t *receiver) {
    size_t size;
    char *content = file_content(receiver->log, &size);
    return content ? content : text_of("(no log)");
}

/* --- launching ------------------------------------------------------------------------------------------- */

void start(receiver_t *receiver, const char *const *environment) {
    receiver_prepare(receiver);
    receiver_start(receiver, environment);
}

int run_with(receiver_t *receiver, const char *const *environment, const char *const *options) {
    char *launcher = text_of("%s/oxidicom", binaries());
    const char *argv[8] = {launcher};
    for (size_t i = 0; options[i]; i++)
        argv[i + 1] = options[i];
    receiver_launch_as(receiver, environment, argv);
    free(launcher);
    return ended(receiver, PATIENCE_MS);
}

void prepare_scripts(receiver_t *receiver) {
    receiver_prepare(receiver);
    char *folder = text_of("%s/bin", receiver->folder), *launcher = text_of("%s/oxidicom", binaries()),
         *go = text_of("%s/go", receiver->folder);
    cr_assert_eq(mkdir(folder, 0755), 0);
    cr_assert_eq(mkfifo(go, 0600), 0);
    /* A copy, since the launcher looks for the stages where it really lies. */
    cr_assert_eq(process_run(NULL, NULL, (const char *const[]){"cp", launcher, folder, NULL}, PATIENCE_MS), 0);
    static const char *const stages[] = {"listener", "writer", "notifier"};
    for (size_t i = 0; i < 3; i++)
        write_stage(receiver, stages[i], OBEDIENT);
    free(folder);
    free(launcher);
    free(go);
}

void let_go(const receiver_t *receiver) {
    char *path = text_of("%s/go", receiver->folder);
    int fd = open(path, O_WRONLY | O_CLOEXEC); /* waits for somebody to read */
    cr_assert_eq(write(fd, "\n", 1), 1);
    close(fd);
    free(path);
}

void write_stage(const receiver_t *receiver, const char *stage, const char *script) {
    char *path = text_of("%s/bin/oxidicom-%s", receiver->folder, stage);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fprintf(file, "#!/bin/bash\nHERE='%s' LC_ALL=C\nready() { echo >&\"$OXIDICOM_READY_FD\"; }\n%s\n",
            receiver->folder, script);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, 0755), 0);
    free(path);
}

void launch_scripts(receiver_t *receiver, const char *const *environment) {
    char *launcher = text_of("%s/bin/oxidicom", receiver->folder);
    receiver_launch_as(receiver, environment, (const char *const[]){launcher, NULL});
    free(launcher);
}

/* --- looking --------------------------------------------------------------------------------------------- */

void expect_logged_times(const receiver_t *receiver, const char *text, int times) {
    if (!receiver_logged_times(receiver, text, times, PATIENCE_MS))
        cr_assert_fail("\"%s\" is not there %d times:\n%s", text, times, log_of(receiver));
}

void expect_logged(const receiver_t *receiver, const char *text) {
    expect_logged_times(receiver, text, 1);
}

void expect_in_order(const receiver_t *receiver, const char *const *texts) {
    char *content = log_of(receiver);
    const char *before = content;
    for (; *texts; texts++) {
        const char *at = strstr(content, *texts);
        cr_assert(at && at >= before, "\"%s\" is missing or too early:\n%s", *texts, content);
        before = at;
    }
    free(content);
}

pid_t last_process(const receiver_t *receiver, const char *name) {
    char *content = log_of(receiver), *said = text_of("launcher: %s is started, process ", name);
    int pid = 0;
    for (const char *at = content; (at = strstr(at, said)); at++)
        pid = atoi(at + strlen(said));
    free(content);
    free(said);
    return pid;
}

typedef struct other {
    const receiver_t *receiver;
    const char *stage;
    pid_t old, found;
} other_t;

static bool is_there(void *argument) {
    other_t *other = argument;
    other->found = receiver_stage(other->receiver, other->stage, 0);
    return other->found != 0 && other->found != other->old;
}

pid_t await_stage(const receiver_t *receiver, const char *stage, pid_t old) {
    other_t other = {.receiver = receiver, .stage = stage, .old = old};
    cr_assert(await(is_there, &other, PATIENCE_MS), "no %s", stage);
    return other.found;
}

/* --- objects under way ----------------------------------------------------------------------------------- */

bytes_t begin_object(scu_t *scu, const receiver_t *receiver, const char *instance_uid) {
    scu->timeout_ms = PATIENCE_MS;
    cr_assert(scu_associate_mr(scu, receiver->port, "LAUNCHER", EXPLICIT_LE));
    bytes_t set = dataset_instance(EXPLICIT_LE, "1.2.826.0.1.3680043.9.9999.5", instance_uid, 1, 400000);
    bytes_t command = scu_store_command(MR_STORAGE, instance_uid, 1);
    cr_assert(scu_p_data(scu, 1, 3, command.at, command.size));
    cr_assert(scu_p_data(scu, 1, 0, set.at, set.size / 2));
    bytes_free(&command);
    return set;
}

void finish_object(scu_t *scu, bytes_t *set) {
    cr_assert(scu_p_data(scu, 1, 2, set->at + set->size / 2, set->size - set->size / 2));
    cr_assert_eq(scu_status(scu), 0);
    cr_assert(scu_release(scu));
    bytes_free(set);
}

typedef struct begun {
    char *pattern;
    size_t objects;
} begun_t;

static bool have_begun(void *argument) {
    const begun_t *begun = argument;
    glob_t found = {0};
    (void)glob(begun->pattern, 0, NULL, &found);
    bool enough = found.gl_pathc >= begun->objects;
    globfree(&found);
    return enough;
}

void expect_under_way(const receiver_t *receiver, size_t objects) {
    /* Of a host, a writer, a run: its temporary files. */
    begun_t begun = {text_of("%s/.oxidicom/tmp/*/*/*/*", receiver->root), objects};
    cr_assert(await(have_begun, &begun, PATIENCE_MS), "not %zu temporary files in %s", objects, begun.pattern);
    free(begun.pattern);
}

/* --- ending ---------------------------------------------------------------------------------------------- */

int ended(receiver_t *receiver, int64_t ms) {
    int status;
    if (!process_wait(receiver->launcher, ms, &status))
        cr_assert_fail("the launcher does not end:\n%s", log_of(receiver));
    receiver->launcher = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
