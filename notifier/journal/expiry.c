#include "notifier/journal/expiry.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/plural.h"
#include "notifier/journal/room.h"

/* How often rows that are finished and older than OXIDICOM_JOURNAL_KEEP are looked for; they are removed in slices
 * of so many, so that the loop never waits for long. */
#define JOURNAL_EXPIRE_INTERVAL_MS (60 * 60 * 1000)
#define JOURNAL_EXPIRE_ROWS        2000
/* Refused receptions without a file are kept no longer than this. */
#define REFUSALS_KEPT_MS ((int64_t)24 * 60 * 60 * 1000)
/* Where the journal is short of room, finished receptions go after this time. Ends of associations go after an
 * hour, since a writer that storage held up may speak of one yet. */
#define SHORT_KEPT_MS      60000
#define SHORT_ENDS_KEPT_MS (60 * 60 * 1000)

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Removes rows that were finished before `old`, a slice at most. Returns whether there may be more. */
static bool remove_some(journal_t *journal, sql_t sql, int64_t old, int64_t *removed) {
    int rows = journal_run(journal, sql, VALUES(NUMBER(old), NUMBER(JOURNAL_EXPIRE_ROWS)));
    *removed += rows > 0 ? rows : 0;
    return rows >= JOURNAL_EXPIRE_ROWS;
}

/* Removes a slice of the rows that are too old. */
static bool expire(journal_t *journal, int64_t now, int64_t keep_ms, int64_t *removed) {
    journal_run(journal, SQL_LISTENER_EXPIRE, VALUES(NUMBER(now - keep_ms)));
    bool more = remove_some(journal, SQL_ASSOCIATION_EXPIRE, now - keep_ms, removed);
    more |= remove_some(journal, SQL_REFUSAL_EXPIRE, now - smaller(keep_ms, REFUSALS_KEPT_MS), removed);
    more |= remove_some(journal, SQL_RECEPTION_EXPIRE, now - keep_ms, removed);
    if (more)
        return true;
    /* CUBE was asked for a series that is not here any more. */
    journal_run(journal, SQL_KNOWN_RELEASE_ALL, VALUES(NUMBER(0), NUMBER(now - keep_ms)));
    journal_run(journal, SQL_KNOWN_EXPIRE, VALUES(NUMBER(KNOWN_FOLDERS_MAX)));
    return false;
}

/* A slice of what matters least, before its time. The next beat looks whether that was enough. */
static void make_room(journal_t *journal, int64_t now, int64_t keep_ms, int64_t *removed) {
    remove_some(journal, SQL_REFUSAL_EXPIRE, now - smaller(keep_ms, SHORT_KEPT_MS), removed);
    if (*removed == 0)
        remove_some(journal, SQL_ASSOCIATION_EXPIRE, now - smaller(keep_ms, SHORT_ENDS_KEPT_MS), removed);
    if (*removed == 0)
        remove_some(journal, SQL_RECEPTION_FORGET, now - smaller(keep_ms, SHORT_KEPT_MS), removed);
}

void expiry_beat(expiry_t *expiry, journal_t *journal, int64_t keep_ms) {
    int64_t now_ms = clock_ms(), removed = 0;
    bool due = now_ms >= expiry->next_ms, more = false;
    room_look(journal);
    if (journal->room != ROOM_AMPLE)
        make_room(journal, journal_now(), keep_ms, &removed);
    if (due)
        more = expire(journal, journal_now(), keep_ms, &removed);
    bool committed = journal_commit(journal) == 0;
    if (committed && removed > 0)
        log_debug(NULL, "journal: %lld %s expired", (long long)removed,
                  plural((uint64_t)removed, "row has", "rows have"));
    /* The rest follows at the next beat, so that events get their turn. */
    if (due && (!committed || !more))
        expiry->next_ms = now_ms + JOURNAL_EXPIRE_INTERVAL_MS;
    if (committed)
        room_give_back(journal);
}
