/* Sends every association of tests/vectors/cases.json and compares the result with the expected one: statuses,
 * files bit for bit, registrations and their envelope, progress messages. */
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/ring/cases.h"
#include "tests/support/certificates.h"

#define FILES    16
#define SUBJECTS 16
#define CALM_MS  150 /* surplus messages would come now */

/* One case under way. */
typedef struct run {
    json_t *wanted; /* its "expect" */
    bytes_t sets[CASE_OBJECTS];
    size_t objects;
    json_t *statuses; /* array of hex */
    json_t *tasks;    /* array of keyword arguments */
    char *complaints;
    size_t complaints_size;
    FILE *complain;
} run_t;

static const char *text_in(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* --- registrations --------------------------------------------------------------------------------------- */

static void check_envelope(run_t *run, const delivered_t *task) {
    static const char *const headers[] = {"lang",      "root_id",  "parent_id",  "retries", "eta",    "expires",
                                          "timelimit", "argsrepr", "kwargsrepr", "origin",  "shadow", "group"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (!json_object_get(task->headers, headers[i]))
            fprintf(run->complain, "no header %s; ", headers[i]);
    const char *name = text_in(task->headers, "task"), *id = text_in(task->headers, "id");
    const char *correlation = text_in(task->properties, "correlation_id");
    if (!name || strcmp(name, "pacsfiles.tasks.register_pacs_series") != 0)
        fputs("wrong task name; ", run->complain);
    if (!id || strlen(id) != 36 || !correlation || strcmp(id, correlation) != 0)
        fputs("wrong id or correlation_id; ", run->complain);
    const char *type = text_in(task->properties, "content_type"),
               *encoding = text_in(task->properties, "content_encoding");
    if (!type || strcmp(type, "application/json") != 0 || !encoding || strcmp(encoding, "utf-8") != 0 ||
        json_integer_value(json_object_get(task->properties, "delivery_mode")) != 2)
        fputs("wrong content type, encoding or delivery mode; ", run->complain);
    const json_t *embed = json_array_get(task->body, 2);
    if (json_array_size(json_array_get(task->body, 0)) != 0 || json_object_size(embed) != 4)
        fputs("wrong body; ", run->complain);
}

static void take_tasks(run_t *run, queue_t *queue) {
    delivered_t task;
    while (queue_take(queue, &task)) {
        check_envelope(run, &task);
        json_array_append(run->tasks, json_array_get(task.body, 1));
        delivered_clear(&task);
    }
}

static const json_t *task_of_series(const json_t *tasks, const char *uid) {
    size_t i;
    json_t *task;
    json_array_foreach(tasks, i, task) if (strcmp(text_in(task, "SeriesInstanceUID"), uid) == 0) return task;
    return NULL;
}

static void compare_tasks(run_t *run) {
    json_t *wanted = json_object_get(run->wanted, "tasks"), *task, *value;
    if (json_array_size(wanted) != json_array_size(run->tasks))
        fprintf(run->complain, "%zu registrations, expected %zu; ", json_array_size(run->tasks),
                json_array_size(wanted));
    size_t i;
    const char *key;
    json_array_foreach(wanted, i, task) {
        const json_t *got = task_of_series(run->tasks, text_in(task, "SeriesInstanceUID"));
        json_object_foreach(task, key, value) if (got && !json_equal(value, json_object_get(got, key)))
            fprintf(run->complain, "%s differs; ", key);
    }
}

/* --- progress -------------------------------------------------------------------------------------------- */

/* Whether the messages so far are the expected ones; prints the difference with `complain`. */
static bool compare_lonk(const run_t *run, tap_t *tap, FILE *complain) {
    lonk_summary_t got[SUBJECTS];
    size_t count = tap_summarize(tap, got, SUBJECTS);
    const json_t *wanted = json_object_get(run->wanted, "lonk");
    bool same = count == json_object_size(wanted);
    if (!same && complain)
        fprintf(complain, "%zu subjects, expected %zu; ", count, json_object_size(wanted));
    for (size_t i = 0; i < count; i++) {
        const json_t *w = json_object_get(wanted, got[i].subject), *last = json_object_get(w, "last_count");
        bool right = w && (json_is_null(last) ? -1 : json_integer_value(last)) == got[i].last_count &&
                     json_integer_value(json_object_get(w, "errors")) == got[i].errors &&
                     json_integer_value(json_object_get(w, "done")) == got[i].dones && !got[i].disorder;
        if (!right && complain)
            fprintf(complain, "%s: count %lld, %d errors, %d dones%s%s; ", got[i].subject,
                    (long long)got[i].last_count, got[i].errors, got[i].dones, got[i].disorder ? ", " : "",
                    got[i].disorder ? got[i].disorder : "");
        same = same && right;
    }
    return same;
}

/* Waits until all expected ones have arrived, and for surplus ones. */
static void await_calm(run_t *run, tap_t *tap, queue_t *queue) {
    size_t tasks = json_array_size(json_object_get(run->wanted, "tasks"));
    int64_t end = clock_ms() + PATIENCE_MS, calm_since = 0;
    while (clock_ms() < end && (calm_since == 0 || clock_ms() - calm_since < CALM_MS)) {
        take_tasks(run, queue);
        bool arrived = json_array_size(run->tasks) == tasks && compare_lonk(run, tap, NULL);
        if (!arrived)
            calm_since = 0;
        else if (calm_since == 0)
            calm_since = clock_ms();
        usleep(5000);
    }
    compare_lonk(run, tap, run->complain);
    compare_tasks(run);
}

/* --- files ----------------------------------------------------------------------------------------------- */

static struct {
    char *paths[FILES];
    size_t count;
} found;

static int find_file(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)s;
    (void)ftw;
    if (type == FTW_F && !strstr(path, "/.oxidicom/") && found.count < FILES)
        found.paths[found.count++] = strdup(path);
    return 0;
}

/* The same instance sent twice may be kept from either sending. */
static bool is_data_set_of(const run_t *run, const bytes_t *set, size_t object) {
    return object < run->objects && set->size == run->sets[object].size &&
           memcmp(set->at, run->sets[object].at, set->size) == 0;
}

static void check_file(run_t *run, const char *root, const char *path) {
    const json_t *files = json_object_get(run->wanted, "files"), *wanted = NULL;
    for (size_t i = 0; i < json_array_size(files); i++)
        if (strcmp(text_in(json_array_get(files, i), "path"), path + strlen(root) + 1) == 0)
            wanted = json_array_get(files, i);
    if (!wanted) {
        fprintf(run->complain, "unexpected file %s; ", path);
        return;
    }
    size_t size, object = (size_t)json_integer_value(json_object_get(wanted, "data_set_of_object"));
    char syntax[65], *content = file_content(path, &size);
    bytes_t set = part10_data_set(content, size, syntax);
    bool same = false;
    for (size_t i = 0; i < run->objects; i++)
        same |= is_data_set_of(run, &set, i) && is_data_set_of(run, &run->sets[i], object);
    if (!same)
        fprintf(run->complain, "wrong data set in %s; ", path);
    if (strcmp(syntax, text_in(wanted, "transfer_syntax")) != 0)
        fprintf(run->complain, "transfer syntax %s; ", syntax);
    free(content);
}

static void compare_files(run_t *run, const char *folder, const char *root) {
    found.count = 0;
    nftw(folder, find_file, 32, FTW_PHYS);
    for (size_t i = 0; i < found.count; i++) {
        if (strncmp(found.paths[i], root, strlen(root)) == 0 && found.paths[i][strlen(root)] == '/')
            check_file(run, root, found.paths[i]);
        free(found.paths[i]);
    }
    if (found.count != json_array_size(json_object_get(run->wanted, "files")) + 1) /* and the log */
        fprintf(run->complain, "%zu files; ", found.count);
}

/* --- the run --------------------------------------------------------------------------------------------- */

static bool run_case(const json_t *the_case, receiver_t *receiver, tap_t *tap, queue_t *queue) {
    run_t run = {.wanted = json_object_get(the_case, "expect"), .statuses = json_array(), .tasks = json_array()};
    run.complain = open_memstream(&run.complaints, &run.complaints_size);
    if (!case_send(the_case, receiver->port, run.sets, &run.objects, run.statuses))
        fputs("the association was not released; ", run.complain);
    if (!json_equal(run.statuses, json_object_get(run.wanted, "statuses")))
        fprintf(run.complain, "statuses %s; ", json_dumps(run.statuses, JSON_COMPACT));
    await_calm(&run, tap, queue);
    compare_files(&run, receiver->folder, receiver->root);
    fclose(run.complain);
    bool right = run.complaints_size == 0;
    if (!right)
        fprintf(stderr, "%s: %s\n", text_in(the_case, "name"), run.complaints);
    free(run.complaints);
    for (size_t i = 0; i < run.objects; i++)
        bytes_free(&run.sets[i]);
    json_decref(run.statuses);
    json_decref(run.tasks);
    tap_clear(tap);
    char *services = text_of("%s/SERVICES", receiver->root);
    remove_folder(services);
    free(services);
    return right;
}

/* `tls_port`: 0, or a port that the receiver of `settings` serves with TLS. */
static void run_all(const char *queue_name, int tls_port, const char *const *settings) {
    json_t *cases = cases_load(), *the_case;
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), queue_name);
    /* A server of its own: other tests, which run at the same time, must not be heard. */
    nats_server_t nats;
    nats_server_start(&nats, 0);
    tap_t *tap = tap_new(nats.port);
    char *nats_url = text_of("127.0.0.1:%d", nats.port);
    char *state = text_of("/tmp/oxi-vectors-state-%d", (int)getpid());
    const char *all[32] = {"OXIDICOM_SCP_PROMISCUOUS", "true", "OXIDICOM_NATS_ADDRESS", nats_url,
                           "OXIDICOM_STATE_DIR",       state,  "OXIDICOM_RUN_DIR",      state,
                           "OXIDICOM_DONE_DELAY",      "0s"};
    for (size_t i = 0; settings && settings[i]; i++)
        all[10 + i] = settings[i];
    ring_start(&receiver, queue_name, all);
    cr_assert(receiver_logged(&receiver, "connected to NATS", PATIENCE_MS)); /* earlier messages are lost */
    if (tls_port)
        receiver.port = tls_port;
    size_t i;
    int failed = 0;
    json_array_foreach(cases, i, the_case) failed += !run_case(the_case, &receiver, tap, queue);
    cr_assert_eq(receiver_stop(&receiver), 0);
    size_t size;
    char *log = file_content(receiver.log, &size);
    cr_assert(log && strstr(log, " info "));
    cr_expect_eq(cases_patients_in(cases, "the log", log, size), 0);
    free(log);
    tap_destroy(&tap);
    nats_server_stop(&nats);
    free(nats_url);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    remove_folder(state);
    free(state);
    json_decref(cases);
    cr_assert_eq(failed, 0, "%d of 304 cases", failed);
}

Test(vectors, every_association_is_received_as_expected, .timeout = PATIENCE_S) {
    run_all("vectors", 0, NULL);
}

Test(vectors, every_association_over_tls_is_received_as_expected, .timeout = PATIENCE_S) {
    char *folder = temporary_folder("vectors-tls"), *ca = text_of("%s/ca.crt", folder);
    char *certificate = text_of("%s/site.crt", folder), *key = text_of("%s/site.key", folder);
    int port = free_port();
    char *port_text = text_of("%d", port);
    certificates_ca(folder, "ca");
    certificates_issue(folder, "ca", "site", KEY_RSA);
    scu_use_tls(certificate, key, ca);
    run_all("vectors-tls", port,
            (const char *const[]){"OXIDICOM_TLS_PORT", port_text, "OXIDICOM_TLS_CERTIFICATE", certificate,
                                  "OXIDICOM_TLS_KEY", key, "OXIDICOM_TLS_CA", ca, "OXIDICOM_LISTENER_PORT", "0",
                                  NULL});
    remove_folder(folder);
    free(folder);
    free(ca);
    free(certificate);
    free(key);
    free(port_text);
}
