/* The folder of the links that say where the files of a series go. */
#include "common/series_links.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int root = -1;
static char path[] = "/tmp/oxidicom-links-XXXXXX";

static void begin(void) {
    cr_assert_not_null(mkdtemp(path));
    root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(root, 0);
}

static void end(void) {
    (void)unlinkat(root, SERIES_LINKS, AT_REMOVEDIR);
    (void)unlinkat(root, SERIES_LINKS, 0);
    (void)unlinkat(root, ".oxidicom", AT_REMOVEDIR);
    close(root);
    rmdir(path);
}

TestSuite(series_links, .init = begin, .fini = end);

Test(series_links, are_in_a_folder_that_is_made_once) {
    for (int time = 0; time < 2; time++) {
        int folder = series_links_open(root);
        cr_assert_geq(folder, 0);
        close(folder);
    }
    struct stat s;
    cr_assert_eq(fstatat(root, SERIES_LINKS, &s, AT_SYMLINK_NOFOLLOW), 0);
    cr_assert(S_ISDIR(s.st_mode));
}

Test(series_links, are_not_looked_for_where_a_link_leads) {
    cr_assert_eq(mkdirat(root, ".oxidicom", 0755), 0);
    cr_assert_eq(symlinkat("/tmp", root, SERIES_LINKS), 0);
    cr_assert_lt(series_links_open(root), 0);
    cr_assert_eq(errno, ELOOP);
    cr_assert_eq(series_links_remove(root, "A+1"), ELOOP);
}

Test(series_links, are_removed_whether_they_are_there_or_not) {
    cr_assert_eq(series_links_remove(root, "A+1"), 0);
    int folder = series_links_open(root);
    cr_assert_geq(folder, 0);
    cr_assert_eq(symlinkat("SERVICES", folder, "A+1"), 0);
    cr_assert_eq(series_links_remove(root, "A+1"), 0);
    cr_assert_eq(series_links_remove(root, "A+1"), 0);
    struct stat s;
    cr_assert_eq(fstatat(folder, "A+1", &s, AT_SYMLINK_NOFOLLOW), -1);
    close(folder);
}
