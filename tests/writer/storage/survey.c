/* The survey of storage, as a process: its output for files of every kind. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/dataset.h"
#include "tests/support/receiver.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.6."

/* A files root, and what the last survey of it said. */
typedef struct storage {
    char *root;
    json_t *lines[16];
    size_t count;
    int status;
} storage_t;

static char *root;

static void set_up(void) {
    root = temporary_folder("survey");
}

static void tear_down(void) {
    remove_folder(root);
    free(root);
}

TestSuite(survey, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* A path below the root with its folders made; free it. */
static char *path_of(const char *relative) {
    char *path = text_of("%s/%s", root, relative);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
    return path;
}

static void write_instance(const char *relative, const char *syntax, const char *series, int number) {
    char *path = path_of(relative), uid[128];
    snprintf(uid, sizeof uid, "%s.%d", series, number);
    bool deflated = strcmp(syntax, DEFLATED_LE) == 0;
    bytes_t set = dataset_instance(deflated ? EXPLICIT_LE : syntax, series, uid, number, 100000);
    bytes_t whole = deflated ? dataset_deflate(&set) : set;
    part10_write(path, syntax, MR_STORAGE, uid, &whole);
    if (deflated)
        bytes_free(&whole);
    bytes_free(&set);
    free(path);
}

static void make_old(const char *relative, int seconds) {
    char *path = path_of(relative);
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}

static storage_t survey(const char *const *arguments) {
    storage_t storage = {0};
    char *program = text_of("%s/oxidicom-writer", binaries()), *log = text_of("%s/said", root);
    const char *argv[8] = {program, "--survey"};
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 2] = arguments[i];
    unlink(log);
    storage.status = process_run(log, (const char *const[]){"OXIDICOM_FILES_ROOT", root, NULL}, argv, PATIENCE_MS);
    FILE *said = fopen(log, "r");
    json_t *line;
    while (storage.count < 16 && (line = json_loadf(said, JSON_DISABLE_EOF_CHECK, NULL)))
        if (json_object_size(line) > 0)
            storage.lines[storage.count++] = line;
        else
            json_decref(line); /* a sign of life */
    fclose(said);
    free(program);
    free(log);
    return storage;
}
#define SURVEY(...) survey((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void forget(storage_t *storage) {
    for (size_t i = 0; i < storage->count; i++)
        json_decref(storage->lines[i]);
}

static const json_t *line_with(const storage_t *storage, const char *field, const char *value) {
    for (size_t i = 0; i < storage->count; i++) {
        const char *text = json_string_value(json_object_get(storage->lines[i], field));
        if (text && strcmp(text, value) == 0)
            return storage->lines[i];
    }
    return NULL;
}

static const char *series_text(const json_t *line, const char *field) {
    const char *text = json_string_value(json_object_get(json_object_get(line, "series"), field));
    return text ? text : "";
}

/* --- findings -------------------------------------------------------------------------------------------- */

Test(survey, reads_heads_in_every_native_encoding_and_counts_files) {
    static const char *const syntaxes[] = {IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED_LE};
    for (int i = 0; i < 4; i++)
        for (int k = 1; k <= i + 1; k++) {
            char *path = text_of("SERVICES/PACS/AE/patient/study/series%d/%04d-1.dcm", i, k),
                 *series = text_of(SERIES "%d", i);
            write_instance(path, syntaxes[i], series, k);
            free(path);
            free(series);
        }
    free(path_of("SERVICES/PACS/AE/patient/study/empty/"));
    storage_t storage = SURVEY();
    cr_expect_eq(storage.status, 0);
    cr_expect_eq(storage.count, 4);
    for (int i = 0; i < 4; i++) {
        char *folder = text_of("SERVICES/PACS/AE/patient/study/series%d", i), *series = text_of(SERIES "%d", i);
        const json_t *line = line_with(&storage, "folder", folder);
        cr_assert_not_null(line, "%s", syntaxes[i]);
        cr_expect_str_eq(series_text(line, "series_instance_uid"), series);
        cr_expect_str_eq(series_text(line, "folder"), folder, "where it lies");
        cr_expect_str_eq(series_text(line, "pacs_name"), "AE");
        cr_expect_str_eq(series_text(line, "patient_id"), "1449c1d");
        cr_expect_str_eq(series_text(line, "study_date"), "2013-03-08");
        cr_expect_eq(json_integer_value(json_object_get(json_object_get(line, "series"), "patient_age_days")),
                     1096);
        cr_expect_eq(json_integer_value(json_object_get(line, "files")), i + 1);
        free(folder);
        free(series);
    }
    forget(&storage);
}

Test(survey, takes_the_tags_of_the_oldest_file_which_came_first) {
    write_instance("SERVICES/PACS/AE/p/s/x/0001-1.dcm", EXPLICIT_LE, SERIES "1", 1);
    write_instance("SERVICES/PACS/AE/p/s/x/0002-2.dcm", EXPLICIT_LE, SERIES "2", 2);
    write_instance("SERVICES/PACS/AE/p/s/x/0003-3.dcm", EXPLICIT_LE, SERIES "3", 3);
    make_old("SERVICES/PACS/AE/p/s/x/0002-2.dcm", 60);
    storage_t storage = SURVEY();
    cr_assert_eq(storage.count, 1);
    cr_expect_str_eq(series_text(storage.lines[0], "series_instance_uid"), SERIES "2");
    forget(&storage);
}

