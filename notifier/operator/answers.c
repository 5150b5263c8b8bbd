#include "notifier/operator/answers.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "notifier/journal/rows.h"
#include "proto/reply.h"

/* Answers to the operator's tool in one batch; further questions in it are not answered. */
#define ANSWERS_PER_BATCH 16

typedef struct pending {
    char inbox[TOOL_INBOX_BYTES];
    Ring__Answer *answer;
} pending_t;

struct answers {
    answers_sources_t sources;
    pending_t pending[ANSWERS_PER_BATCH];
    size_t pending_count;
};

answers_t *answers_new(const answers_sources_t *sources) {
    answers_t *answers = must(calloc(1, sizeof *answers));
    answers->sources = *sources;
    return answers;
}

static void drop(answers_t *answers) {
    while (answers->pending_count > 0)
        ring__answer__free_unpacked(answers->pending[--answers->pending_count].answer, NULL);
}

void answers_destroy(answers_t **self_p) {
    if (!*self_p)
        return;
    drop(*self_p);
    free(*self_p);
    *self_p = NULL;
}

journal_t *answers_journal(answers_t *answers) {
    return answers->sources.journal;
}

static void *new_message(size_t size, const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = must(malloc(size));
    descriptor->message_init(message);
    return message;
}

#define NEW(type, name) ((type *)new_message(sizeof(type), &ring__##name##__descriptor))

/* --- answers ------------------------------------------------------------------------------------------- */

Ring__Answer *answers_add(answers_t *answers, const Ring__ReplyTo *reply_to) {
    if (!reply_to || !reply_inbox_valid(reply_to->inbox) || answers->pending_count == ANSWERS_PER_BATCH)
        return NULL;
    pending_t *pending = &answers->pending[answers->pending_count++];
    snprintf(pending->inbox, sizeof pending->inbox, "%s", reply_to->inbox);
    pending->answer = NEW(Ring__Answer, answer);
    pending->answer->number = reply_to->number;
    return pending->answer;
}

void answers_finish(answers_t *answers, bool committed) {
    const char *run_dir = answers->sources.stage->settings.run_dir;
    Ring__Answer failed = RING__ANSWER__INIT;
    failed.error = (char *)"the journal can't be used now";
    for (size_t i = 0; i < answers->pending_count; i++) {
        failed.number = answers->pending[i].answer->number;
        reply_send(run_dir, answers->pending[i].inbox, committed ? answers->pending[i].answer : &failed);
    }
    drop(answers);
}

/* --- status -------------------------------------------------------------------------------------------- */

