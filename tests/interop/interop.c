#include "tests/interop/interop.h"

#include <criterion/hooks.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/servers.h"

#define FOUND_MAX 64

/* --- the shared servers -------------------------------------------------------------------------------------- */

/* Criterion runs each test in a process of its own, so that addresses go through the environment. */
static receiver_t receiver;
static nats_server_t nats;
static char *shared;

static void export_number(const char *name, int number) {
    char *text = text_of("%d", number);
    setenv(name, text, 1);
    free(text);
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests) {
    (void)tests;
    shared = temporary_folder("interop");
    nats_server_start(&nats, 0);
    char *nats_address = text_of("127.0.0.1:%d", nats.port);
    receiver_prepare(&receiver);
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_NATS_ADDRESS", nats_address, "OXIDICOM_WRITERS", "2",
                                                    "OXIDICOM_PROGRESS_INTERVAL", "10ms", NULL});
    free(nats_address);
    export_number("INTEROP_PORT", receiver.port);
    export_number("INTEROP_NATS", nats.port);
    setenv("INTEROP_RECEIVER", receiver.folder, 1);
    setenv("INTEROP_SHARED", shared, 1);
    orthanc_start(shared, receiver.port);
    pynetdicom_install(shared);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats) {
    (void)stats;
    orthanc_stop();
    receiver_clear(&receiver);
    nats_server_stop(&nats);
    remove_folder(shared);
    free(shared);
}

static const char *exported(const char *name) {
    const char *text = getenv(name);
    cr_assert_not_null(text, "%s", name);
    return text;
}

int receiver_port(void) {
    return atoi(exported("INTEROP_PORT"));
}

const char *receiver_port_text(void) {
    return exported("INTEROP_PORT");
}

const char *shared_folder(void) {
    return exported("INTEROP_SHARED");
}

/* --- running tools ------------------------------------------------------------------------------------------- */

char *run_for_text(const char *const *argv) {
    size_t size;
    char *folder = temporary_folder("output"), *log = text_of("%s/log", folder);
    int status = process_run(log, NULL, argv, PATIENCE_MS);
    char *output = file_content(log, &size);
    remove_folder(folder);
    free(folder);
    free(log);
    cr_assert_eq(status, 0, "%s ended with %d:\n%s", argv[0], status, output);
    return output;
}

void run_sender(const char *const *argv) {
    free(run_for_text(argv));
}

json_t *run_for_json(const char *const *argv) {
    char *output = run_for_text(argv);
    json_t *json = json_loads(output, 0, NULL);
    cr_assert_not_null(json, "%s", output);
    free(output);
    return json;
}

/* --- associations -------------------------------------------------------------------------------------------- */

void expect_contexts(const char *calling_ae, int count) {
    size_t size;
    char *path = text_of("%s/log", exported("INTEROP_RECEIVER")), *log = file_content(path, &size);
    char *who = text_of(": %s at ", calling_ae);
    char *outcome = text_of(": %d of %d presentation contexts accepted", count, count);
    char *line = strstr(log, who), *end = line ? strchr(line, '\n') : NULL;
    cr_assert_not_null(end, "no association of %s", calling_ae);
    *end = 0;
    cr_assert_not_null(strstr(line, outcome), "%s", line);
    free(path);
    free(log);
    free(who);
    free(outcome);
}

/* --- files --------------------------------------------------------------------------------------------------- */

/* The Part 10 files below a folder. */
typedef struct files {
    char *paths[FOUND_MAX];
    size_t count;
} files_t;

static files_t *filling;

static int find_file(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)s;
    (void)ftw;
    if (type == FTW_F && filling->count < FOUND_MAX)
        filling->paths[filling->count++] = strdup(path);
    return 0;
}

static files_t files_below(const char *folder) {
    files_t files = {.count = 0};
    filling = &files;
    nftw(folder, find_file, 32, FTW_PHYS);
    return files;
}

static void files_free(files_t *files) {
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
}

/* A data set out of a file, as sent: a deflated one is padded to an even length (PS3.5 A.5), which dcmconv leaves
 * undone in its files. */
typedef struct data_set {
    char *content;
    bytes_t set;
    char syntax[65];
} data_set_t;

static data_set_t data_set_of(const char *path) {
    size_t size;
    data_set_t d = {.content = file_content(path, &size)};
    d.set = part10_data_set(d.content, size, d.syntax);
    cr_assert_not_null(d.set.at, "%s is no Part 10 file", path);
    if (strcmp(d.syntax, DEFLATED_LE) == 0 && d.set.size % 2)
        d.set.size++; /* the NUL that file_content puts behind the last byte */
    return d;
}

static bool same_as(const char *path, const char *other) {
    data_set_t a = data_set_of(path), b = data_set_of(other);
    bool same =
        strcmp(a.syntax, b.syntax) == 0 && a.set.size == b.set.size && memcmp(a.set.at, b.set.at, a.set.size) == 0;
    free(a.content);
    free(b.content);
    return same;
}

