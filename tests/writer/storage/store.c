#include "writer/storage/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/support/process.h"
#include "tests/writer/storage/storage.h"
#include "writer/storage/temporary.h"

TestSuite(store, .init = storage_init, .fini = storage_fini);

/* --- what works --- */

Test(store, keeps_a_committed_file_under_its_name) {
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    struct iovec parts[] = {{(void *)"one ", 4}, {(void *)"", 0}, {(void *)"two", 3}};
    cr_assert_eq(store_append(store, &file, parts, 3), 0);
    cr_assert_eq(append_text(store, &file, " three"), 0);
    cr_expect_eq(file.bytes, 13);
    cr_expect_eq(files_below(root), 1);
    cr_assert_eq(store_commit(store, &file, "SERVICES/PACS/A/b", "c.dcm"), 0);
    expect_content("SERVICES/PACS/A/b/c.dcm", "one two three");
    cr_expect_eq(files_below(root), 1);
    store_destroy(&store);
}

Test(store, gives_files_and_folders_the_usual_modes) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "SERVICES/PACS/A", "c.dcm", "x"), 0);
    char *folder = text_of("%s/SERVICES/PACS/A", root), *file = text_of("%s/c.dcm", folder);
    struct stat s;
    cr_assert_eq(stat(folder, &s), 0);
    cr_expect_eq(s.st_mode & 0777, 0755);
    cr_assert_eq(stat(file, &s), 0);
    cr_expect_eq(s.st_mode & 0777, 0644);
    free(folder);
    free(file);
    store_destroy(&store);
}

static void expect_mode(const char *path, mode_t mode) {
    char *whole = text_of("%s/%s", root, path);
    struct stat s;
    cr_expect_eq(stat(whole, &s), 0, "%s", whole);
    cr_expect_eq(s.st_mode & 0777, mode, "%s: %o", whole, s.st_mode);
    free(whole);
}

Test(store, gives_files_the_mode_that_is_wanted_and_its_own_folders_to_nobody_else) {
    store_t *store = store_new(root, "0", RUN, true);
    store_set_file_mode(store, 0640);
    cr_assert_eq(put(store, "A", "c.dcm", "x"), 0);
    cr_assert_eq(put(store, ".oxidicom/quarantine", "d.dcm", "x"), 0);
    expect_mode("A/c.dcm", 0640);
    expect_mode("A", 0755);
    expect_mode(".oxidicom", 0755);
    expect_mode(".oxidicom/quarantine", 0700);
    char *host = host_folder(), *run = text_of(TEMPORARY_FOLDERS "/%s/0/%016llx", host, (unsigned long long)RUN);
    expect_mode(run, 0700);
    free(run);
    free(host);
    store_destroy(&store);
}

Test(store, replaces_a_file_of_the_same_name) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "c.dcm", "old and longer"), 0);
    cr_assert_eq(put(store, "A", "c.dcm", "new"), 0);
    expect_content("A/c.dcm", "new");
    store_destroy(&store);
}

Test(store, leaves_nothing_of_a_discarded_file) {
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    cr_assert_eq(append_text(store, &file, "x"), 0);
    store_discard(store, &file);
    cr_expect_eq(files_below(root), 0);
    store_discard(store, &file);
    store_destroy(&store);
}

Test(store, writes_back_large_files_as_they_grow) {
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    size_t size = 1024 * 1024;
    char *megabyte = calloc(1, size);
    cr_assert_eq(store_begin(store, &file), 0);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(store_append(store, &file, &(struct iovec){megabyte, size}, 1), 0);
    cr_expect_geq(file.written_back, 2 * WRITEBACK_BYTES);
    cr_assert_eq(store_commit(store, &file, "A", "c.dcm"), 0);
    free(megabyte);
    store_destroy(&store);
}

/* --- forbidden places --- */

