/* The one folder of a series: who comes first decides, who comes later follows. Bad links are replaced. */
#include "writer/storage/home.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/series_links.h"
#include "tests/support/patience.h"
#include "tests/support/process.h"
#include "tests/writer/storage/storage.h"
#include "writer/dicom/path.h"
#include "writer/storage/calls.h"

#define FIRST  "SERVICES/PACS/AE/1-A-20000101/S-1-20200101/00001-T1-7303d05"
#define SECOND "SERVICES/PACS/AE/2-B-20000101/S-1-20200101/00001-T2-7303d05"
#define LINK   SERIES_LINKS "/AE+1.2"

static bases_t bases[2];

static void init(void) {
    storage_init();
    for (unsigned i = 0; i < 2; i++) {
        base_t *base = NULL;
        bases_init(&bases[i], root, i ? "1" : "0", RUN + i);
        cr_assert_eq(bases_reopen(&bases[i], &base), 0);
        bases_give_back(&bases[i], &base);
    }
}

static void fini(void) {
    for (int i = 0; i < 2; i++)
        bases_clear(&bases[i]);
    storage_fini();
}
TestSuite(home, .init = init, .fini = fini, .timeout = PATIENCE_S);

/* What a writer that wants this folder finds; the writer's reason where that is not 0. */
static int find_as(int writer, const char *wanted, char *found, size_t size) {
    home_t *home = home_new("AE", "1.2");
    int reason = home_find(home, &bases[writer], true, wanted);
    snprintf(found, size, "%s", reason == 0 ? home_folder(home) : "");
    home_release(&home);
    return reason;
}

static void expect_home(int writer, const char *wanted, const char *home) {
    char found[512];
    cr_expect_eq(find_as(writer, wanted, found, sizeof found), 0);
    cr_expect_str_eq(found, home);
}

static char *link_path(void) {
    return text_of("%s/" LINK, root);
}

static void expect_link(const char *target) {
    char content[512] = "", *path = link_path();
    cr_assert_geq(readlink(path, content, sizeof content - 1), 0);
    cr_expect_str_eq(content, target);
    free(path);
}

static void expect_nothing_temporary(void) {
    char *path = text_of("%s/.oxidicom/tmp", root);
    cr_expect_eq(files_below(path), 0);
    free(path);
}

/* --- agreeing ------------------------------------------------------------------------------------------ */

Test(home, is_what_the_first_file_wants_and_a_link_says_so) {
    expect_home(0, FIRST, FIRST);
    expect_link(FIRST);
}

Test(home, of_those_who_come_later_is_the_first_ones) {
    expect_home(0, FIRST, FIRST);
    expect_home(1, SECOND, FIRST);
    expect_home(0, SECOND, FIRST);
}

Test(home, is_a_new_one_once_the_link_is_removed) {
    expect_home(0, FIRST, FIRST);
    int folder = open(root, O_RDONLY | O_DIRECTORY);
    cr_assert_eq(series_links_remove(folder, "AE+1.2"), 0);
    close(folder);
    expect_home(1, SECOND, SECOND);
}

static int asked;

static int counted_symlink(const char *target, int folder, const char *name) {
    asked++;
    return symlinkat(target, folder, name);
}

Test(home, is_asked_for_once) {
    home_symlinkat = counted_symlink;
    home_t *home = home_new("AE", "1.2");
    for (int i = 0; i < 3; i++)
        cr_expect_eq(home_find(home, &bases[0], true, i ? SECOND : FIRST), 0);
    cr_expect_str_eq(home_folder(home), FIRST);
    cr_expect_eq(asked, 1);
    home_release(&home);
}

static void *find_together(void *argument) {
    int writer = *(int *)argument;
    char found[512];
    cr_assert_eq(find_as(writer, writer ? SECOND : FIRST, found, sizeof found), 0);
    return strdup(found);
}

Test(home, of_many_who_ask_at_once_is_the_same) {
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    int writers[THREADS];
    char *found[THREADS];
    for (int i = 0; i < THREADS; i++) {
        writers[i] = i % 2;
        cr_assert_eq(pthread_create(&threads[i], NULL, find_together, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], (void **)&found[i]);
        cr_expect_str_eq(found[i], found[0]);
    }
    for (int i = 0; i < THREADS; i++)
        free(found[i]);
}

/* --- storage that lacks something ------------------------------------------------------------------------ */

static int no_symlink(const char *target, int folder, const char *name) {
    (void)target;
    errno = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? EEXIST : EPERM;
    return -1;
}

Test(home, without_symbolic_links_is_in_a_file) {
    home_symlinkat = no_symlink;
    expect_home(0, FIRST, FIRST);
    expect_home(1, SECOND, FIRST);
    expect_content(LINK, FIRST);
    expect_nothing_temporary();
}

Test(home, is_read_from_a_file_also_where_there_are_symbolic_links) {
    home_symlinkat = no_symlink;
    expect_home(0, FIRST, FIRST);
    home_symlinkat = symlinkat;
    expect_home(1, SECOND, FIRST);
}

static int full(const char *target, int folder, const char *name) {
    (void)target;
    (void)folder;
    (void)name;
    errno = ENOSPC;
    return -1;
}

