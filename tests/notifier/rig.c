#include "tests/notifier/rig.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "notifier/cube/registration.h"
#include "notifier/journal/quiet.h"
#include "notifier/journal/reception.h"
#include "notifier/progress/lonk.h"
#include "tests/support/process.h"

static void write_down(void *self, const char *subject, const void *payload, size_t size) {
    rig_t *rig = self;
    const uint8_t *bytes = payload;
    const char *last = strrchr(subject, '.') + 1;
    if (strcmp(subject, SUBJECT) == 0)
        last = "";
    if (bytes[0] == LONK_COUNT)
        fprintf(rig->said_file, "%s%scount %d\n", last, *last ? " " : "", bytes[1] | bytes[2] << 8);
    else if (bytes[0] == LONK_ERROR)
        fprintf(rig->said_file, "%s%serror: %.*s\n", last, *last ? " " : "", (int)size - 1, bytes + 1);
}

static bool write_down_done(void *self, const lonk_final_t *final) {
    rig_t *rig = self;
    for (size_t at = 0; at < final->errors_size; at += strlen(final->errors + at) + 1) {
        size_t size;
        uint8_t *error = lonk_error(final->errors + at, &size);
        write_down(rig, final->subject, error, size);
        free(error);
    }
    bool other = strcmp(final->subject, SUBJECT) != 0;
    fprintf(rig->said_file, "%s%sdone\n", other ? strrchr(final->subject, '.') + 1 : "", other ? " " : "");
    rig->said_to_be_done[rig->said_to_be_done_count++] = final->reception;
    return true;
}

/* As if NATS took all at once, or nothing. */
static void say_dones(rig_t *rig) {
    dones_pump(rig->dones);
    while (rig->said_to_be_done_count > 0 && !rig->takes_nothing)
        dones_on_taken(rig->dones, rig->said_to_be_done[--rig->said_to_be_done_count]);
    dones_pump(rig->dones);
}

typedef struct names {
    const char *folder;
    uint64_t at[10000];
    size_t count;
} names_t;

static void take_name(void *argument, const char *name) {
    names_t *names = argument;
    cr_assert_lt(names->count, sizeof names->at / sizeof *names->at);
    names->at[names->count++] = heard_name(names->folder, name);
}

void rig_count_left_open(rig_t *rig) {
    static names_t names;
    int64_t reception;
    for (char *folder; (folder = reception_next_uncounted(&rig->journal, &reception)); free(folder)) {
        names = (names_t){.folder = folder};
        cr_assert_eq(registration_list_files(rig->settings.files_root, folder, take_name, &names), 0);
        heard_counted(rig->journal.heard, reception, names.at, names.count);
    }
}

static int64_t never_interrupted(void *self) {
    (void)self;
    return -1; /* its clock begins at 0 */
}

static void open_all(rig_t *rig) {
    cr_assert_eq(journal_open(&rig->journal, &rig->settings), 0);
    quiet_resume(&rig->journal);
    reception_load(&rig->journal);
    rig_count_left_open(rig);
    rig->owed = owed_new(rig->journal.id, NULL);
    rig->progress =
        progress_new("oxidicom", 0, (progress_sink_t){write_down, write_down_done, never_interrupted, rig});
    rig->dones = dones_new(&rig->journal, rig->progress, RIG_DONE_DELAY_MS);
}

static void close_all(rig_t *rig) {
    owed_destroy(&rig->owed);
    dones_end(&rig->dones);
    progress_destroy(&rig->progress);
    journal_close(&rig->journal);
}

void rig_set_up(rig_t *rig) {
    *rig = (rig_t){.folder = temporary_folder("rig")};
    rig->settings.state_dir = text_of("%s/state", rig->folder);
    rig->settings.nats_address = (char *)"127.0.0.1"; /* nobody connects to it */
    rig->settings.files_root = text_of("%s/root", rig->folder);
    cr_assert_eq(mkdir(rig->settings.files_root, 0700), 0);
    rig->said_file = open_memstream(&rig->said, &rig->said_size);
    zsys_handler_set(NULL);
    rig->told = zsock_new_pull("@inproc://told");
    rig->listener = zsock_new_push(">inproc://told");
    open_all(rig);
}

void rig_tear_down(rig_t *rig) {
    close_all(rig);
    zsock_destroy(&rig->listener);
    zsock_destroy(&rig->told);
    fclose(rig->said_file);
    free(rig->said);
    free(rig->settings.state_dir);
    free(rig->settings.files_root);
    remove_folder(rig->folder);
    free(rig->folder);
}

void rig_beat(rig_t *rig) {
    rig_count_left_open(rig);
    reception_end_overdue(&rig->journal, rig->owed);
    reception_end_waits(&rig->journal, rig->owed);
    cr_assert_eq(rig_commit(rig), 0);
}

void rig_restart(rig_t *rig) {
    close_all(rig);
    rig->said_to_be_done_count = 0;
    open_all(rig);
}

