/* Two series of one folder, two instances of one file name. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/process.h"
#include "tests/writer/objects_rig.h"
#include "tests/writer/storage/storage.h"

/* Of one hash7. */
#define SERIES_A "1.2.826.0.1.3680043.8.109353"
#define SERIES_B "1.2.826.0.1.3680043.8.119551"

TestSuite(claims, .init = rig_init, .fini = rig_fini);

/* Sends one; returns its path below the root, as the notifier hears of it. Free it. */
static char *stored(sent_t which, data_set_t *set) {
    static uint64_t objects;
    which.object = ++objects;
    send_whole(which, set);
    free(set);
    expect_written(which.object, 1, 0);
    report_flush(rig.environment.report);
    Ring__Envelope *event = received(rig.notifier);
    cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
    cr_assert_eq(event->stored->n_objects, 1);
    char *path = text_of("%s/%s", event->stored->series->folder, event->stored->objects[0]->file);
    ring__envelope__free_unpacked(event, NULL);
    char *whole = text_of("%s/%s", rig.root, path);
    cr_expect_eq(access(whole, F_OK), 0, "%s", whole);
    free(whole);
    return path;
}

static char *of_series(const char *uid, const char *number) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x0020000E, uid);
    add_text(set, 0x00280002, "LO", number);
    return stored((sent_t){0}, set);
}

static char *of_instance(const char *uid, const char *of_command, const char *bytes) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00080018, uid);
    add_text(set, 0x7FE10010, "LO", bytes);
    return stored((sent_t){.sop_instance = (char *)(uintptr_t)of_command}, set);
}

static void expect_same(char *a, char *b, bool same) {
    cr_expect_eq(strcmp(a, b) == 0, same, "%s and %s", a, b);
    free(a);
    free(b);
}

/* As another writer, or after a new start. */
static void forget(void) {
    store_destroy(&rig.environment.store);
    rig.environment.store = store_new(rig.root, "0", 2, true);
}

Test(claims, two_series_of_one_hash_have_two_folders) {
    char *a = of_series(SERIES_A, "1"), *b = of_series(SERIES_B, "1");
    cr_expect(strstr(a, "-9a7cb00/"), "%s", a);
    cr_expect(strstr(b, "-9a7cb00"), "%s", b);
    expect_same(of_series(SERIES_A, "2"), a, true);
    expect_same(of_series(SERIES_B, "2"), b, true);
    cr_expect_eq(files_below(rig.root), 2);
}

Test(claims, two_series_of_one_hash_have_two_folders_for_whoever_stores_them) {
    char *a = of_series(SERIES_A, "1");
    forget();
    char *b = of_series(SERIES_B, "1");
    expect_same(strdup(a), strdup(b), false);
    forget();
    expect_same(of_series(SERIES_B, "2"), b, true);
    forget();
    expect_same(of_series(SERIES_A, "2"), a, true);
    cr_expect_eq(files_below(rig.root), 2);
}

Test(claims, a_folder_whose_files_tell_no_series_is_anybodys) {
    char *a = of_series(SERIES_A, "1"), *path = text_of("%s/%s", rig.root, a);
    FILE *file = fopen(path, "w");
    cr_assert(file && fclose(file) == 0);
    forget();
    char *b = of_series(SERIES_B, "1");
    cr_expect_eq(strncmp(a, b, strlen(FOLDER) - 30), 0);
    expect_same(a, b, true);
    free(path);
}

Test(claims, uids_that_are_sanitised_alike_have_a_file_each) {
    char *a = of_instance("1.2.3*1", "1.2.3*1", "a"), *b = of_instance("1.2.3_1", "1.2.3_1", "b");
    cr_expect(strstr(a, "/0001-1.2.3_1.dcm"), "%s", a);
    expect_same(strdup(a), strdup(b), false);
    expect_same(of_instance("1.2.3*1", "1.2.3*1", "newer"), a, true);
    expect_same(of_instance("1.2.3_1", "1.2.3_1", "newer"), b, true);
    cr_expect_eq(files_below(rig.root), 2);
}

Test(claims, a_command_that_names_another_instance_overwrites_nothing) {
    char *a = of_instance("1.2.3", "1.2.3", "a"), *b = of_instance("1.2.3", "1.2.4", "b");
    cr_expect(strstr(a, "/0001-1.2.3.dcm"), "%s", a);
    expect_same(strdup(a), strdup(b), false);
    expect_same(of_instance("1.2.3", "1.2.4", "newer"), b, true);
    expect_same(of_instance("1.2.3", "1.2.5", "c"), strdup(a), false);
    expect_same(of_instance("1.2.3", "1.2.3", "newer"), a, true);
    cr_expect_eq(files_below(rig.root), 3);
}

Test(claims, a_command_that_names_another_instance_is_the_same_file_when_it_is_sent_again) {
    expect_same(of_instance("1.2.3", "1.2.4", "a"), of_instance("1.2.3", "1.2.4", "a"), true);
    cr_expect_eq(files_below(rig.root), 1);
}
