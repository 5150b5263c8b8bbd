/* Temporary files of dead writers are removed, a living one's never. */
#include "writer/storage/leftovers.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/series_links.h"
#include "tests/support/process.h"
#include "tests/writer/storage/storage.h"
#include "writer/storage/temporary.h"

TestSuite(leftovers, .init = storage_init, .fini = storage_fini);

#define OTHER_RUN "00000000000000ab"

/* Makes the folder HOST/ID/RUN with a file in it, both untouched for so long. Returns its path to free. */
static char *leave(const char *host, const char *id, const char *run, int64_t untouched_s) {
    const char *const parts[] = {".oxidicom", "tmp", host, id, run};
    char *path = strdup(root);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *next = text_of("%s/%s", path, parts[i]);
        free(path);
        path = next;
        cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
    }
    char *file = text_of("%s/1", path);
    int descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    cr_assert_geq(descriptor, 0);
    close(descriptor);
    const struct timespec at[2] = {{.tv_sec = time(NULL) - untouched_s}, {.tv_sec = time(NULL) - untouched_s}};
    cr_assert_eq(utimensat(AT_FDCWD, file, at, 0), 0);
    cr_assert_eq(utimensat(AT_FDCWD, path, at, 0), 0);
    free(file);
    return path;
}

/* One more file, in one of the folders that a run on NFS has. */
static void leave_spread(const char *run, const char *folder, int64_t untouched_s) {
    const struct timespec at[2] = {{.tv_sec = time(NULL) - untouched_s}, {.tv_sec = time(NULL) - untouched_s}};
    char *path = text_of("%s/%s", run, folder), *file = text_of("%s/17", path);
    cr_assert_eq(mkdir(path, 0755), 0);
    int descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    cr_assert_geq(descriptor, 0);
    close(descriptor);
    const char *const touched[] = {file, path, run};
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(utimensat(AT_FDCWD, touched[i], at, 0), 0);
    free(path);
    free(file);
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

static void sweep(void) {
    store_t *store = store_new(root, "0", RUN, true);
    store_destroy(&store);
}

Test(leftovers, of_any_writer_of_this_host_whose_lock_is_free_are_removed) {
    char *host = host_folder(), *path = leave(host, "17", OTHER_RUN, 0);
    sweep();
    cr_expect_not(is_there(path));
    cr_expect_eq(files_below(root), 0);
    free(path);
    free(host);
}

Test(leftovers, of_a_writer_that_holds_its_lock_stay_however_old_they_are) {
    char *host = host_folder(), *own = leave(host, "17", OTHER_RUN, 10 * LEFTOVER_UNTOUCHED_S),
         *other = leave("elsewhere", "17", OTHER_RUN, 10 * LEFTOVER_UNTOUCHED_S);
    int locks[] = {open(own, O_RDONLY | O_CLOEXEC), open(other, O_RDONLY | O_CLOEXEC)};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(flock(locks[i], LOCK_EX), 0);
    sweep();
    cr_expect(is_there(own));
    cr_expect(is_there(other));
    cr_expect_eq(files_below(root), 2);
    close(locks[0]);
    close(locks[1]);
    sweep();
    cr_expect_eq(files_below(root), 0);
    free(own);
    free(other);
    free(host);
}

Test(leftovers, of_another_host_stay_until_nobody_has_touched_them_for_long) {
    char *fresh = leave("elsewhere", "0", OTHER_RUN, LEFTOVER_UNTOUCHED_S / 2),
         *old = leave("vanished", "0", OTHER_RUN, LEFTOVER_UNTOUCHED_S + 60);
    sweep();
    cr_expect(is_there(fresh));
    cr_expect_not(is_there(old));
    cr_expect_eq(files_below(root), 1);
    char *folder = text_of("%s/.oxidicom/tmp/vanished", root);
    cr_expect_not(is_there(folder), "pods leave a folder each");
    free(folder);
    free(fresh);
    free(old);
}

Test(leftovers, in_the_folders_that_a_run_was_spread_over_are_removed_with_them) {
    char *host = host_folder(), *own = leave(host, "17", OTHER_RUN, 0),
         *fresh = leave("elsewhere", "0", OTHER_RUN, LEFTOVER_UNTOUCHED_S / 2),
         *old = leave("vanished", "0", OTHER_RUN, LEFTOVER_UNTOUCHED_S + 60);
    leave_spread(own, "a", 0);
    leave_spread(own, "h", 0);
    leave_spread(fresh, "b", LEFTOVER_UNTOUCHED_S / 2);
    leave_spread(old, "c", LEFTOVER_UNTOUCHED_S + 60);
    sweep();
    cr_expect_not(is_there(own));
    cr_expect_not(is_there(old));
    cr_expect_eq(files_below(root), 2, "another host's that may live");
    free(fresh);
    free(old);
    free(own);
    free(host);
}

Test(leftovers, that_are_none_are_left_alone) {
    char *host = host_folder(), *strange = leave(host, "17", "notes", 10 * LEFTOVER_UNTOUCHED_S);
    sweep();
    cr_expect(is_there(strange));
    free(strange);
    free(host);
}

static int failing_unlink(int folder, const char *name, int flags) {
    (void)folder;
    (void)name;
    (void)flags;
    errno = EROFS;
    return -1;
}

Test(leftovers, are_also_own_files_that_could_not_be_removed_before) {
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    store_calls.unlinkat = failing_unlink;
    store_discard(store, &file);
    cr_expect_eq(files_below(root), 1);
    store_sweep(store);
    cr_expect_eq(files_below(root), 1);
    store_calls.unlinkat = unlinkat;
    cr_expect_eq(put(store, "A", "1.dcm", "x"), 0);
    cr_expect_eq(files_below(root), 1, "it goes with the next file");
    store_destroy(&store);
}

/* --- links of series ------------------------------------------------------------------------------------ */

#define HOME "SERVICES/PACS/AE/p/s/x"

static void age(const char *path, int64_t untouched_s) {
    const struct timespec at[2] = {{.tv_sec = time(NULL) - untouched_s}, {.tv_sec = time(NULL) - untouched_s}};
    cr_assert_eq(utimensat(AT_FDCWD, path, at, AT_SYMLINK_NOFOLLOW), 0);
}

/* Whether a link, and its folder if there is one (-1: there is none), untouched for so long, outlive a sweep. */
static bool link_stays(int64_t link_s, int64_t folder_s) {
    int opened = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), links = series_links_open(opened);
    char *path = text_of("%s/" SERIES_LINKS "/AE+1", root), *folder = text_of("%s/" HOME, root);
    for (char *end = folder + strlen(root); end && folder_s >= 0; end = strchr(end + 1, '/')) {
        *end = 0;
        cr_assert(mkdir(folder, 0755) == 0 || errno == EEXIST);
        *end = '/';
    }
    cr_assert(links >= 0 && symlinkat(HOME, links, "AE+1") == 0);
    age(path, link_s);
    if (folder_s >= 0 && mkdir(folder, 0755) == 0)
        age(folder, folder_s);
    close(links);
    close(opened);
    sweep();
    struct stat s;
    bool stays = lstat(path, &s) == 0;
    free(path);
    free(folder);
    return stays;
}

Test(leftovers, a_link_that_nothing_has_changed_with_for_long_is_removed) {
    cr_expect_not(link_stays(2 * LINK_UNTOUCHED_S, 2 * LINK_UNTOUCHED_S));
}

Test(leftovers, a_link_to_a_folder_that_is_gone_is_removed_when_it_is_old) {
    cr_expect_not(link_stays(2 * LINK_UNTOUCHED_S, -1));
}

Test(leftovers, a_link_to_a_folder_that_has_changed_of_late_stays) {
    cr_expect(link_stays(2 * LINK_UNTOUCHED_S, LINK_UNTOUCHED_S / 2));
}

Test(leftovers, a_link_that_was_made_of_late_stays) {
    cr_expect(link_stays(LINK_UNTOUCHED_S / 2, -1));
}
