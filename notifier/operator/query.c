#include "notifier/operator/query.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "proto/reply.h"

/* Answers to the operator's tool in one batch; further questions in it are not answered. */
#define QUERIES_PER_BATCH 16

typedef struct pending {
    char inbox[TOOL_INBOX_BYTES];
    Ring__Answer *answer;
} pending_t;

struct query {
    query_sources_t sources;
    pending_t pending[QUERIES_PER_BATCH];
    size_t pending_count;
};

query_t *query_new(const query_sources_t *sources) {
    query_t *query = must(calloc(1, sizeof *query));
    query->sources = *sources;
    return query;
}

static void drop(query_t *query) {
    while (query->pending_count > 0)
        ring__answer__free_unpacked(query->pending[--query->pending_count].answer, NULL);
}

void query_destroy(query_t **self_p) {
    if (!*self_p)
        return;
    drop(*self_p);
    free(*self_p);
    *self_p = NULL;
}

journal_t *query_journal(query_t *query) {
    return query->sources.journal;
}

static void *new_message(size_t size, const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = must(malloc(size));
    descriptor->message_init(message);
    return message;
}

#define NEW(type, name) ((type *)new_message(sizeof(type), &ring__##name##__descriptor))

/* --- answers ------------------------------------------------------------------------------------------- */

Ring__Answer *query_answer(query_t *query, const Ring__ReplyTo *reply_to) {
    if (!reply_to || !reply_inbox_valid(reply_to->inbox) || query->pending_count == QUERIES_PER_BATCH)
        return NULL;
    pending_t *pending = &query->pending[query->pending_count++];
    snprintf(pending->inbox, sizeof pending->inbox, "%s", reply_to->inbox);
    pending->answer = NEW(Ring__Answer, answer);
    pending->answer->number = reply_to->number;
    return pending->answer;
}

void query_settle(query_t *query, bool committed) {
    const char *run_dir = query->sources.stage->settings.run_dir;
    Ring__Answer failed = RING__ANSWER__INIT;
    failed.error = (char *)"the journal can't be used now";
    for (size_t i = 0; i < query->pending_count; i++) {
        failed.number = query->pending[i].answer->number;
        reply_send(run_dir, query->pending[i].inbox, committed ? query->pending[i].answer : &failed);
    }
    drop(query);
}

/* --- status -------------------------------------------------------------------------------------------- */

static uint64_t size_of(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 ? (uint64_t)s.st_size : 0;
}

static void measure_file(const journal_t *journal, Ring__JournalStatus *status) {
    status->path = copy_text(sqlite3_db_filename(journal->db, "main"));
    status->bytes = size_of(status->path) + size_of(sqlite3_filename_wal(sqlite3_db_filename(journal->db, "main")));
    status->schema = (uint32_t)JOURNAL_MIGRATIONS_COUNT;
}

static Ring__JournalStatus *journal_status(journal_t *journal) {
    Ring__JournalStatus *status = NEW(Ring__JournalStatus, journal_status);
    measure_file(journal, status);
    status->states = must(calloc(RECEPTION_STATES_MAX, sizeof *status->states));
    sqlite3_stmt *row = journal_query(journal, SQL_STATUS_STATES, VALUES(NUMBER(RECEPTION_STATES_MAX)));
    while (journal_row(journal, row)) {
        Ring__StateCount *count = NEW(Ring__StateCount, state_count);
        count->state = copy_text((const char *)sqlite3_column_text(row, 0));
        count->receptions = (uint64_t)sqlite3_column_int64(row, 1);
        status->states[status->n_states++] = count;
    }
    row = journal_query(journal, SQL_STATUS_OLDEST_DUE, NULL, 0);
    while (journal_row(journal, row)) {
        free(status->oldest_due_at ? status->oldest_due_series : NULL);
        status->oldest_due_series = copy_text((const char *)sqlite3_column_text(row, 0));
        status->oldest_due_at = sqlite3_column_int64(row, 1);
    }
    return status;
}

static Ring__Connection *connection_status(link_state_t *state, bool wanted) {
    Ring__Connection *status = NEW(Ring__Connection, connection);
    char why[LINK_WHY_BYTES];
    bool connected;
    status->wanted = wanted;
    link_state_read(state, &connected, &status->since, why);
    status->connected = connected;
    status->why = copy_text(why);
    return status;
}

static Ring__Alive *own_alive(const stage_t *stage) {
    Ring__Alive *self = NEW(Ring__Alive, alive);
    *self = alive_of(stage, RING__STAGE__STAGE_NOTIFIER);
    self->id = copy_text(self->id);
    self->release = copy_text(self->release);
    return self;
}

