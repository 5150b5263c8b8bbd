#include "tests/notifier/bench.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "notifier/journal/reception.h"
#include "notifier/progress/lonk.h"
#include "tests/support/process.h"

static void write_down(void *self, const char *subject, const void *payload, size_t size) {
    bench_t *bench = self;
    const uint8_t *bytes = payload;
    const char *last = strrchr(subject, '.') + 1;
    if (strcmp(subject, SUBJECT) == 0)
        last = "";
    if (bytes[0] == LONK_COUNT)
        fprintf(bench->said_file, "%s%scount %d\n", last, *last ? " " : "", bytes[1] | bytes[2] << 8);
    else if (bytes[0] == LONK_ERROR)
        fprintf(bench->said_file, "%s%serror: %.*s\n", last, *last ? " " : "", (int)size - 1, bytes + 1);
}

static void write_down_done(void *self, const char *subject, uint32_t count) {
    (void)count;
    bench_t *bench = self;
    bool other = strcmp(subject, SUBJECT) != 0;
    fprintf(bench->said_file, "%s%sdone\n", other ? strrchr(subject, '.') + 1 : "", other ? " " : "");
}

static void open_all(bench_t *bench) {
    cr_assert_eq(journal_open(&bench->journal, &bench->settings), 0);
    bench->batch = batch_new();
    bench->progress = progress_new("oxidicom", 0, (progress_sink_t){write_down, write_down_done, bench});
}

static void close_all(bench_t *bench) {
    batch_destroy(&bench->batch);
    progress_destroy(&bench->progress);
    journal_close(&bench->journal);
}

void bench_set_up(bench_t *bench) {
    *bench = (bench_t){.folder = temporary_folder("bench")};
    bench->settings.state_dir = text_of("%s/state", bench->folder);
    bench->settings.files_root = text_of("%s/root", bench->folder);
    cr_assert_eq(mkdir(bench->settings.files_root, 0700), 0);
    bench->said_file = open_memstream(&bench->said, &bench->said_size);
    zsys_handler_set(NULL);
    bench->acknowledgements = zsock_new_pull("@inproc://acknowledgements");
    bench->listener = zsock_new_push(">inproc://acknowledgements");
    open_all(bench);
}

void bench_tear_down(bench_t *bench) {
    close_all(bench);
    zsock_destroy(&bench->listener);
    zsock_destroy(&bench->acknowledgements);
    fclose(bench->said_file);
    free(bench->said);
    free(bench->settings.state_dir);
    free(bench->settings.files_root);
    remove_folder(bench->folder);
    free(bench->folder);
}

void bench_beat(bench_t *bench) {
    reception_end_quiet(&bench->journal, bench->batch);
    cr_assert_eq(bench_commit(bench), 0);
}

void bench_restart(bench_t *bench) {
    close_all(bench);
    open_all(bench);
}

void bench_event(bench_t *bench, const event_t *event) {
    event_message_t message;
    event_fill(&message, event);
    if (event->status)
        reception_on_refused(&bench->journal, bench->batch, &message.refused);
    else
        reception_on_stored(&bench->journal, bench->batch, &message.stored);
}

void bench_end(bench_t *bench, uint64_t listener, uint64_t association) {
    reception_on_association_ended(&bench->journal, bench->batch, listener, association);
}

int bench_commit(bench_t *bench) {
    reception_end_abandoned(&bench->journal, bench->batch);
    int status = journal_commit(&bench->journal);
    if (status == 0)
        batch_settle(bench->batch, bench->listener, bench->progress, 0);
    else
        batch_drop(bench->batch);
    return status;
}

const char *bench_said(bench_t *bench) {
    static char said[8192];
    fflush(bench->said_file);
    snprintf(said, sizeof said, "%s", bench->said);
    fclose(bench->said_file);
    free(bench->said);
    bench->said_file = open_memstream(&bench->said, &bench->said_size);
    return said;
}

static void describe(const Ring__Acknowledged *a, char *out, size_t size) {
    FILE *file = fmemopen(out, size, "w");
    if (a->listener != 1)
        fprintf(file, "@%llu ", (unsigned long long)a->listener);
    fputs("objects", file);
    for (size_t i = 0; i < a->n_objects; i++)
        fprintf(file, " %llu:%04X", (unsigned long long)a->objects[i]->object, a->objects[i]->status);
    fputs(" ends", file);
    for (size_t i = 0; i < a->n_associations; i++)
        fprintf(file, " %llu", (unsigned long long)a->associations[i]);
    fclose(file);
}

const char *bench_acknowledged(bench_t *bench) {
    static char text[4096];
    text[0] = 0;
    if (!(zsock_events(bench->acknowledgements) & ZMQ_POLLIN))
        return text;
    zframe_t *frame = zframe_recv(bench->acknowledgements);
    Ring__Envelope *envelope = ring_unpack(zframe_data(frame), zframe_size(frame));
    cr_assert_not_null(envelope);
    cr_assert_eq(envelope->body_case, RING__ENVELOPE__BODY_ACKNOWLEDGED);
    describe(envelope->acknowledged, text, sizeof text);
    ring__envelope__free_unpacked(envelope, NULL);
    zframe_destroy(&frame);
    return text;
}

const char *bench_query(bench_t *bench, const char *sql) {
    static char text[4096];
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(bench->journal.db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(bench->journal.db));
    text[0] = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        snprintf(text, sizeof text, "%s",
                 sqlite3_column_text(statement, 0) ? (const char *)sqlite3_column_text(statement, 0) : "NULL");
    sqlite3_finalize(statement);
    return text;
}

void bench_expect_said(bench_t *bench, const char *wanted) {
    cr_assert_eq(bench_commit(bench), 0);
    cr_expect_str_eq(bench_said(bench), wanted);
}

void bench_expect_acknowledged(bench_t *bench, const char *wanted) {
    cr_expect_str_eq(bench_acknowledged(bench), wanted);
}

void bench_expect_states(bench_t *bench, const char *wanted) {
    cr_expect_str_eq(
        bench_query(bench, "SELECT group_concat(state, ' ') FROM (SELECT state FROM reception ORDER BY id)"),
        wanted);
}