Test(store, removes_what_dead_runs_of_the_same_writer_left_and_nothing_else) {
    store_t *dead = store_new(root, "0", 1, true), *other = store_new(root, "1", 2, true);
    store_file_t file;
    cr_assert_eq(store_begin(dead, &file), 0);
    close(file.descriptor);
    cr_assert_eq(store_begin(other, &file), 0);
    cr_expect_eq(files_below(root), 2);
    store_destroy(&dead); /* leaves the file as a kill does, and drops the lock */
    cr_expect_eq(files_below(root), 2);
    store_t *store = store_new(root, "0", 3, true);
    cr_expect_eq(files_below(root), 1);
    store_discard(other, &file);
    cr_expect_eq(files_below(root), 0);
    store_destroy(&store);
    store_destroy(&other);
}

Test(store, leaves_the_files_of_a_run_that_lives) {
    store_t *live = store_new(root, "0", 1, true);
    store_file_t file;
    cr_assert_eq(store_begin(live, &file), 0);
    store_t *store = store_new(root, "0", 2, true);
    cr_expect_eq(files_below(root), 1);
    cr_expect_eq(store_commit(live, &file, "A", "c.dcm"), 0);
    store_destroy(&store);
    store_destroy(&live);
}

Test(store, goes_on_after_its_temporary_folder_was_removed) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    char *hidden = text_of("%s/.oxidicom", root);
    remove_folder(hidden);
    cr_expect_eq(put(store, "A", "2.dcm", "y"), 0);
    expect_content("A/2.dcm", "y");
    free(hidden);
    store_destroy(&store);
}

Test(store, goes_on_after_the_root_was_removed_and_made_again) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A/B", "1.dcm", "x"), 0);
    remove_folder(root);
    cr_assert_eq(mkdir(root, 0755), 0);
    cr_expect_eq(put(store, "A/B", "2.dcm", "y"), 0);
    expect_content("A/B/2.dcm", "y");
    store_destroy(&store);
}

Test(store, never_follows_a_link_out_of_the_root) {
    char *outside = temporary_folder("outside"), *link = text_of("%s/A", root), *file = text_of("%s/B", root);
    cr_assert_eq(symlink(outside, link), 0);
    cr_assert_eq(symlink("/etc/passwd", file), 0);
    store_t *store = store_new(root, "0", RUN, true);
    cr_expect_eq(put(store, "A", "c.dcm", "x"), ELOOP);
    cr_expect_eq(put(store, "A/deeper", "c.dcm", "x"), ELOOP);
    cr_expect_eq(files_below(outside), 0);
    /* A link where the file belongs is replaced, not followed. */
    cr_expect_eq(put(store, ".", "B", "x"), 0);
    expect_content("B", "x");
    store_destroy(&store);
    remove_folder(outside);
    free(outside);
    free(link);
    free(file);
}

Test(store, never_opens_a_path_above_the_root) {
    int folder = open(root, O_RDONLY | O_DIRECTORY);
    cr_expect_lt(open_beneath(folder, "..", O_RDONLY | O_DIRECTORY, 0), 0);
    cr_expect_eq(errno, EXDEV);
    cr_expect_lt(open_beneath(folder, "/tmp", O_RDONLY | O_DIRECTORY, 0), 0);
    close(folder);
}

Test(store, says_where_something_else_stands_in_the_way) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "file", "x"), 0);
    cr_assert_eq(put(store, "A/folder", "c.dcm", "x"), 0);
    cr_expect_eq(put(store, "A/file", "c.dcm", "y"), ENOTDIR);
    cr_expect_eq(put(store, "A", "folder", "y"), EISDIR);
    cr_expect_eq(files_below(root), 2);
    store_destroy(&store);
}

Test(store, can_not_be_opened_where_there_is_no_root) {
    cr_expect_null(store_new("/nonexistent/root", "0", RUN, true));
}

/* --- failures of the storage --- */

static int writes_left, fsyncs_left, failure;

/* A disk that fills up: first a short write, then none. */
static ssize_t filling_writev(int descriptor, const struct iovec *parts, int count) {
    (void)count;
    if (writes_left-- > 0)
        return write(descriptor, parts[0].iov_base, parts[0].iov_len > 1 ? parts[0].iov_len / 2 : 1);
    errno = failure;
    return -1;
}

static int interruptions;

