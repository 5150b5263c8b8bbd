#include "notifier/journal/quiet.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "notifier/journal/rows.h"

/* The end of a wait may lie so much further in the future than the longest setting. Else the clock was set back, or
 * the setting was changed; nobody should wait for that. */
#define CLOCK_SLACK_MS 10000

int64_t quiet_ms_after(const journal_t *journal, Ring__Ending ending) {
    return ending == RING__ENDING__ENDING_RELEASED ? journal->series_quiet_ms : journal->abort_quiet_ms;
}

const char *quiet_why(Ring__Ending ending) {
    switch (ending) {
    case RING__ENDING__ENDING_RELEASED:
        return "the last association was released";
    case RING__ENDING__ENDING_ABORTED:
        return "the last association was aborted";
    case RING__ENDING__ENDING_TIMED_OUT:
        return "the last association timed out";
    case RING__ENDING__ENDING_CONNECTION_LOST:
        return "the last association lost its connection";
    case RING__ENDING__ENDING_LISTENER_DIED:
        return "the last association died with its listener";
    default: /* of a listener of an earlier or a later release, or of an association that had ended before */
        return "the end of the last association is not known";
    }
}

void quiet_on_end(journal_t *journal, int64_t reception, Ring__Ending ending) {
    journal_run(journal, SQL_QUIET_AFTER,
                VALUES(NUMBER(reception), NUMBER(quiet_ms_after(journal, ending)), TEXT(quiet_why(ending))));
}

void quiet_on_join(journal_t *journal, int64_t reception) {
    journal_run(journal, SQL_QUIET_FORGET, VALUES(NUMBER(reception)));
}

bool quiet_begin(journal_t *journal, owed_t *owed, int64_t reception) {
    bool waits = false;
    char *series_uid, *why;
    int64_t ms;
    sqlite3_stmt *rows = journal_query(journal, SQL_QUIET_BEGIN, VALUES(NUMBER(reception), NUMBER(journal_now())));
    while (rows_next_wait(journal, rows, &series_uid, &ms, &why)) {
        waits = true;
        if (strcmp(why, quiet_why(RING__ENDING__ENDING_RELEASED)) == 0)
            log_debug(NULL, "series %s waits for %g s: %s", series_uid, (double)ms / 1000, why);
        else
            log_info(NULL, "series %s waits for %g s: %s", series_uid, (double)ms / 1000, why);
        free(series_uid);
        free(why);
    }
    if (waits)
        owed_mark_wait(owed);
    return waits;
}

static int64_t longest_ms(const journal_t *journal) {
    return (journal->series_quiet_ms > journal->abort_quiet_ms ? journal->series_quiet_ms
                                                               : journal->abort_quiet_ms) +
           CLOCK_SLACK_MS;
}

int64_t quiet_find_over(journal_t *journal) {
    int64_t now = journal_now();
    return journal_number(journal, SQL_QUIET_FIND_OVER, VALUES(NUMBER(now), NUMBER(now + longest_ms(journal))), 0);
}

int64_t quiet_next_ms(journal_t *journal) {
    int64_t now = journal_now(), until = journal_number(journal, SQL_QUIET_NEXT, NULL, 0, 0);
    if (until == 0)
        return 0;
    /* A wait that would be too long is over at once. */
    return until <= now || quiet_find_over(journal) ? 1 : until - now;
}

void quiet_resume(journal_t *journal) {
    journal_run(journal, SQL_QUIET_RESUME, VALUES(NUMBER(journal_now())));
}