static void write_file(rig_t *rig, const Ring__Stored *stored) {
    char *path = text_of("%s/%s/%s", rig->settings.files_root, stored->series->folder, stored->objects[0]->file);
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

void rig_event(rig_t *rig, const event_t *event) {
    event_message_t message;
    event_fill(&message, event);
    if (event->status) {
        reception_on_refused(&rig->journal, rig->owed, &message.refused);
        return;
    }
    write_file(rig, &message.stored);
    reception_on_stored(&rig->journal, rig->owed, &message.stored);
}

void rig_end_of(rig_t *rig, const event_t *event, uint64_t answered, uint64_t refused) {
    Ring__Answered series = RING__ANSWERED__INIT, *all[] = {&series};
    Ring__AssociationEnded ended = RING__ASSOCIATION_ENDED__INIT;
    series.token = event_token(event);
    series.objects = answered;
    ended.listener = event->listener ? event->listener : 1;
    ended.association = event->association ? event->association : 1;
    ended.answered = all;
    ended.n_answered = 1;
    ended.refused = refused;
    ended.ending = RING__ENDING__ENDING_RELEASED;
    reception_on_association_ended(&rig->journal, rig->owed, &ended);
}

void rig_end(rig_t *rig, uint64_t listener, uint64_t association) {
    rig_end_as(rig, listener, association, RING__ENDING__ENDING_RELEASED);
}

void rig_end_as(rig_t *rig, uint64_t listener, uint64_t association, Ring__Ending ending) {
    Ring__AssociationEnded ended = RING__ASSOCIATION_ENDED__INIT;
    ended.listener = listener;
    ended.association = association;
    ended.ending = ending;
    reception_on_association_ended(&rig->journal, rig->owed, &ended);
}

int rig_commit(rig_t *rig) {
    reception_end_abandoned(&rig->journal, rig->owed);
    int status = journal_commit(&rig->journal);
    if (status == 0)
        owed_tell(rig->owed, rig->listener, rig->progress, 0);
    else
        owed_drop(rig->owed);
    say_dones(rig);
    return status;
}

void rig_merge(rig_t *rig, int64_t older, int64_t newer) {
    journal_run(&rig->journal, SQL_DUE_TAKE_SERIES, VALUES(NUMBER(newer), NUMBER(older)));
    journal_run(&rig->journal, SQL_DUE_MERGE, VALUES(NUMBER(older), NUMBER(newer), NUMBER(journal_now())));
    journal_run(&rig->journal, SQL_ERRORS_PASS_ON, VALUES(NUMBER(newer)));
    journal_run(&rig->journal, SQL_DONES_PASS_ON, VALUES(NUMBER(newer)));
}

void rig_confirm(rig_t *rig) {
    while (strcmp(rig_query(rig, "SELECT count(*) FROM reception WHERE state = 'due'"), "0") != 0) {
        int64_t id = strtoll(rig_query(rig, "SELECT min(id) FROM reception WHERE state = 'due'"), NULL, 10);
        int64_t now = journal_now();
        journal_run(&rig->journal, SQL_DUE_REGISTERED,
                    VALUES(NUMBER(id), NUMBER(now), TEXT("task"), NUMBER(1), NUMBER(now)));
        cr_assert_eq(journal_commit(&rig->journal), 0);
    }
    say_dones(rig);
}

const char *rig_said(rig_t *rig) {
    static char said[8192];
    fflush(rig->said_file);
    snprintf(said, sizeof said, "%s", rig->said);
    fclose(rig->said_file);
    free(rig->said);
    rig->said_file = open_memstream(&rig->said, &rig->said_size);
    return said;
}

static FILE *describe(char *out, size_t size, const char *what, uint64_t listener) {
    FILE *file = fmemopen(out, size, "w");
    if (listener != 1)
        fprintf(file, "@%llu ", (unsigned long long)listener);
    fputs(what, file);
    return file;
}

const char *rig_told(rig_t *rig) {
    static char text[65536];
    text[0] = 0;
    if (!(zsock_events(rig->told) & ZMQ_POLLIN))
        return text;
    zframe_t *frame = zframe_recv(rig->told);
    Ring__Envelope *envelope = ring_unpack(zframe_data(frame), zframe_size(frame));
    cr_assert_not_null(envelope);
    FILE *file;
    if (envelope->body_case == RING__ENVELOPE__BODY_OPENED) {
        const Ring__Opened *opened = envelope->opened;
        cr_expect_eq(opened->journal, rig->journal.id);
        file = describe(text, sizeof text, "opened", opened->listener);
        for (size_t i = 0; i < opened->n_openings; i++)
            fprintf(file, " %llu", (unsigned long long)opened->openings[i]->association);
    } else {
        cr_assert_eq(envelope->body_case, RING__ENVELOPE__BODY_ACKNOWLEDGED);
        const Ring__Acknowledged *ended = envelope->acknowledged;
        file = describe(text, sizeof text, "ended", ended->listener);
        for (size_t i = 0; i < ended->n_associations; i++)
            fprintf(file, " %llu", (unsigned long long)ended->associations[i]);
    }
    fclose(file);
    ring__envelope__free_unpacked(envelope, NULL);
    zframe_destroy(&frame);
    return text;
}

void rig_forget_told(rig_t *rig) {
    while (*rig_told(rig))
        ;
}

const char *rig_query(rig_t *rig, const char *sql) {
    static char text[4096];
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(rig->journal.db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(rig->journal.db));
    text[0] = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        snprintf(text, sizeof text, "%s",
                 sqlite3_column_text(statement, 0) ? (const char *)sqlite3_column_text(statement, 0) : "NULL");
    sqlite3_finalize(statement);
    return text;
}

void rig_expect_said(rig_t *rig, const char *wanted) {
    cr_assert_eq(rig_commit(rig), 0);
    cr_expect_str_eq(rig_said(rig), wanted);
}

void rig_expect_told(rig_t *rig, const char *wanted) {
    cr_expect_str_eq(rig_told(rig), wanted);
}

void rig_expect_states(rig_t *rig, const char *wanted) {
    cr_expect_str_eq(
        rig_query(rig, "SELECT group_concat(state, ' ') FROM (SELECT state FROM reception ORDER BY id)"), wanted);
}