void query_on_status(query_t *query, const Ring__StatusQuery *message) {
    Ring__Answer *answer = query_answer(query, message->reply_to);
    if (!answer)
        return;
    const query_sources_t *sources = &query->sources;
    Ring__NotifierStatus *status = answer->notifier = NEW(Ring__NotifierStatus, notifier_status);
    status->self = own_alive(sources->stage);
    status->journal = journal_status(sources->journal);
    status->broker = connection_status(sources->broker, true);
    status->nats = connection_status(sources->nats, sources->stage->settings.nats_address != NULL);
    status->registrations_under_way = registrar_with_broker(sources->registrar);
    status->storage_silent_ms = (uint64_t)storage_silent_ms(sources->storage);
    publisher_count(sources->publisher, &status->progress_waiting, &status->progress_dropped);
}

/* --- series -------------------------------------------------------------------------------------------- */

/* What can be sent, and is not. */
static void say_silence(Ring__Reception *r, storage_t *storage) {
    int64_t silent_ms = storage_silent_ms(storage);
    char text[64];
    if (!silent_ms || strcmp(r->state, "due") != 0 || r->held || r->retry_in_ms)
        return;
    storage_why(silent_ms, text, sizeof text);
    free(r->why);
    r->why = copy_text(text);
}

Ring__Reception *query_reception(sqlite3_stmt *row, storage_t *storage) {
    Ring__Reception *r = NEW(Ring__Reception, reception);
    r->number = sqlite3_column_int64(row, 0);
    r->series_instance_uid = copy_text((const char *)sqlite3_column_text(row, 1));
    r->calling_ae = copy_text((const char *)sqlite3_column_text(row, 2));
    r->state = copy_text((const char *)sqlite3_column_text(row, 3));
    r->files = (uint64_t)sqlite3_column_int64(row, 4);
    r->errors = (uint64_t)sqlite3_column_int64(row, 5);
    r->began_at = sqlite3_column_int64(row, 6);
    r->ended_at = sqlite3_column_int64(row, 7);
    r->settled_at = sqlite3_column_int64(row, 8);
    r->associations = (uint64_t)sqlite3_column_int64(row, 9);
    r->held = sqlite3_column_int64(row, 10) != 0;
    r->attempts = (uint64_t)sqlite3_column_int64(row, 11);
    r->retry_in_ms = (uint64_t)sqlite3_column_int64(row, 12);
    r->task_id = copy_text((const char *)sqlite3_column_text(row, 13));
    r->ndicom = sqlite3_column_int64(row, 14);
    r->why = copy_text((const char *)sqlite3_column_text(row, 15));
    r->folder = copy_text((const char *)sqlite3_column_text(row, 16));
    say_silence(r, storage);
    return r;
}

/* Returns the number of the last one where the page is full; 0: it is not. */
static int64_t read_page(query_t *query, sqlite3_stmt *row, Ring__SeriesPage *page, size_t most) {
    int64_t last = 0;
    page->receptions = must(calloc(most, sizeof *page->receptions));
    while (journal_row(query->sources.journal, row)) {
        Ring__Reception *reception = query_reception(row, query->sources.storage);
        page->receptions[page->n_receptions++] = reception;
        last = reception->number;
    }
    return page->n_receptions == most ? last : 0;
}

/* Looks through a bounded part of the journal only, so that the ring never waits: a page may be empty and yet not
 * the last. What is asked of one series is found through an index, and is never much. */
void query_on_series(query_t *query, const Ring__SeriesQuery *message) {
    Ring__Answer *answer = query_answer(query, message->reply_to);
    if (!answer)
        return;
    journal_t *journal = query->sources.journal;
    Ring__SeriesPage *page = answer->series = NEW(Ring__SeriesPage, series_page);
    size_t most = message->most && message->most < SERIES_PAGE_ROWS ? message->most : SERIES_PAGE_ROWS;
    int64_t before = message->before;
    if (before <= 0)
        before = journal_number(journal, SQL_RECEPTION_LAST, NULL, 0, 0) + 1;
    bool of_series = *message->series_instance_uid;
    int64_t lowest = of_series || before <= SERIES_PAGE_SEARCHED_ROWS ? 0 : before - SERIES_PAGE_SEARCHED_ROWS;
    sqlite3_stmt *row = journal_query(journal, of_series ? SQL_PAGE_OF_SERIES : SQL_PAGE_IN_RANGE,
                                      VALUES(NUMBER(before), NUMBER(lowest), TEXT(message->calling_ae),
                                             NUMBER(message->since), NUMBER(most), NUMBER(message->with_folder),
                                             NUMBER(clock_ms()), TEXT(message->series_instance_uid)));
    int64_t last = read_page(query, row, page, most);
    page->before = last ? last : lowest;
}
