/* Two or three replicas on one folder, each with its own open file, as two processes would have it. */
#include "notifier/replicas/series_locks.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/folders.h"
#include "notifier/replicas/byte_locks.h"
#include "notifier/replicas/notes.h"
#include "tests/support/patience.h"
#include "tests/support/process.h"

#define ONE    1
#define SENDER 10
#define PLACE  100

static char *root, *place;
static series_locks_t *a, *b, *c;
static char *made;

static void set_up(void) {
    root = temporary_folder("locks");
    char *above = text_of("%s/.oxidicom", root);
    place = text_of("%s/" REPLICAS_FOLDER, root);
    cr_assert(folders_make(above, 0755) && folders_make(place, 0755));
    free(above);
    a = series_locks_new(root, 0755);
    b = series_locks_new(root, 0755);
    c = series_locks_new(root, 0755);
    cr_assert_str_empty(series_locks_why(a));
}

static void tear_down(void) {
    series_locks_destroy(&a);
    series_locks_destroy(&b);
    series_locks_destroy(&c);
    free(made);
    remove_folder(root);
    free(root);
    free(place);
}

TestSuite(series_locks, .init = set_up, .fini = tear_down);

static decision_t decide_for(series_locks_t *locks, uint64_t sender, uint64_t folder, const char *note) {
    char *left = NULL;
    decision_t decision = series_locks_decide(locks, 1, &(series_id_t){ONE, sender, folder}, note, &left);
    if (left) {
        free(made);
        made = left;
    }
    return decision;
}

/* The first reception of each replica is of series 1. */
static decision_t decide(series_locks_t *locks, const char *note) {
    return decide_for(locks, SENDER, PLACE, note);
}

static void share(series_locks_t *locks) {
    cr_assert(series_locks_share(locks, 1, ONE));
}

static int notes_there(void) {
    DIR *listing = opendir(place);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing));)
        count += strlen(entry->d_name) > 60;
    closedir(listing);
    return count;
}

Test(series_locks, a_series_of_one_replica_is_registered_and_leaves_nothing) {
    share(a);
    cr_expect_eq(decide(a, NULL), DECISION_REGISTER);
    series_locks_registered(a, 1);
    cr_expect_eq(notes_there(), 0);
    share(b);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
}

Test(series_locks, a_series_is_left_to_the_replica_that_still_receives_it) {
    share(a);
    share(b);
    cr_expect_eq(decide(a, NULL), DECISION_LEFT);
    cr_assert_not_null(made);
    cr_expect_eq(decide(a, made), DECISION_LEFT, "it looks again");
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    cr_expect_eq(decide(a, made), DECISION_LEFT, "b is not confirmed yet");
    series_locks_registered(b, 1);
    cr_expect_eq(decide(a, made), DECISION_REGISTERED);
    cr_expect_eq(notes_there(), 0);
}

Test(series_locks, what_was_left_to_a_replica_that_dies_is_registered) {
    share(a);
    share(b);
    cr_expect_eq(decide(a, NULL), DECISION_LEFT);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    series_locks_destroy(&b);
    cr_expect_eq(decide(a, made), DECISION_REGISTER);
    series_locks_registered(a, 1);
    cr_expect_eq(notes_there(), 0);
}

Test(series_locks, of_three_that_end_together_the_last_registers_for_all) {
    char *notes[2] = {NULL, NULL};
    share(a);
    share(b);
    share(c);
    cr_expect_eq(decide(a, NULL), DECISION_LEFT);
    notes[0] = text_of("%s", made);
    cr_expect_eq(decide(b, NULL), DECISION_LEFT);
    notes[1] = text_of("%s", made);
    cr_expect_eq(decide(c, NULL), DECISION_REGISTER);
    series_locks_registered(c, 1);
    cr_expect_eq(decide(a, notes[0]), DECISION_REGISTERED);
    cr_expect_eq(decide(b, notes[1]), DECISION_REGISTERED);
    free(notes[0]);
    free(notes[1]);
}

Test(series_locks, a_note_that_is_made_after_the_decision_is_not_marked) {
    share(a);
    cr_expect_eq(decide(a, NULL), DECISION_REGISTER);
    share(b);
    cr_expect_eq(decide(b, NULL), DECISION_LEFT);
    series_locks_registered(a, 1);
    cr_expect_eq(decide(b, made), DECISION_REGISTER);
}

Test(series_locks, a_note_about_another_folder_is_not_marked) {
    share(a);
    share(b);
    cr_expect_eq(decide_for(a, SENDER, PLACE + 1, NULL), DECISION_LEFT);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    series_locks_registered(b, 1);
    cr_expect_eq(decide_for(a, SENDER, PLACE + 1, made), DECISION_REGISTER);
}

