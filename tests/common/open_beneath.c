/* Paths below a folder, with openat2(2) and without: the answers are the same. */
#include "common/open_beneath.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/process.h"

static char *folder;
static int opened;

/* inside/file, link -> inside, inside/out -> /, inside/up -> .., loop -> loop */
static void init(void) {
    folder = temporary_folder("beneath");
    opened = open(folder, O_RDONLY | O_DIRECTORY);
    cr_assert(mkdirat(opened, "inside", 0755) == 0 && mkdirat(opened, "inside/deep", 0755) == 0);
    int file = openat(opened, "inside/file", O_WRONLY | O_CREAT, 0600);
    cr_assert(file >= 0 && close(file) == 0);
    cr_assert(symlinkat("inside", opened, "link") == 0 && symlinkat("/", opened, "inside/out") == 0 &&
              symlinkat("..", opened, "inside/up") == 0 && symlinkat("loop", opened, "loop") == 0);
}

static void fini(void) {
    close(opened);
    remove_folder(folder);
    free(folder);
}

TestSuite(open_beneath, .init = init, .fini = fini);

#define FOLDER (O_RDONLY | O_DIRECTORY)
#define NEW    (O_WRONLY | O_CREAT | O_EXCL)

static char long_name[300];

static const struct {
    const char *path;
    int flags, reason;
} CASES[] = {
    {".", FOLDER, 0},
    {"inside", FOLDER, 0},
    {"inside/deep", FOLDER, 0},
    {"inside//deep/", FOLDER, 0},
    {"./inside/./deep", FOLDER, 0},
    {"inside/file", O_RDONLY, 0},
    {"inside/new", NEW, 0},
    {"inside/new", NEW, EEXIST},
    {"inside/out", NEW, EEXIST},
    {"", FOLDER, ENOENT},
    {"none/deep", FOLDER, ENOENT},
    {"inside/none", O_RDONLY, ENOENT},
    {"inside/file/deep", FOLDER, ENOTDIR},
    {"inside/file", FOLDER, ENOTDIR},
    {"..", FOLDER, EXDEV},
    {"inside/../../etc", FOLDER, EXDEV},
    {"/tmp", FOLDER, EXDEV},
    {"/", FOLDER, EXDEV},
    {"link", FOLDER, ELOOP},
    {"link", O_RDONLY, ELOOP},
    {"link/file", O_RDONLY, ELOOP},
    {"inside/out/etc", FOLDER, ELOOP},
    {"inside/up/inside", FOLDER, ELOOP},
    {"inside/up", O_WRONLY | O_CREAT, ELOOP},
    {"loop", O_RDONLY, ELOOP},
    {long_name, O_RDONLY, ENAMETOOLONG},
};

static void expect_answers(void) {
    memset(long_name, 'n', sizeof long_name - 1);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int flags = CASES[i].flags,
            descriptor = open_beneath(opened, CASES[i].path, flags, flags & O_CREAT ? 0644 : 0),
            reason = descriptor < 0 ? errno : 0;
        cr_expect_eq(reason, CASES[i].reason, "\"%s\": %s", CASES[i].path, strerror(reason));
        if (descriptor < 0)
            continue;
        cr_expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, "%s is inherited", CASES[i].path);
        close(descriptor);
    }
}

static int count_descriptors(void) {
    int count = 0;
    for (int i = 0; i < 256; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void take_away(int reason) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    cr_assert_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)reason), SCMP_SYS(openat2), 0), 0);
    int status = seccomp_load(filter);
    seccomp_release(filter);
    if (status != 0)
        cr_skip_test("no filter can be loaded here");
}

Test(open_beneath, leaves_no_folder_and_follows_no_link) {
    expect_answers();
}

Test(open_beneath, answers_the_same_without_openat2_and_leaves_nothing_open) {
    take_away(ENOSYS);
    int before = count_descriptors();
    expect_answers();
    cr_expect_eq(count_descriptors(), before);
}

Test(open_beneath, answers_the_same_where_an_old_filter_refuses_openat2) {
    take_away(EPERM);
    expect_answers();
}