static ssize_t interrupted_writev(int descriptor, const struct iovec *parts, int count) {
    if (interruptions++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return filling_writev(descriptor, parts, count);
}

static int failing_fsync(int descriptor) {
    if (fsyncs_left-- > 0)
        return fsync(descriptor);
    errno = failure;
    return -1;
}

static int failing_close(int descriptor) {
    close(descriptor);
    errno = failure;
    return -1;
}

static int failing_rename(int from_folder, const char *from, int to_folder, const char *to) {
    (void)from_folder;
    (void)from;
    (void)to_folder;
    (void)to;
    errno = failure;
    return -1;
}

Test(store, finishes_short_and_interrupted_writes) {
    store_t *store = store_new(root, "0", RUN, true);
    store_calls.writev = interrupted_writev;
    writes_left = 1000;
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    struct iovec parts[] = {{(void *)"one ", 4}, {(void *)"", 0}, {(void *)"two and ", 8}, {(void *)"three", 5}};
    cr_assert_eq(store_append(store, &file, parts, 4), 0);
    cr_assert_eq(store_commit(store, &file, "A", "c.dcm"), 0);
    expect_content("A/c.dcm", "one two and three");
    store_destroy(&store);
}

Test(store, leaves_nothing_where_the_disk_is_full) {
    static const int reasons[] = {ENOSPC, EDQUOT, EIO, EROFS};
    store_t *store = store_new(root, "0", RUN, true);
    store_calls.writev = filling_writev;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        failure = reasons[i];
        writes_left = 2;
        cr_expect_eq(put(store, "A", "c.dcm", "some text that does not fit"), failure);
        cr_expect_eq(files_below(root), 0);
    }
    store_calls.writev = writev;
    cr_expect_eq(put(store, "A", "c.dcm", "x"), 0, "it goes on when there is room again");
    store_destroy(&store);
}

Test(store, is_full_for_real_on_a_full_device) {
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    close(file.descriptor);
    file.descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cr_expect_eq(append_text(store, &file, "x"), ENOSPC);
    cr_expect_eq(files_below(root), 0);
    store_destroy(&store);
}

Test(store, leaves_nothing_where_the_file_can_not_be_made_durable) {
    store_t *store = store_new(root, "0", RUN, true);
    store_calls.fsync = failing_fsync;
    failure = EIO;
    fsyncs_left = 0;
    cr_expect_eq(put(store, "A", "c.dcm", "x"), EIO);
    cr_expect_eq(files_below(root), 0);
    fsyncs_left = 1; /* the file's succeeds, the one of the first folder above does not */
    cr_expect_eq(put(store, "A", "c.dcm", "x"), EIO);
    cr_expect_eq(files_below(root), 0);
    store_destroy(&store);
}

Test(store, does_not_take_an_earlier_file_away_where_the_last_fsync_fails) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "c.dcm", "old"), 0);
    store_calls.fsync = failing_fsync;
    failure = EIO;
    fsyncs_left = 1; /* the file's; its folder's fails */
    cr_expect_eq(put(store, "A", "c.dcm", "new"), EIO);
    expect_content("A/c.dcm", "new");
    cr_expect_eq(files_below(root), 1);
    store_destroy(&store);
}

Test(store, leaves_nothing_where_close_or_rename_fail) {
    store_t *store = store_new(root, "0", RUN, false);
    store_calls.close = failing_close;
    failure = EDQUOT;
    cr_expect_eq(put(store, "A", "c.dcm", "x"), EDQUOT);
    cr_expect_eq(files_below(root), 0);
    store_calls.close = close;
    store_calls.renameat = failing_rename;
    failure = ESTALE;
    cr_expect_eq(put(store, "A", "c.dcm", "x"), ESTALE);
    cr_expect_eq(files_below(root), 0);
    store_destroy(&store);
}

Test(store, gives_no_file_its_place_after_the_deadline) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "c.dcm", "newer"), 0);
    store_set_deadline(store, clock_ms() - 1);
    cr_expect_eq(put(store, "A", "c.dcm", "older"), ECANCELED);
    expect_content("A/c.dcm", "newer");
    cr_expect_eq(files_below(root), 1);
    store_set_deadline(store, clock_ms() + 60000);
    cr_expect_eq(put(store, "A", "c.dcm", "newest"), 0);
    store_destroy(&store);
}

