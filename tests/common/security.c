/* deploy/SECURITY.md names tests for its statements: they exist. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/process.h"
#include "tests/support/receiver.h"

static char *sources; /* of all tests, one after the other */

static void read_sources(void) {
    glob_t files;
    static size_t all_size;
    size_t size;
    cr_assert_eq(glob("{tests/*/*.c,tests/*/*/*.c}", GLOB_BRACE, NULL, &files), 0);
    FILE *all = open_memstream(&sources, &all_size);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *content = file_content(files.gl_pathv[i], &size);
        cr_assert_not_null(content);
        fputs(content, all);
        free(content);
    }
    fclose(all);
    globfree(&files);
}

/* "group/name". */
static bool is_test(const char *text, size_t size) {
    size_t group = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
    return group + 1 < size && text[group] == '/' &&
           group + 1 + strspn(text + group + 1, "abcdefghijklmnopqrstuvwxyz_0123456789") == size;
}

static bool is_there(const char *text, size_t size) {
    size_t group = strcspn(text, "/");
    char *start = text_of("Test(%.*s, %.*s", (int)group, text, (int)(size - group - 1), text + group + 1);
    bool found = false;
    for (const char *at = sources; !found && (at = strstr(at, start)); at++)
        found = at[strlen(start)] == ')' || at[strlen(start)] == ',';
    free(start);
    return found;
}

Test(security, names_tests_that_are_there_for_what_it_says) {
    int named = 0;
    size_t length;
    char *page = file_content("deploy/SECURITY.md", &length), *at = strstr(page, "\n## What shows it");
    cr_assert_not_null(at);
    read_sources();
    while ((at = strchr(at, '`'))) {
        size_t size = strcspn(++at, "`");
        if (is_test(at, size)) {
            cr_expect(is_there(at, size), "there is no test %.*s", (int)size, at);
            named++;
        }
        at += size + 1;
    }
    cr_expect_gt(named, 50);
    free(page);
    free(sources);
}
