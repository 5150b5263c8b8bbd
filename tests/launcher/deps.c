/* deploy/deps.sh, on a PATH on which everything that could change the machine is a script that only records. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/receiver.h"

typedef struct machine {
    char *folder, *record, *log, *path;
} machine_t;

/* A program that records how it is called and then does `script`. */
static void fake(const machine_t *machine, const char *name, const char *script) {
    char *path = text_of("%s/%s", machine->folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/bash\necho \"${0##*/} $*\" >>'%s'\n%s\n", machine->record, script);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, 0755), 0);
    free(path);
}

static void machine_make(machine_t *machine, const char *apt_get) {
    machine->folder = temporary_folder("deps");
    machine->record = text_of("%s/record", machine->folder);
    machine->log = text_of("%s/log", machine->folder);
    machine->path = text_of("%s:%s", machine->folder, getenv("PATH"));
    static const char *const changers[] = {"mv", "rm", "chmod"};
    for (size_t i = 0; i < sizeof changers / sizeof *changers; i++)
        fake(machine, changers[i], "");
    fake(machine, "tee", "cat >/dev/null");
    fake(machine, "sudo", "exec \"$@\"");
    fake(machine, "apt-get", apt_get);
}

/* As if all but nats-server were installed. */
static void lose_a_package(const machine_t *machine) {
    fake(machine, "dpkg-query", "[ \"${*: -1}\" = nats-server ] && echo -n not-installed || echo -n installed");
}

static void machine_clear(machine_t *machine) {
    remove_folder(machine->folder);
    free(machine->folder);
    free(machine->record);
    free(machine->log);
    free(machine->path);
}

static int deps(const machine_t *machine, const char *first, const char *second) {
    return process_run(machine->log, (const char *const[]){"PATH", machine->path, NULL},
                       (const char *const[]){"deploy/deps.sh", first, second, NULL}, PATIENCE_MS);
}

static char *recorded(const machine_t *machine) {
    size_t size;
    char *content = file_content(machine->record, &size);
    return content ? content : text_of("%s", "");
}

Test(deps, does_nothing_and_needs_no_network_when_everything_is_there) {
    machine_t machine;
    machine_make(&machine, "exit 100");
    int status = deps(&machine, "build", "test");
    size_t size = 0;
    char *said = file_content(machine.log, &size), *calls = recorded(&machine);
    cr_assert_eq(status, 0, "status %d: %s", status, said);
    cr_assert_str_eq(calls, "");
    cr_assert_eq(size, 0, "%s", said);
    free(said);
    free(calls);
    machine_clear(&machine);
}

Test(deps, installs_only_what_is_missing_while_services_may_not_start) {
    machine_t machine;
    machine_make(&machine, "exit 0");
    lose_a_package(&machine);
    cr_assert_eq(deps(&machine, "build", "test"), 0);
    char *calls = recorded(&machine);
    const char *policy = strstr(calls, "\ntee /usr/sbin/policy-rc.d\n"),
               *update = strstr(calls, "\napt-get -o Dpkg::Use-Pty=0 update -qq\n"),
               *install = strstr(calls, "\napt-get -o Dpkg::Use-Pty=0 install -y -qq --no-install-recommends "
                                        "nats-server\n");
    cr_assert(policy && update && install, "%s", calls);
    cr_assert(policy < update && update < install, "%s", calls);
    cr_assert(strstr(install, "\nrm -f /usr/sbin/policy-rc.d\n") || strstr(install, "\nmv /usr/sbin/policy-rc.d."),
              "what stopped services stays: %s", calls);
    free(calls);
    machine_clear(&machine);
}

Test(deps, fails_with_apt_and_leaves_nothing_behind) {
    machine_t machine;
    machine_make(&machine, "exit 100");
    lose_a_package(&machine);
    cr_assert_eq(deps(&machine, "build", "test"), 100);
    char *calls = recorded(&machine);
    const char *apt = strstr(calls, "\napt-get ");
    cr_assert(apt && !strstr(apt + 1, "\napt-get "), "it went on: %s", calls);
    cr_assert(strstr(apt, "\nrm -f /usr/sbin/policy-rc.d\n") || strstr(apt, "\nmv /usr/sbin/policy-rc.d."), "%s",
              calls);
    free(calls);
    machine_clear(&machine);
}

Test(deps, are_not_installed_where_they_are_asked_for_and_nobody_says_yes) {
    machine_t machine;
    machine_make(&machine, "exit 0");
    lose_a_package(&machine);
    /* With an end of input for an answer. */
    cr_assert_eq(process_run(machine.log, (const char *const[]){"PATH", machine.path, NULL},
                             (const char *const[]){"bash", "-c", "deploy/deps.sh --ask test </dev/null", NULL},
                             30000),
                 77);
    size_t size;
    char *said = file_content(machine.log, &size), *calls = recorded(&machine);
    cr_expect(strstr(said, "make check"), "%s", said);
    cr_expect_null(strstr(calls, "apt-get"), "%s", calls);
    free(said);
    free(calls);
    machine_clear(&machine);
}

Test(deps, names_an_unknown_set) {
    machine_t machine;
    machine_make(&machine, "exit 100");
    cr_assert_eq(deps(&machine, "build", "desert"), 64);
    size_t size;
    char *said = file_content(machine.log, &size);
    cr_assert_str_eq(said, "deps.sh: unknown set \"desert\"; allowed are build, test, browser, demo, pictures, "
                           "lint, fuzz, package, vm and nfs\n");
    free(said);
    machine_clear(&machine);
}
