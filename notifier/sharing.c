#include "notifier/sharing.h"

#include "notifier/journal/rows.h"

/* So many are left at the end, the latest. */
#define LEAVING_MAX 1000

void sharing_resume(notifier_t *notifier) {
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(&notifier->journal, SQL_RECEPTION_FIND_SHARING, NULL, 0);
    while (rows_next_reception(&notifier->journal, rows, &row))
        (void)!replicas_share(notifier->replicas, row.id, replicas_series(row.folder, row.series_uid));
    (void)!journal_commit(&notifier->journal); /* of nothing */
}

void sharing_leave_all(notifier_t *notifier) {
    reception_row_t row = {0};
    notifier->leaving = true;
    sqlite3_stmt *rows = journal_query(&notifier->journal, SQL_RECEPTION_FIND_LEAVING, VALUES(NUMBER(LEAVING_MAX)));
    while (rows_next_reception(&notifier->journal, rows, &row)) {
        replicas_leave(notifier->replicas, row.id, replicas_id(row.calling_ae, row.series_uid, row.folder));
        notifier->unleft++;
    }
    (void)!journal_commit(&notifier->journal); /* of nothing */
}

/* A reception that is left since this process ends. */
static void on_left(notifier_t *notifier, const replicas_answer_t *answer) {
    notifier->unleft--;
    if (answer->note)
        journal_run(&notifier->journal, SQL_RECEPTION_NOTE, VALUES(NUMBER(answer->reception), TEXT(answer->note)));
    free(answer->note);
}

void sharing_on_answers(notifier_t *notifier) {
    bool shared = false;
    for (replicas_answer_t answer; replicas_receive(notifier->replicas, &answer);)
        if (answer.shared)
            shared = true;
        else if (!registrar_on_decided(notifier->registrar, &answer))
            on_left(notifier, &answer);
    if (journal_commit(&notifier->journal) != 0)
        log_warn(NULL, "a series that was left to another replica may be registered twice");
    if (shared)
        owed_tell_shared(notifier->owed, notifier->listener);
}
