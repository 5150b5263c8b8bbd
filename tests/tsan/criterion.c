/* Stands in for Criterion under ThreadSanitizer, since Criterion finds no place for its arena in that address
 * space: runs tests one after the other, each in a process of its own. PROGRAM [--filter PATTERN] as in
 * Criterion. */
#include <criterion/criterion.h>
#include <criterion/event.h>
#include <criterion/options.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/patience.h"

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
/* A program may have no TestSuite. */
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)), *__stop_cr_sts[] __attribute__((weak));

struct criterion_options criterion_options;

/* Of the process that is a test. */
static const struct criterion_test *test;
static const struct criterion_suite *suite;
static jmp_buf end;
static bool failed;

/* --- what the macros call --------------------------------------------------------------------------------- */

int cr_asprintf(char **text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(text, format, arguments);
    va_end(arguments);
    return size;
}

void cr_asprintf_free(char *text) {
    free(text);
}

char *cr_translate_assert_msg(int index, ...) {
    (void)index;
    return strdup("");
}

void cri_asserts_passed_incr(void) {}

void criterion_send_assert(struct criterion_assert_stats *assert) {
    fprintf(stderr, "[----] %s:%u: Assertion failed: %s\n", assert->file, assert->line, assert->message);
}

void criterion_continue_test(void) {
    failed = true;
}

void criterion_abort_test(void) {
    failed = true;
    longjmp(end, 1);
}

void criterion_skip_test(const char *format, ...) {
    (void)format;
    longjmp(end, 1);
}

/* --- one test --------------------------------------------------------------------------------------------- */

void criterion_internal_test_setup(void) {
    if (suite && suite->data->init)
        suite->data->init();
    if (test->data->init)
        test->data->init();
}

void criterion_internal_test_main(void (*function)(void)) {
    function();
}

void criterion_internal_test_teardown(void) {
    if (test->data->fini)
        test->data->fini();
    if (suite && suite->data->fini)
        suite->data->fini();
}

static const struct criterion_suite *suite_of(const struct criterion_test *of) {
    for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++)
        if (strcmp((*s)->name, of->category) == 0)
            return *s;
    return NULL;
}

static void run_in_child(const struct criterion_test *self, char *title) {
    *title = '-'; /* a child of the same program would be taken for a hanging one (tests/run) */
    test = self;
    suite = suite_of(self);
    alarm(PATIENCE_S);
    if (setjmp(end) == 0)
        test->test();
    exit(failed);
}

static bool passes(const struct criterion_test *self, char *title) {
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_in_child(self, title);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    if (status != 0)
        fprintf(stderr, "[FAIL] %s::%s: wait status %x\n", self->category, self->name, (unsigned)status);
    return status == 0;
}

int main(int argc, char **argv) {
    const char *filter = argc == 3 && strcmp(argv[1], "--filter") == 0 ? argv[2] : "*";
    int passed = 0, failures = 0;
    for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", (*t)->category, (*t)->name);
        if (fnmatch(filter, name, FNM_EXTMATCH) != 0)
            continue;
        if (passes(*t, argv[0]))
            passed++;
        else
            failures++;
    }
    fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n", passed + failures,
            passed, failures);
    return failures != 0;
}
