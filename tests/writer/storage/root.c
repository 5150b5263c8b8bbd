/* A root that is full, read-only, unmounted, mounted again. */
#include "writer/storage/root.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/writer/storage/storage.h"

#define MIB ((size_t)1024 * 1024)

TestSuite(root, .init = storage_init, .fini = storage_fini);

/* --- room --- */

Test(root, begins_no_file_where_less_is_free_than_is_to_be_kept) {
    store_t *store = store_new(root, "0", RUN, true);
    store_keep_free(store, (uint64_t)1 << 60);
    cr_expect_eq(put(store, "A", "c.dcm", "x"), ENOSPC);
    cr_expect_eq(files_below(root), 0);
    store_keep_free(store, 0);
    cr_expect_eq(put(store, "A", "c.dcm", "x"), 0, "0 leaves it to the file system");
    store_destroy(&store);
}

Test(root, lets_no_file_grow_into_what_is_to_be_kept_free_and_is_usable_when_there_is_room_again) {
    mount_root("size=16m");
    store_t *store = store_new(root, "0", RUN, true);
    store_keep_free(store, 8 * MIB);
    char *piece = calloc(1, MIB / 4);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    int reason = 0, pieces = 0;
    while (reason == 0 && pieces < 100) {
        reason = store_append(store, &file, &(struct iovec){piece, MIB / 4}, 1);
        pieces += reason == 0;
    }
    cr_expect_eq(reason, ENOSPC);
    cr_expect(pieces >= 24 && pieces <= 32, "%d quarters of a MiB were written", pieces);
    cr_expect_eq(files_below(root), 0);
    cr_expect_eq(put(store, "A", "c.dcm", "x"), 0);
    free(piece);
    store_destroy(&store);
    unmount_root();
}

Test(root, counts_what_other_writers_write) {
    mount_root("size=16m");
    store_t *store = store_new(root, "0", RUN, true), *other = store_new(root, "1", RUN + 1, true);
    store_keep_free(store, 8 * MIB);
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    store_file_t file;
    char *piece = calloc(1, 10 * MIB);
    cr_assert_eq(store_begin(other, &file), 0);
    cr_assert_eq(store_append(other, &file, &(struct iovec){piece, 10 * MIB}, 1), 0);
    int reason = 0;
    for (int i = 0; reason == 0 && i < 5; i++) {
        cr_assert_eq(store_begin(store, &file), 0);
        reason = store_append(store, &file, &(struct iovec){piece, MIB / 4}, 1);
        store_discard(store, &file);
    }
    cr_expect_eq(reason, ENOSPC, "it is asked again after a share of the room");
    free(piece);
    store_destroy(&store);
    store_destroy(&other);
    unmount_root();
}

Test(root, without_room_for_one_more_name_leaves_nothing_and_is_usable_when_there_is) {
    mount_root("size=4m,nr_inodes=16");
    store_t *store = store_new(root, "0", RUN, true);
    int made = 0, reason = 0;
    for (char name[] = "a.dcm"; reason == 0 && made < 20; name[0]++, made += reason == 0)
        reason = put(store, "A", name, "x");
    cr_expect_eq(reason, ENOSPC, "no temporary file can be made");
    cr_expect_eq(files_below(root), made);
    char *last = text_of("%s/A/a.dcm", root);
    cr_assert_eq(unlink(last), 0);
    cr_expect_eq(put(store, "A/B", "c.dcm", "x"), ENOSPC, "no folder can be made");
    cr_expect_eq(files_below(root), made - 1);
    cr_expect_eq(put(store, "A", "c.dcm", "x"), 0);
    free(last);
    store_destroy(&store);
    unmount_root();
}

/* --- mounts --- */

Test(root, that_was_unmounted_is_not_taken_for_the_folder_below_it_and_is_found_when_it_is_back) {
    mount_root("size=1m");
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    unmount_root();
    cr_expect_eq(put(store, "A", "2.dcm", "x"), ENODEV);
    cr_expect_eq(put(store, "A", "2.dcm", "x"), ENODEV);
    cr_expect_eq(files_below(root), 0);
    cr_expect_eq(rmdir(root), 0, "something was made in the folder below");
    cr_assert_eq(mkdir(root, 0755), 0);
    mount_root("size=1m");
    cr_expect_eq(put(store, "A", "3.dcm", "y"), 0);
    expect_content("A/3.dcm", "y");
    store_destroy(&store);
    unmount_root();
}

Test(root, over_which_another_is_mounted_gives_way_to_that) {
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_eq(put(store, "A", "1.dcm", "x"), 0);
    mount_root("size=1m");
    cr_expect_eq(put(store, "A", "2.dcm", "y"), 0);
    expect_content("A/2.dcm", "y");
    store_destroy(&store);
    unmount_root();
}

Test(root, that_is_exchanged_under_an_open_file_fails_that_and_no_other) {
    mount_root("size=1m");
    store_t *store = store_new(root, "0", RUN, true);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    cr_assert_eq(append_text(store, &file, "x"), 0);
    unmount_root();
    mount_root("size=1m");
    cr_expect_eq(put(store, "A", "2.dcm", "y"), 0);
    cr_expect_eq(store_commit(store, &file, "A", "1.dcm"), ENOENT, "where nobody sees it, it is not stored");
    cr_expect_eq(files_below(root), 1);
    store_destroy(&store);
    unmount_root();
}

Test(root, that_is_read_only_at_first_is_used_as_soon_as_it_is_not) {
    mount_root("size=1m,ro");
    cr_assert_eq(mount("none", root, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    store_t *store = store_new(root, "0", RUN, true);
    cr_assert_not_null(store, "no new start is needed");
    cr_expect_eq(put(store, "A", "1.dcm", "x"), EROFS);
    cr_assert_eq(mount("none", root, NULL, MS_REMOUNT, NULL), 0);
    cr_expect_eq(put(store, "A", "1.dcm", "x"), 0);
    store_destroy(&store);
    unmount_root();
}