/* --- durability --- */

static char trace[1024];

/* The files and folders made durable, and the renames, in order. */
static void note(const char *what, int descriptor) {
    char link[64], path[512] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    cr_assert_geq(size, 0);
    const char *name = strstr(path, ".oxidicom") ? "temporary" : path + strlen(root);
    snprintf(trace + strlen(trace), sizeof trace - strlen(trace), "%s %s\n", what, *name ? name : "/");
}

static int traced_fsync(int descriptor) {
    note("fsync", descriptor);
    return fsync(descriptor);
}

static int traced_rename(int from_folder, const char *from, int to_folder, const char *to) {
    note("rename to", to_folder);
    return renameat(from_folder, from, to_folder, to);
}

Test(store, makes_each_step_durable_before_the_next) {
    store_t *store = store_new(root, "0", RUN, true);
    store_calls.fsync = traced_fsync;
    store_calls.renameat = traced_rename;
    cr_assert_eq(put(store, "A/B", "1.dcm", "x"), 0);
    cr_expect_str_eq(trace, "fsync temporary\nfsync /\nfsync /A\nrename to /A/B\nfsync /A/B\n");
    *trace = 0;
    cr_assert_eq(put(store, "A/B", "2.dcm", "x"), 0);
    cr_expect_str_eq(trace, "fsync temporary\nrename to /A/B\nfsync /A/B\n", "the folders above are known");
    store_destroy(&store);
}

Test(store, does_not_trust_folders_that_another_writer_made) {
    char *folder = text_of("%s/A", root);
    cr_assert_eq(mkdir(folder, 0755), 0);
    store_t *store = store_new(root, "0", RUN, true);
    store_calls.fsync = traced_fsync;
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    cr_expect_str_eq(trace, "fsync temporary\nfsync /\nfsync /A\n");
    free(folder);
    store_destroy(&store);
}

Test(store, that_is_not_to_be_durable_waits_for_nothing) {
    store_t *store = store_new(root, "0", RUN, false);
    store_calls.fsync = traced_fsync;
    cr_assert_eq(put(store, "A/B", "1.dcm", "x"), 0);
    cr_expect_str_eq(trace, "");
    store_destroy(&store);
}

/* --- NFS --- */

Test(store, on_nfs_forces_files_to_the_disk_and_no_folder) {
    pretend_nfs();
    store_t *store = store_new(root, "0", RUN, true);
    store_calls.fsync = traced_fsync;
    store_calls.renameat = traced_rename;
    cr_assert_eq(put(store, "A/B", "1.dcm", "x"), 0);
    cr_assert_eq(put(store, "A/B", "2.dcm", "y"), 0);
    cr_expect_str_eq(trace, "fsync temporary\nrename to /A/B\nfsync temporary\nrename to /A/B\n");
    expect_content("A/B/1.dcm", "x");
    expect_content("A/B/2.dcm", "y");
    store_destroy(&store);
}

static void move(const char *from, const char *to) {
    char *old = text_of("%s/%s", root, from), *new = text_of("%s/%s", root, to);
    cr_assert_eq(rename(old, new), 0, "%s: %s", from, strerror(errno));
    free(old);
    free(new);
}

static void put_one(store_t *store, const char *folder) {
    char *file = text_of("%s/1.dcm", folder);
    cr_expect_eq(put(store, folder, "1.dcm", folder), 0, "%s", folder);
    expect_content(file, folder);
    free(file);
}

