/* An operator's registrations: of a series once more, or of one in storage that the journal does not know. Each is
 * a finished, due reception of its own; the registrar does the rest. */
#include <stdlib.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/message.h"
#include "notifier/journal/reception.h"
#include "notifier/operator/answers.h"

/* Folders of one series that are registered again at once: nearly always one. */
#define RESEND_FOLDERS_MAX 64

static Ring__Registration *add_result(Ring__Registrations *results, const char *calling_ae) {
    Ring__Registration *result = must(malloc(sizeof *result));
    ring__registration__init(result);
    result->calling_ae = copy_text(calling_ae);
    results->registrations[results->n_registrations++] = result;
    return result;
}

static Ring__Registrations *results_new(size_t room) {
    Ring__Registrations *results = must(malloc(sizeof *results));
    ring__registrations__init(results);
    results->registrations = must(calloc(room, sizeof *results->registrations));
    return results;
}

/* --- both ---------------------------------------------------------------------------------------------- */

/* The journal's knowledge of the folder: a received or due one will be registered with its files at that time. */
static Ring__Outcome known(journal_t *journal, const char *series_uid, const char *folder) {
    static const Ring__Outcome outcomes[] = {RING__OUTCOME__OUTCOME_NONE, RING__OUTCOME__OUTCOME_REGISTERED,
                                             RING__OUTCOME__OUTCOME_UNDER_WAY};
    return outcomes[journal_number(journal, SQL_REGISTER_FIND, VALUES(TEXT(series_uid), TEXT(folder)), 0)];
}

static void add_due(journal_t *journal, const reception_row_t *wish, Ring__Registration *result) {
    int64_t now = journal_now();
    if (journal_run(journal, SQL_REGISTER_ADD,
                    VALUES(TEXT(wish->calling_ae), TEXT(wish->series_uid), TEXT(wish->folder),
                           BYTES(wish->series, wish->series_size), NUMBER(wish->files), NUMBER(now))) == 1)
        result->reception = sqlite3_last_insert_rowid(journal->db);
    log_info(NULL, "series %s is registered because an operator asks for it", wish->series_uid);
}

/* Decides its fate; `again`: though it is registered. */
static void decide(journal_t *journal, const reception_row_t *wish, bool again, bool dry_run,
                   Ring__Registration *result) {
    char *problem = reception_problem(wish);
    result->outcome = known(journal, wish->series_uid, wish->folder);
    if (result->outcome == RING__OUTCOME__OUTCOME_UNDER_WAY ||
        (result->outcome == RING__OUTCOME__OUTCOME_REGISTERED && !again)) {
        free(problem);
    } else if (problem) {
        result->outcome = RING__OUTCOME__OUTCOME_REFUSED;
        result->why = problem;
    } else {
        result->outcome = RING__OUTCOME__OUTCOME_DUE;
        if (!dry_run)
            add_due(journal, wish, result);
    }
}

/* --- Register ------------------------------------------------------------------------------------------ */

void answers_on_register(answers_t *answers, const Ring__Register *message) {
    const Ring__Series *series = message->series;
    Ring__Answer *answer = answers_add(answers, message->reply_to);
    if (!answer)
        return;
    if (!series || !*series->series_instance_uid || !*series->folder) {
        answer->error = copy_text("the request names no series and folder");
        return;
    }
    size_t size;
    uint8_t *packed = message_pack(&series->base, &size);
    reception_row_t wish = {.calling_ae = message->calling_ae,
                            .series_uid = series->series_instance_uid,
                            .folder = series->folder,
                            .series = packed,
                            .series_size = size,
                            .files = message->files};
    answer->registrations = results_new(1);
    decide(answers_journal(answers), &wish, message->again, message->dry_run,
           add_result(answer->registrations, message->calling_ae));
    free(packed);
}

/* --- Resend -------------------------------------------------------------------------------------------- */

static void resend_reception(journal_t *journal, int64_t reception, Ring__Registrations *results) {
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(journal, SQL_RECEPTION_READ, VALUES(NUMBER(reception)));
    while (rows_next_reception(journal, rows, &row))
        decide(journal, &row, true, false, add_result(results, row.calling_ae));
}

/* The last reception of each folder of the series. They are collected first: the search must not find added
 * ones. */
void answers_on_resend(answers_t *answers, const Ring__Resend *message) {
    Ring__Answer *answer = answers_add(answers, message->reply_to);
    journal_t *journal = answers_journal(answers);
    int64_t receptions[RESEND_FOLDERS_MAX];
    size_t count = 0;
    if (!answer)
        return;
    sqlite3_stmt *rows = journal_query(
        journal, SQL_RESEND_FIND,
        VALUES(TEXT(message->series_instance_uid), TEXT(message->calling_ae), NUMBER(RESEND_FOLDERS_MAX)));
    while (rows_next_number(journal, rows, &receptions[count]))
        count++;
    answer->registrations = results_new(RESEND_FOLDERS_MAX);
    for (size_t i = 0; i < count; i++)
        resend_reception(journal, receptions[i], answer->registrations);
}
