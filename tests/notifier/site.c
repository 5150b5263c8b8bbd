#include "tests/notifier/site.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/stage.h"
#include "tests/support/receiver.h"

static char *folder_in(site_t *site, const char *name) {
    char *path = text_of("%s/%s", site->folder, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    return path;
}

void site_set_up(site_t *site) {
    *site = (site_t){.folder = temporary_folder("notifier")};
    site->root = folder_in(site, "root");
    site->tasks = text_of("%s/tasks", site->folder);
    char *run = folder_in(site, "run"), *endpoint = stage_endpoint(run, "listener");
    zsys_handler_set(NULL);
    site->inbox = zsock_new(ZMQ_PULL);
    zsock_set_rcvhwm(site->inbox, 0);
    cr_assert_geq(zsock_bind(site->inbox, "%s", endpoint), 0);
    site->notifier_inbox = ring_outbox_new(run, "notifier", 0);
    freen(endpoint);
    free(run);
}

void site_tear_down(site_t *site) {
    site_kill(site);
    zsock_destroy(&site->inbox);
    zsock_destroy(&site->notifier_inbox);
    remove_folder(site->folder);
    free(site->folder);
    free(site->root);
    free(site->tasks);
    free(site->broker);
    free(site->nats);
}

void site_start(site_t *site) {
    char *program = text_of("%s/oxidicom-notifier", binaries()), *log = text_of("%s/log", site->folder);
    char *run = text_of("%s/run", site->folder), *state = text_of("%s/state", site->folder);
    char *broker = site->broker ? strdup(site->broker) : text_of("filesystem://%s", site->tasks);
    const char *environment[64] = {"OXIDICOM_FILES_ROOT",
                                   site->root,
                                   "OXIDICOM_AMQP_ADDRESS",
                                   broker,
                                   "OXIDICOM_RUN_DIR",
                                   run,
                                   "OXIDICOM_STATE_DIR",
                                   state,
                                   "OXIDICOM_NATS_ADDRESS",
                                   site->nats,
                                   "OXIDICOM_PROGRESS_INTERVAL",
                                   "50ms",
                                   "RUST_LOG",
                                   "oxidicom=debug",
                                   "OXIDICOM_DRAIN_TIMEOUT",
                                   site->drain_timeout ? site->drain_timeout : "10s"};
    for (size_t i = 0, end = 16; site->more && site->more[i]; i++)
        environment[end++] = site->more[i];
    site->notifier = process_start(log, environment, (const char *const[]){program, NULL});
    uint64_t before = site->notifier_incarnation;
    for (int64_t end = clock_ms() + PATIENCE_MS; site->notifier_incarnation == before && clock_ms() < end;)
        site_listen(site, 10);
    cr_assert_neq(site->notifier_incarnation, before, "the notifier does not say that it lives, see %s", log);
    free(program);
    free(log);
    free(run);
    free(state);
    free(broker);
}

void site_kill(site_t *site) {
    process_stop(site->notifier, SIGKILL, PATIENCE_MS);
    site->notifier = 0;
}

int site_terminate(site_t *site, int64_t ms) {
    int status;
    kill(site->notifier, SIGTERM);
    kill(site->notifier, SIGCONT); /* where it was stopped it hears of both at once */
    bool ended = process_wait(site->notifier, ms, &status);
    if (!ended)
        return -1;
    site->notifier = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- what the test says ---------------------------------------------------------------------------------- */

void site_send_alive(site_t *site, uint64_t listener) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = RING__STAGE__STAGE_LISTENER;
    alive.id = (char[]){"listener"};
    alive.incarnation = listener;
    cr_assert_eq(ring_send(site->notifier_inbox, &RING_ENVELOPE(ALIVE, alive, &alive)), 0);
}

static void write_file(site_t *site, const Ring__Stored *stored) {
    char *path = text_of("%s/%s/%s", site->root, stored->series->folder, stored->objects[0]->file);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fclose(file);
    free(path);
}

void site_send_event(site_t *site, const event_t *event) {
    event_message_t message;
    event_fill(&message, event);
    if (event->status) {
        cr_assert_eq(ring_send(site->notifier_inbox, &RING_ENVELOPE(REFUSED, refused, &message.refused)), 0);
        return;
    }
    write_file(site, &message.stored);
    cr_assert_eq(ring_send(site->notifier_inbox, &RING_ENVELOPE(STORED, stored, &message.stored)), 0);
}

void site_send_last(site_t *site, const event_t *event) {
    event_t again = *event;
    char *item = text_of("opened:%llu", (unsigned long long)(event->association ? event->association : 1));
    int before = site_told(site, item);
    again.attempt = 2;
    site_send_event(site, &again);
    for (int64_t end = clock_ms() + PATIENCE_MS; site_told(site, item) == before && clock_ms() < end;)
        site_listen(site, 5);
    cr_assert_gt(site_told(site, item), before, "%s is not told", item);
    free(item);
}

void site_send_end(site_t *site, uint64_t listener, uint64_t association) {
    Ring__AssociationEnded ended = RING__ASSOCIATION_ENDED__INIT;
    ended.listener = listener;
    ended.association = association;
    ended.ending = RING__ENDING__ENDING_RELEASED;
    cr_assert_eq(ring_send(site->notifier_inbox, &RING_ENVELOPE(ASSOCIATION_ENDED, association_ended, &ended)), 0);
}

void site_send_series(site_t *site, const char *series) {
    char folder[128], item[32];
    uint64_t number = ++site->last_series;
    snprintf(folder, sizeof folder, "SERVICES/PACS/RAWSCU/p/s/%s", series);
    site_send_event(site, EVENT(.object = number, .association = number, .series = series, .folder = folder));
    site_send_end(site, 1, number);
    snprintf(item, sizeof item, "ended:%llu", (unsigned long long)number);
    cr_assert(site_await_told(site, item));
}

/* --- what the notifier says ------------------------------------------------------------------------------ */

static void note(site_t *site, const char *what, uint64_t association) {
    size_t at = strlen(site->told);
    at += (size_t)snprintf(site->told + at, sizeof site->told - at, " %s:%llu ", what,
                           (unsigned long long)association);
    cr_assert_lt(at, sizeof site->told);
}

static void note_all(site_t *site, const Ring__Envelope *envelope) {
    if (envelope->body_case == RING__ENVELOPE__BODY_OPENED)
        for (size_t i = 0; i < envelope->opened->n_openings; i++)
            note(site, "opened", envelope->opened->openings[i]->association);
    if (envelope->body_case == RING__ENVELOPE__BODY_ACKNOWLEDGED)
        for (size_t i = 0; i < envelope->acknowledged->n_associations; i++)
            note(site, "ended", envelope->acknowledged->associations[i]);
}

void site_listen(site_t *site, int64_t ms) {
    zpoller_t *poller = zpoller_new(site->inbox, NULL);
    for (int64_t end = clock_ms() + ms; clock_ms() < end && zpoller_wait(poller, (int)ms);) {
        zframe_t *frame = zframe_recv(site->inbox);
        Ring__Envelope *envelope = ring_unpack(zframe_data(frame), zframe_size(frame));
        if (envelope->body_case == RING__ENVELOPE__BODY_ALIVE) {
            site->notifier_incarnation = envelope->alive->incarnation;
            site->journal = envelope->alive->journal;
        }
        note_all(site, envelope);
        ring__envelope__free_unpacked(envelope, NULL);
        zframe_destroy(&frame);
    }
    zpoller_destroy(&poller);
}

bool site_await_told(site_t *site, const char *item) {
    for (int64_t end = clock_ms() + PATIENCE_MS; !site_told(site, item) && clock_ms() < end;)
        site_listen(site, 5);
    return site_told(site, item) > 0;
}

int site_told(const site_t *site, const char *item) {
    char *wanted = text_of(" %s ", item);
    int count = 0;
    for (const char *at = site->told; (at = strstr(at, wanted)); at++)
        count++;
    free(wanted);
    return count;
}

typedef struct wanted {
    site_t *site;
    const char *text, *sql;
    int count;
} wanted_t;

static bool log_has(void *argument) {
    const wanted_t *wanted = argument;
    char *path = text_of("%s/log", wanted->site->folder);
    size_t size;
    char *content = file_content(path, &size);
    bool has = content && strstr(content, wanted->text);
    free(content);
    free(path);
    return has;
}

bool site_await_log(site_t *site, const char *text, int64_t ms) {
    return await(log_has, &(wanted_t){.site = site, .text = text}, ms);
}

/* --- tasks ------------------------------------------------------------------------------------------------ */

static int is_task(const struct dirent *entry) {
    return strstr(entry->d_name, ".main2.msg") != NULL;
}

int site_tasks(site_t *site) {
    struct dirent **names;
    int count = scandir(site->tasks, &names, is_task, alphasort);
    for (int i = 0; i < count; i++)
        free(names[i]);
    if (count >= 0)
        free(names);
    return count > 0 ? count : 0;
}

static bool has_tasks(void *argument) {
    const wanted_t *wanted = argument;
    return site_tasks(wanted->site) >= wanted->count;
}

bool site_await_tasks(site_t *site, int count, int64_t ms) {
    return await(has_tasks, &(wanted_t){.site = site, .count = count}, ms) && site_tasks(site) == count;
}

static int64_t ndicom_of(const char *path) {
    json_t *envelope = json_load_file(path, 0, NULL);
    cr_assert_not_null(envelope, "%s is not whole", path);
    const char *encoded = json_string_value(json_object_get(envelope, "body"));
    char *body = calloc(1, strlen(encoded) + 1);
    cr_assert_geq(EVP_DecodeBlock((unsigned char *)body, (const unsigned char *)encoded, (int)strlen(encoded)), 0);
    json_t *task = json_loads(body, JSON_DISABLE_EOF_CHECK, NULL);
    int64_t ndicom = json_integer_value(json_object_get(json_array_get(task, 1), "ndicom"));
    json_decref(task);
    json_decref(envelope);
    free(body);
    return ndicom;
}

int64_t site_take_task(site_t *site) {
    struct dirent **names;
    int count = scandir(site->tasks, &names, is_task, alphasort);
    if (count <= 0)
        return -1;
    char *path = text_of("%s/%s", site->tasks, names[0]->d_name);
    int64_t ndicom = ndicom_of(path);
    unlink(path);
    free(path);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return ndicom;
}

/* --- the journal ------------------------------------------------------------------------------------------ */

const char *site_query(site_t *site, const char *sql) {
    static char text[4096];
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    char *path = text_of("%s/state/journal.sqlite3", site->folder);
    text[0] = 0;
    cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, PATIENCE_MS);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    free(path);
    return text;
}

static bool query_gives(void *argument) {
    const wanted_t *wanted = argument;
    return strcmp(site_query(wanted->site, wanted->sql), wanted->text) == 0;
}

bool site_await_query(site_t *site, const char *sql, const char *wanted, int64_t ms) {
    return await(query_gives, &(wanted_t){.site = site, .sql = sql, .text = wanted}, ms);
}

void site_expect_state(site_t *site, const char *series, const char *state) {
    char *sql = text_of("SELECT state FROM reception WHERE series_uid = '%s'", series);
    cr_expect(site_await_query(site, sql, state, PATIENCE_MS), "%s is %s, not %s", series, site_query(site, sql),
              state);
    free(sql);
}