Test(store, on_nfs_makes_folders_below_those_that_it_knows_also_where_these_are_gone_or_others_made_them) {
    pretend_nfs();
    store_t *store = store_new(root, "0", RUN, true);
    put_one(store, "A/B/C/D");
    put_one(store, "A/B/C/E");
    put_one(store, "A/X/Y/Z");
    char *made = text_of("%s/A/B/C/F", root), *link_path = text_of("%s/A/B/C", root);
    cr_assert_eq(mkdir(made, 0755), 0);
    put_one(store, "A/B/C/F");
    move("A/B/C", "moved");
    put_one(store, "A/B/C/G");
    put_one(store, "A/B/C/D");
    move("A/B/C", "moved again");
    cr_assert_eq(symlink("../../moved", link_path), 0);
    cr_expect_eq(put(store, "A/B/C/H", "1.dcm", "x"), ELOOP, "no link is followed");
    cr_expect_eq(put(store, "A/B/C/D", "2.dcm", "x"), ELOOP);
    store_destroy(&store);
    free(made);
    free(link_path);
}

/* `name` of the run's temporary files is another name of this file. */
static void put_in_the_way(const char *file, const char *name) {
    char run[RUN_NAME_BYTES + 1], *host = host_folder();
    run_name(RUN, run);
    char *from = text_of("%s/%s", root, file), *to = text_of("%s/.oxidicom/tmp/%s/0/%s/%s", root, host, run, name);
    cr_assert_eq(link(from, to), 0, "%s", to);
    free(from);
    free(to);
    free(host);
}

Test(store, on_nfs_writes_into_no_file_that_was_there_before) {
    pretend_nfs();
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "1.dcm", "kept"), 0);
    cr_assert_eq(put(store, "A", "empty", ""), 0);
    put_in_the_way("A/1.dcm", "d/3");
    cr_assert_eq(put(store, "A", "2.dcm", "new"), 0, "under the next name");
    put_in_the_way("A/empty", "f/5");
    cr_assert_eq(put(store, "A", "3.dcm", "newer"), 0);
    expect_content("A/1.dcm", "kept");
    expect_content("A/empty", "");
    expect_content("A/2.dcm", "new");
    expect_content("A/3.dcm", "newer");
    store_destroy(&store);
}

Test(store, on_nfs_spreads_temporary_files_over_folders_and_takes_them_away_at_its_end) {
    pretend_nfs();
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t files[2 * TEMPORARY_SPREAD];
    for (size_t i = 0; i < 2 * TEMPORARY_SPREAD; i++) {
        cr_assert_eq(store_begin(store, &files[i]), 0);
        cr_expect_eq(files[i].name[1], '/');
        cr_expect(i == 0 || files[i].name[0] != files[i - 1].name[0]);
    }
    for (size_t i = 0; i < 2 * TEMPORARY_SPREAD; i++)
        store_discard(store, &files[i]);
    store_destroy(&store);
    char run[RUN_NAME_BYTES + 1], *host = host_folder();
    run_name(RUN, run);
    char *folder = text_of("%s/.oxidicom/tmp/%s/0/%s", root, host, run);
    cr_expect_neq(access(folder, F_OK), 0);
    free(folder);
    free(host);
}

Test(store, on_nfs_goes_on_after_its_temporary_folders_were_removed) {
    pretend_nfs();
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    char *hidden = text_of("%s/.oxidicom", root);
    remove_folder(hidden);
    cr_expect_eq(put(store, "A", "2.dcm", "y"), 0);
    expect_content("A/2.dcm", "y");
    free(hidden);
    store_destroy(&store);
}

/* --- closing --- */

static int traced_close(int descriptor) {
    note("close", descriptor);
    return close(descriptor);
}

Test(store, closes_a_file_that_fsync_has_looked_at_when_it_is_told_to) {
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    store_calls.close = traced_close;
    cr_assert_eq(store_commit(store, &file, "A", "1.dcm"), 0);
    cr_expect_str_eq(trace, "");
    store_close(&file);
    cr_expect_str_eq(trace, "close /A/1.dcm\n");
    store_close(&file);
    cr_expect_str_eq(trace, "close /A/1.dcm\n", "once");
    store_destroy(&store);
}

Test(store, closes_a_file_before_it_has_its_place_where_nothing_was_forced_to_the_disk) {
    store_t *store = store_new(root, "0", RUN, false);
    store_calls.close = traced_close;
    store_calls.renameat = traced_rename;
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    cr_expect_str_eq(trace, "close temporary\nrename to /A\n");
    store_destroy(&store);
}