static Ring__JournalStatus *journal_status(journal_t *journal) {
    Ring__JournalStatus *status = NEW(Ring__JournalStatus, journal_status);
    status->path = copy_text(sqlite3_db_filename(journal->db, "main"));
    status->bytes = (uint64_t)journal_size(journal);
    status->schema = (uint32_t)JOURNAL_MIGRATIONS_COUNT;
    status->states = must(calloc(RECEPTION_STATES_MAX + 1, sizeof *status->states));
    reception_row_t due = {0};
    sqlite3_stmt *rows = journal_query(journal, SQL_STATUS_STATES, VALUES(NUMBER(RECEPTION_STATES_MAX)));
    while ((status->states[status->n_states] = rows_next_message(journal, rows, &ring__state_count__descriptor)))
        status->n_states++;
    rows = journal_query(journal, SQL_STATUS_OLDEST_DUE, NULL, 0);
    while (rows_next_reception(journal, rows, &due)) { /* one at most */
        status->oldest_due_series = copy_text(due.series_uid);
        status->oldest_due_at = due.ended_at;
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

void answers_on_status(answers_t *answers, const Ring__StatusQuery *message) {
    Ring__Answer *answer = answers_add(answers, message->reply_to);
    if (!answer)
        return;
    const answers_sources_t *sources = &answers->sources;
    Ring__NotifierStatus *status = answer->notifier = NEW(Ring__NotifierStatus, notifier_status);
    status->self = own_alive(sources->stage);
    status->journal = journal_status(sources->journal);
    status->journal->refuses = !atomic_load(sources->journal_writable);
    status->broker = connection_status(sources->broker, true);
    status->nats = connection_status(sources->nats, sources->stage->settings.nats_address != NULL);
    status->cube = connection_status(sources->cube, sources->stage->settings.cube_url != NULL);
    int64_t waiting, still_ms;
    status->queue_known = inquiries_queue(sources->inquiries, &waiting, &still_ms);
    status->queue_waiting = status->queue_known ? (uint64_t)waiting : 0;
    status->queue_still_ms = status->queue_known ? (uint64_t)still_ms : 0;
    status->registrations_under_way = registrar_with_broker(sources->registrar);
    char why[REPLICAS_WHY_BYTES];
    replicas_have_locks(sources->replicas, why, sizeof why);
    status->no_locks = copy_text(why);
    status->storage_silent_ms = (uint64_t)storage_silent_ms(sources->storage);
    status->writers_failing = (uint64_t)all_metrics_gauge(sources->metrics, METRIC_STORAGE_FAILING, clock_ms(), 0);
    publisher_count(sources->publisher, &status->progress_waiting, &status->progress_dropped);
}

/* --- series -------------------------------------------------------------------------------------------- */

void answers_say_silence(Ring__Reception *r, storage_t *storage) {
    int64_t silent_ms = storage_silent_ms(storage);
    char text[64];
    if (!silent_ms || strcmp(r->state, "due") != 0 || r->held || r->retry_in_ms)
        return;
    storage_why(silent_ms, text, sizeof text);
    free(r->why);
    r->why = copy_text(text);
}

/* Looks through a bounded part of the journal only, so that the ring never waits: a page may be empty and yet not
 * the last. A single series is found through an index, and is never much. */
sqlite3_stmt *answers_page(journal_t *journal, sql_t sql, const Ring__SeriesQuery *wish, int64_t *lowest) {
    int64_t before = wish->before;
    if (before <= 0)
        before = journal_number(journal, SQL_RECEPTION_LAST, NULL, 0, 0) + 1;
    *lowest =
        sql == SQL_PAGE_OF_SERIES || before <= SERIES_PAGE_SEARCHED_ROWS ? 0 : before - SERIES_PAGE_SEARCHED_ROWS;
    return journal_query(journal, sql,
                         VALUES(NUMBER(before), NUMBER(*lowest), TEXT(wish->calling_ae), NUMBER(wish->since),
                                NUMBER(wish->most), NUMBER(wish->with_folder), NUMBER(clock_ms()),
                                TEXT(wish->series_instance_uid)));
}

void answers_on_series(answers_t *answers, const Ring__SeriesQuery *message) {
    Ring__Answer *answer = answers_add(answers, message->reply_to);
    if (!answer)
        return;
    journal_t *journal = answers->sources.journal;
    Ring__SeriesPage *page = answer->series = NEW(Ring__SeriesPage, series_page);
    Ring__SeriesQuery wish = *message;
    if (wish.most == 0 || wish.most > SERIES_PAGE_ROWS)
        wish.most = SERIES_PAGE_ROWS;
    page->receptions = must(calloc(wish.most, sizeof *page->receptions));
    sqlite3_stmt *rows = answers_page(journal, *wish.series_instance_uid ? SQL_PAGE_OF_SERIES : SQL_PAGE_IN_RANGE,
                                      &wish, &page->before);
    for (Ring__Reception *r; (r = rows_next_message(journal, rows, &ring__reception__descriptor));) {
        answers_say_silence(r, answers->sources.storage);
        page->receptions[page->n_receptions++] = r;
        if (page->n_receptions == wish.most)
            page->before = r->number;
    }
}