Test(series_locks, a_note_for_another_sender_is_marked_as_such) {
    share(a);
    share(b);
    cr_expect_eq(decide_for(a, SENDER + 1, PLACE, NULL), DECISION_LEFT);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    series_locks_registered(b, 1);
    cr_expect_eq(decide_for(a, SENDER + 1, PLACE, made), DECISION_COVERED);
    cr_expect_eq(notes_there(), 0);
    share(a);
    cr_expect_eq(decide(a, NULL), DECISION_REGISTER);
}

Test(series_locks, a_lost_note_makes_it_register) {
    share(a);
    share(b);
    cr_expect_eq(decide(a, NULL), DECISION_LEFT);
    char *path = text_of("%s/%s", place, made);
    cr_assert_eq(unlink(path), 0);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    series_locks_registered(b, 1);
    cr_expect_eq(decide(a, made), DECISION_REGISTER);
    free(path);
}

Test(series_locks, receptions_of_one_replica_hold_a_lock_together) {
    share(a);
    cr_assert(series_locks_share(a, 2, ONE));
    series_locks_let_go(a, 1);
    share(b);
    cr_expect_eq(decide(b, NULL), DECISION_LEFT);
    series_locks_let_go(a, 2);
    cr_expect_eq(decide(b, made), DECISION_REGISTER);
}

Test(series_locks, different_series_do_not_wait_for_one_another) {
    share(a);
    cr_assert(series_locks_share(b, 1, ONE + 1));
    cr_expect_eq(decide(a, NULL), DECISION_REGISTER);
}

Test(series_locks, a_replica_that_ends_leaves_what_it_has) {
    share(a);
    made = series_locks_leave(a, 1, &(series_id_t){ONE, SENDER, PLACE});
    cr_assert_not_null(made);
    share(b);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    series_locks_registered(b, 1);
    share(a); /* its next start */
    cr_expect_eq(decide(a, made), DECISION_REGISTERED);
    share(b);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER, "a holds nothing any more");
}

Test(series_locks, old_notes_go) {
    share(a);
    share(b);
    char *old = text_of("%s/%016x.%016x.%013x.%016x", place, ONE, 0, 1000, 1);
    int file = open(old, O_CREAT | O_WRONLY, 0600);
    cr_assert(file >= 0 && close(file) == 0);
    cr_expect_eq(decide(a, NULL), DECISION_LEFT);
    cr_expect_eq(notes_there(), 2);
    cr_expect_eq(decide(b, NULL), DECISION_REGISTER);
    cr_expect_eq(notes_there(), 1);
    free(old);
}

Test(series_locks, without_a_place_for_the_file_each_replica_registers) {
    remove_folder(place);
    int file = open(place, O_CREAT | O_WRONLY, 0600);
    cr_assert(file >= 0 && close(file) == 0);
    series_locks_destroy(&a);
    a = series_locks_new(root, 0755);
    cr_expect_not_null(strstr(series_locks_why(a), "Not a directory"), "%s", series_locks_why(a));
    share(a);
    share(b);
    cr_expect_eq(decide(a, NULL), DECISION_REGISTER);
    series_locks_registered(a, 1);
}

/* The file is looked after when a lock is taken, now and then. */
static bool looks_and_finds(void *path) {
    share(a);
    return access(path, F_OK) == 0;
}

Test(series_locks, come_back_where_their_folder_was_removed, .timeout = PATIENCE_S) {
    share(a);
    remove_folder(place);
    cr_assert(await(looks_and_finds, place, PATIENCE_MS));
    cr_expect_str_empty(series_locks_why(a));
    series_locks_destroy(&b);
    b = series_locks_new(root, 0755);
    share(b);
    cr_expect_eq(decide(b, NULL), DECISION_LEFT, "a holds it in the new file, too");
}

Test(series_locks, mounts_that_keep_locks_to_their_host_are_known) {
    cr_expect_str_eq(byte_locks_local_in("rw,vers=3,nolock,proto=tcp"), "nolock");
    cr_expect_str_eq(byte_locks_local_in("rw,vers=3,local_lock=all"), "local_lock=all");
    cr_expect_str_eq(byte_locks_local_in("rw,local_lock=posix"), "local_lock=posix");
    cr_expect_null(byte_locks_local_in("rw,vers=3,local_lock=flock"));
    cr_expect_null(byte_locks_local_in("rw,vers=4.2,local_lock=none,addr=10.0.0.1"));
    cr_expect_str_eq(byte_locks_local_in("rw,nobrl"), "nobrl");
    cr_expect_null(byte_locks_local_in("rw,nolocks"));
}
