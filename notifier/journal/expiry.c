#include "notifier/journal/expiry.h"

#include "common/clock.h"
#include "common/log.h"

/* What is finished and older than OXIDICOM_JOURNAL_KEEP is looked for this often, and removed in slices of so many
 * rows, so that the loop never waits for long. */
#define JOURNAL_EXPIRE_INTERVAL_MS (60 * 60 * 1000)
#define JOURNAL_EXPIRE_ROWS        2000

void expiry_beat(expiry_t *expiry, journal_t *journal, int64_t keep_ms) {
    int64_t now_ms = clock_ms(), old = journal_now() - keep_ms;
    if (now_ms < expiry->next_ms)
        return;
    journal_run(journal, SQL_ASSOCIATION_EXPIRE, VALUES(NUMBER(old)));
    journal_run(journal, SQL_LISTENER_EXPIRE, VALUES(NUMBER(old)));
    int receptions = journal_run(journal, SQL_RECEPTION_EXPIRE, VALUES(NUMBER(old), NUMBER(JOURNAL_EXPIRE_ROWS)));
    /* CUBE was asked for a series that is not here any more. */
    journal_run(journal, SQL_KNOWN_RELEASE_ALL, VALUES(NUMBER(0), NUMBER(old)));
    journal_run(journal, SQL_KNOWN_EXPIRE, VALUES(NUMBER(KNOWN_FOLDERS_MAX)));
    bool committed = journal_commit(journal) == 0;
    if (committed && receptions > 0)
        log_debug(NULL, "journal: %d receptions have expired", receptions);
    /* A full slice: there is more. It follows at the next beat, so that events get their turn. */
    if (!committed || receptions < JOURNAL_EXPIRE_ROWS)
        expiry->next_ms = now_ms + JOURNAL_EXPIRE_INTERVAL_MS;
}
