#include "tests/support/faults.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/process.h"

void faults_set(const char *path, const char *rules) {
    if (!rules) {
        cr_assert(unlink(path) == 0 || errno == ENOENT);
        return;
    }
    char *next = text_of("%s.next", path);
    FILE *file = fopen(next, "w");
    cr_assert(file && fputs(rules, file) >= 0 && fclose(file) == 0);
    cr_assert_eq(rename(next, path), 0);
    free(next);
}

static bool is_there(void *path) {
    return access(path, F_OK) == 0;
}

void faults_await_hang(const char *path) {
    char *hangs = text_of("%s.hangs", path);
    cr_assert(await(is_there, hangs, PATIENCE_MS), "nobody hangs");
    free(hangs);
}