Test(home, that_a_full_disk_does_not_take_is_found_later) {
    char found[512];
    home_t *home = home_new("AE", "1.2");
    home_symlinkat = full;
    cr_expect_eq(home_find(home, &bases[0], true, FIRST), ENOSPC);
    home_symlinkat = symlinkat;
    cr_expect_eq(find_as(1, SECOND, found, sizeof found), 0);
    cr_expect_eq(home_find(home, &bases[0], true, FIRST), 0);
    cr_expect_str_eq(home_folder(home), SECOND);
    home_release(&home);
}

/* --- what others have put there -------------------------------------------------------------------------- */

/* A link to `target` lies there, and is replaced. */
static void expect_replaced(const char *target) {
    char *path = link_path();
    (void)unlink(path);
    cr_assert_eq(symlink(target, path), 0);
    expect_home(0, FIRST, FIRST);
    expect_link(FIRST);
    expect_home(1, SECOND, FIRST);
    free(path);
}

static void expect_each_replaced(const char *const *targets, size_t count) {
    expect_home(0, FIRST, FIRST);
    for (size_t i = 0; i < count; i++)
        expect_replaced(targets[i]);
}

Test(home, that_a_link_can_not_mean_is_replaced) {
    static const char *const targets[] = {
        "/etc",
        ".",
        "..",
        "SERVICES/PACS/AE",
        "SERVICES/PACS/AE/p/s-7303d05",
        "SERVICES/PACS/AE/p/s/x/y-7303d05",
        "SERVICES/PACS/AE/p/s/x-7303d05/",
        "SERVICES/PACS/AE/p//x-7303d05",
        "SERVICES/PACS/AE/p/../x-7303d05",
        "SERVICES/PACS/AE/p/./x-7303d05",
        "SERVICES/PACS/AE/../B/x-7303d05",
        "SERVICES/PACS/B/p/s/x-7303d05",
        "SERVICES/PACS/AEB/p/s/x-7303d05",
        "/SERVICES/PACS/AE/p/s/x-7303d05",
        "SERVICES/PACS/AE/p/s/x\ny-7303d05",
        "../../SERVICES/PACS/AE/p/s/x-7303d05",
        ".oxidicom/tmp/AE/p/s/x-7303d05",
    };
    expect_each_replaced(targets, sizeof targets / sizeof *targets);
    expect_nothing_temporary();
}

Test(home, that_a_longer_component_than_any_is_in_is_replaced) {
    char target[400];
    expect_home(0, FIRST, FIRST);
    snprintf(target, sizeof target, "SERVICES/PACS/AE/p/s/%0248d-7303d05", 0);
    expect_replaced(target);
}

Test(home, of_another_series_is_replaced) {
    static const char *const targets[] = {
        "SERVICES/PACS/AE/1-A-20000101/S-1-20200101/00002-T2-8b25598",
        "SERVICES/PACS/AE/1-A-20000101/S-1-20200101/00002-T2-8b255984781290a5",
        "SERVICES/PACS/AE/1-A-20000101/S-1-20200101/00002-T2-7303d05-8b25598",
        "SERVICES/PACS/AE/1-A-20000101/S-1-7303d05/00002-T2-8b25598",
        "SERVICES/PACS/AE/1-A-20000101/S-1-20200101/00002-T2_7303d05",
        "SERVICES/PACS/AE/1-A-20000101/S-1-20200101/7303d05",
    };
    expect_each_replaced(targets, sizeof targets / sizeof *targets);
}

/* Each name that a series' folder can have. */
Test(home, is_followed_where_its_name_was_taken_or_cut_off) {
    char description[301], *names[3];
    memset(description, 'd', 300);
    description[300] = 0;
    path_parts_t parts = {.calling_ae = "AE", .series_description = description, .series_instance_uid = "1.2"};
    names[0] = path_folder(&parts);
    names[1] = path_folder_apart(FIRST, "1.2");
    names[2] = path_folder_apart(names[0], "1.2");
    for (int i = 0; i < 6; i++) {
        char *path = link_path();
        home_symlinkat = i % 2 ? no_symlink : symlinkat;
        expect_home(0, names[i / 2], names[i / 2]);
        expect_home(1, SECOND, names[i / 2]);
        cr_assert_eq(unlink(path), 0);
        free(path);
    }
    for (int i = 0; i < 3; i++)
        free(names[i]);
}

Test(home, in_a_file_that_can_not_mean_one_is_replaced) {
    char *path = link_path();
    expect_home(0, FIRST, FIRST);
    cr_assert_eq(unlink(path), 0);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs("SERVICES/PACS/AE/p", file) >= 0 && fclose(file) == 0);
    expect_home(0, FIRST, FIRST);
    expect_link(FIRST);
    free(path);
}

Test(home, that_a_folder_or_a_pipe_stands_for_is_the_one_wanted) {
    char *path = link_path();
    expect_home(0, FIRST, FIRST);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0755), 0);
    expect_home(0, SECOND, SECOND);
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_home(0, SECOND, SECOND);
    expect_link(SECOND);
    free(path);
}

Test(home, of_links_that_lead_out_of_storage_is_the_one_wanted) {
    char *path = text_of("%s/" SERIES_LINKS, root), *outside = temporary_folder("outside");
    cr_assert_eq(symlink(outside, path), 0);
    expect_home(0, FIRST, FIRST);
    expect_home(1, SECOND, SECOND);
    cr_expect_eq(rmdir(outside), 0, "nothing was made in it");
    free(path);
    free(outside);
}