static void expect_files(const series_t *series, const char *calling_ae, const char *syntax) {
    char *folder = text_of("%s/root/SERVICES/PACS/%s", exported("INTEROP_RECEIVER"), calling_ae);
    files_t sent = files_below(series->folder), stored = files_below(folder);
    cr_assert_eq(sent.count, SLICES);
    cr_assert_eq(stored.count, SLICES, "%zu files in %s", stored.count, folder);
    for (size_t i = 0; i < sent.count; i++) {
        size_t found = 0;
        for (size_t j = 0; j < stored.count; j++)
            found += same_as(sent.paths[i], stored.paths[j]);
        cr_assert_eq(found, 1, "%s is stored %zu times as it was sent", sent.paths[i], found);
        data_set_t d = data_set_of(sent.paths[i]);
        cr_assert(!syntax || strcmp(d.syntax, syntax) == 0, "%s has transfer syntax %s", sent.paths[i], d.syntax);
        free(d.content);
    }
    files_free(&sent);
    files_free(&stored);
    free(folder);
}

/* --- registrations ------------------------------------------------------------------------------------------- */

/* The keyword arguments of a message on the queue in a folder; NULL if it is gone, or not there yet. */
static json_t *arguments_of(const char *path) {
    json_t *message = json_load_file(path, 0, NULL);
    const char *body = json_string_value(json_object_get(message, "body"));
    json_t *arguments = NULL;
    if (body) {
        size_t length = strlen(body);
        unsigned char *text = malloc(length + 1);
        int size = EVP_DecodeBlock(text, (const unsigned char *)body, (int)length);
        for (size_t i = length; i > 0 && body[i - 1] == '='; i--)
            size--;
        json_t *task = size < 0 ? NULL : json_loadb((char *)text, (size_t)size, 0, NULL);
        arguments = json_incref(json_array_get(task, 1));
        json_decref(task);
        free(text);
    }
    json_decref(message);
    return arguments;
}

/* Registrations of one series so far. */
typedef struct registrations {
    const char *series_uid;
    int count;
    json_int_t ndicom; /* of the last one seen */
} registrations_t;

static bool is_registered(void *argument) {
    registrations_t *r = argument;
    char *queue = text_of("%s/queue", exported("INTEROP_RECEIVER"));
    files_t messages = files_below(queue);
    r->count = 0;
    for (size_t i = 0; i < messages.count; i++) {
        json_t *arguments = arguments_of(messages.paths[i]);
        const char *uid = json_string_value(json_object_get(arguments, "SeriesInstanceUID"));
        if (uid && strcmp(uid, r->series_uid) == 0) {
            r->count++;
            r->ndicom = json_integer_value(json_object_get(arguments, "ndicom"));
        }
        json_decref(arguments);
    }
    files_free(&messages);
    free(queue);
    return r->count > 0;
}

static void expect_registered(const series_t *series) {
    registrations_t r = {.series_uid = series->uid};
    cr_assert(await(is_registered, &r, PATIENCE_MS), "%s is not registered", series->uid);
    cr_assert_eq(r.count, 1, "%s is registered %d times", series->uid, r.count);
    cr_assert_eq(r.ndicom, SLICES, "%lld files registered", (long long)r.ndicom);
}

/* --- series -------------------------------------------------------------------------------------------------- */

static void read_series_uid(series_t *series) {
    static const char tag[] = {0x20, 0, 0x0E, 0, 'U', 'I'};
    char *path = text_of("%s/0001.dcm", series->folder);
    data_set_t d = data_set_of(path);
    const char *found = memmem(d.set.at, d.set.size, tag, sizeof tag);
    cr_assert_not_null(found);
    snprintf(series->uid, sizeof series->uid, "%.*s", (uint8_t)found[6], found + 8);
    free(d.content);
    free(path);
}

static void convert(const char *folder, const char *tool, const char *option) {
    for (int i = 1; i <= SLICES; i++) {
        char *path = text_of("%s/%04d.dcm", folder, i);
        run_sender((const char *const[]){tool, option, path, path, NULL});
        free(path);
    }
}

series_t series_new(const char *tool, const char *option) {
    series_t series = {.folder = temporary_folder("phantom"), .tap = tap_new(atoi(exported("INTEROP_NATS")))};
    char *phantom = text_of("%s/../demo/phantom", binaries()), *slices = text_of("%d", SLICES);
    run_sender((const char *const[]){phantom, series.folder, slices, NULL});
    free(phantom);
    free(slices);
    read_series_uid(&series);
    if (tool)
        convert(series.folder, tool, option);
    return series;
}

void series_clear(series_t *series) {
    tap_destroy(&series->tap);
    remove_folder(series->folder);
    free(series->folder);
}

static void expect_reported(const series_t *series, const char *calling_ae) {
    char *subject = text_of("oxidicom.%s.%s", calling_ae, series->uid);
    for (char *c = strchr(subject, '.') + strlen(calling_ae) + 2; *c; c++)
        if (*c == '.')
            *c = '_';
    cr_assert(tap_await_done(series->tap, subject, 1, PATIENCE_MS), "no end of %s is reported", subject);
    lonk_summary_t lonk = tap_summary_of(series->tap, subject);
    cr_assert_eq(lonk.last_count, SLICES);
    cr_assert_eq(lonk.errors, 0);
    cr_assert_eq(lonk.dones, 1);
    cr_assert_null(lonk.disorder, "%s", lonk.disorder);
    free(subject);
}

void expect_received(series_t *series, const char *calling_ae, const char *syntax) {
    expect_reported(series, calling_ae);
    expect_files(series, calling_ae, syntax);
    expect_registered(series);
}