Test(survey, leaves_out_what_is_older_or_was_not_named) {
    write_instance("SERVICES/PACS/AE/p/s/old/0001-1.dcm", EXPLICIT_LE, SERIES "1", 1);
    write_instance("SERVICES/PACS/AE/p/s/new/0001-1.dcm", EXPLICIT_LE, SERIES "2", 1);
    write_instance("SERVICES/PACS/AE/p/s/new/0002-2.dcm", EXPLICIT_LE, SERIES "2", 2);
    make_old("SERVICES/PACS/AE/p/s/old/0001-1.dcm", 7200);
    make_old("SERVICES/PACS/AE/p/s/new/0001-1.dcm", 7200); /* the newest counts */
    char *since = text_of("%lld", (long long)(time(NULL) - 3600) * 1000);
    storage_t storage = SURVEY("--since", since);
    cr_expect_eq(storage.count, 1);
    cr_expect_str_eq(series_text(storage.lines[0], "series_instance_uid"), SERIES "2");
    forget(&storage);
    storage = SURVEY(SERIES "1");
    cr_expect_eq(storage.count, 1);
    cr_expect_str_eq(series_text(storage.lines[0], "series_instance_uid"), SERIES "1");
    forget(&storage);
    storage = SURVEY("--since", since, SERIES "1");
    cr_expect_eq(storage.count, 0);
    cr_expect_eq(SURVEY("--since", "yesterday").status, EX_USAGE);
    free(since);
}

/* --- unreadable files ------------------------------------------------------------------------------------ */

static void write_text(const char *relative, const char *text, size_t size) {
    char *path = path_of(relative);
    FILE *file = fopen(path, "w");
    cr_assert(file && fwrite(text, 1, size, file) == size && fclose(file) == 0);
    free(path);
}

Test(survey, goes_on_to_the_next_file_and_folder_after_what_is_damaged) {
    char cut[4096] = {0};
    memcpy(cut + 128, "DICM\2\0\x10\0UI\x14\0" EXPLICIT_LE "\0\x08\0\x16\0UI\xFF\xFF", 4 + 8 + 20 + 8);
    write_text("SERVICES/PACS/AE/p/s/x/0001-1.dcm", "", 0);
    write_text("SERVICES/PACS/AE/p/s/x/0002-2.dcm", cut, 128 + 4 + 8 + 20 + 8);
    make_old("SERVICES/PACS/AE/p/s/x/0001-1.dcm", 120);
    make_old("SERVICES/PACS/AE/p/s/x/0002-2.dcm", 60);
    write_instance("SERVICES/PACS/AE/p/s/x/0003-3.dcm", EXPLICIT_LE, SERIES "1", 3);
    write_text("SERVICES/PACS/AE/p/s/y/0001-1.dcm", "nothing", 7);
    storage_t storage = SURVEY();
    cr_expect_eq(storage.status, 1);
    cr_expect_eq(storage.count, 4);
    const json_t *line = line_with(&storage, "folder", "SERVICES/PACS/AE/p/s/x");
    cr_assert_not_null(line);
    cr_expect_eq(json_integer_value(json_object_get(line, "files")), 3, "as CUBE counts them");
    cr_expect_not_null(line_with(&storage, "path", "SERVICES/PACS/AE/p/s/x/0001-1.dcm"));
    cr_expect_not_null(line_with(&storage, "path", "SERVICES/PACS/AE/p/s/x/0002-2.dcm"));
    cr_expect_not_null(line_with(&storage, "path", "SERVICES/PACS/AE/p/s/y/0001-1.dcm"));
    forget(&storage);
}

Test(survey, follows_no_symbolic_link_and_opens_nothing_that_is_no_file) {
    write_instance("elsewhere/s/x/0001-1.dcm", EXPLICIT_LE, SERIES "1", 1);
    char *link = path_of("SERVICES/PACS/AE/link"), *file = path_of("SERVICES/PACS/AE/p/s/x/0001-1.dcm"),
         *pipe = path_of("SERVICES/PACS/AE/p/s/x/0002-2.dcm"), *target = path_of("elsewhere"),
         *target_file = path_of("elsewhere/s/x/0001-1.dcm");
    cr_assert_eq(symlink(target, link), 0);
    cr_assert_eq(symlink(target_file, file), 0);
    cr_assert_eq(mkfifo(pipe, 0600), 0);
    storage_t storage = SURVEY();
    cr_expect_eq(storage.status, 1);
    cr_expect_not_null(line_with(&storage, "path", "SERVICES/PACS/AE/link"));
    cr_expect_not_null(line_with(&storage, "path", "SERVICES/PACS/AE/p/s/x/0001-1.dcm"));
    cr_expect_not_null(line_with(&storage, "path", "SERVICES/PACS/AE/p/s/x/0002-2.dcm"));
    cr_expect_eq(storage.count, 3);
    forget(&storage);
    free(link);
    free(file);
    free(pipe);
    free(target);
    free(target_file);
}

Test(survey, changes_nothing_in_storage_and_needs_no_run_folder) {
    write_instance("SERVICES/PACS/AE/p/s/x/0001-1.dcm", EXPLICIT_LE, SERIES "1", 1);
    setenv("OXIDICOM_RUN_DIR", "/nonexistent", 1);
    storage_t storage = SURVEY();
    cr_expect_eq(storage.status, 0);
    char *hidden = text_of("%s/.oxidicom", root);
    cr_expect_neq(access(hidden, F_OK), 0, "it made a folder");
    forget(&storage);
    free(hidden);
}
