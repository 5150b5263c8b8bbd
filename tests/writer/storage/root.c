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

/* Writes until it fails; returns the errno value, and how much was written. */
static int fill(store_t *store, const char *peer, size_t *written) {
    char *piece = calloc(1, MIB);
    store_file_t file;
    cr_assert_eq(store_begin(store, &file), 0);
    sender_t *sender = file.sender = store_sender(store, peer);
    unsigned long long before = sender->unfinished;
    int reason = 0;
    for (*written = 0; reason == 0 && *written < 200 * MIB; *written += reason == 0 ? MIB : 0)
        reason = store_append(store, &file, &(struct iovec){piece, MIB}, 1);
    cr_expect_eq(sender->unfinished, before, "what has failed is not unfinished");
    sender_release(&sender);
    free(piece);
    return reason;
}

Test(root, gives_one_sender_half_of_the_room_for_what_it_has_not_finished) {
    mount_root("size=72m");
    store_t *store = store_new(root, "0", RUN, true);
    store_keep_free(store, 8 * MIB);
    char *piece = calloc(1, 20 * MIB);
    store_file_t file;
    size_t written;
    cr_expect_eq(fill(store, "10.0.0.1:104", &written), EFBIG);
    cr_expect(written >= 30 * MIB && written <= 32 * MIB, "%zu MiB", written / MIB);
    /* Of both files of one address, and of no other. */
    cr_assert_eq(store_begin(store, &file), 0);
    sender_t *sender = file.sender = store_sender(store, "10.0.0.1:105");
    cr_assert_eq(store_append(store, &file, &(struct iovec){piece, 20 * MIB}, 1), 0);
    cr_expect_eq(fill(store, "10.0.0.1:106", &written), EFBIG);
    cr_expect(written >= 10 * MIB && written <= 12 * MIB, "%zu MiB", written / MIB);
    cr_expect_eq(fill(store, "10.0.0.2:104", &written), EFBIG);
    cr_expect(written >= 20 * MIB && written <= 22 * MIB, "%zu MiB", written / MIB);
    /* What is finished counts no more. */
    cr_assert_eq(store_commit(store, &file, "A", "1.dcm"), 0);
    store_close(&file);
    cr_expect_eq(sender->unfinished, 0);
    sender_release(&sender);
    free(piece);
    store_destroy(&store);
    unmount_root();
}

Test(root, gives_a_sender_the_last_room_for_little) {
    mount_root("size=24m");
    store_t *store = store_new(root, "0", RUN, true);
    store_keep_free(store, 8 * MIB);
    size_t written;
    cr_expect_eq(fill(store, "10.0.0.1:104", &written), ENOSPC);
    cr_expect(written >= 14 * MIB && written <= 16 * MIB, "%zu MiB", written / MIB);
    store_destroy(&store);
    unmount_root();
}

Test(root, takes_a_site_of_ipv6_for_one_sender) {
    zhashx_t *all = senders_new();
    sender_t *a = sender_of(all, "[2001:db8:1:2::1]:104"), *b = sender_of(all, "[2001:db8:1:2:3::1]:105"),
             *c = sender_of(all, "[2001:db8:1:3::1]:104"), *d = sender_of(all, "10.0.0.1:104"),
             *e = sender_of(all, "10.0.0.1:105"), *f = sender_of(all, "");
    cr_expect_eq(a, b);
    cr_expect_neq(a, c);
    cr_expect_eq(d, e);
    cr_expect_eq(zhashx_size(all), 4);
    sender_t **senders[] = {&a, &b, &c, &d, &e, &f};
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++)
        sender_release(senders[i]);
    cr_expect_eq(zhashx_size(all), 0);
    zhashx_destroy(&all);
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
