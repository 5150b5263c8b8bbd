#include "notifier/journal/journal_sql.h"

/* A reception waits for somebody who goes on with it; until then. */
#define QUIET       "state = 'receiving' AND quiet_at IS NOT NULL"
#define QUIET_UNTIL "quiet_at + quiet_ms"
#define FROM_QUIET  " FROM reception INDEXED BY reception_quiet_until WHERE " QUIET
#define FROM_LEFT   " FROM reception WHERE state = 'due' AND note IS NOT NULL"

/* Without its last component. */
#define PARENT_FOLDER "rtrim(rtrim(folder, replace(folder, '/', '')), '/')"

const char *const JOURNAL_MIGRATIONS[] = {
    /* Version 1. Times are milliseconds since 1970; a listener is its incarnation.
     *   event      acknowledged objects, with the answer
     *   ended      ended associations: a later event of an ended one stands alone
     *   listener   incarnations; a closed one has no open association
     *   reception  one series from one calling AE until all associations that sent it had ended:
     *              receiving → due → registered | refused | merged (into a later one's registration)
     *   sending    associations that sent to an open reception and have not ended
     *   file       distinct files of an open reception */
    "CREATE TABLE listener (incarnation INTEGER PRIMARY KEY, seen_at INTEGER NOT NULL, closed_at INTEGER);"
    "CREATE TABLE event (id INTEGER PRIMARY KEY, listener INTEGER NOT NULL, object INTEGER NOT NULL,"
    "  reception INTEGER, status INTEGER NOT NULL, offending_element INTEGER NOT NULL,"
    "  error_comment TEXT NOT NULL, seen_at INTEGER NOT NULL, UNIQUE (listener, object));"
    "CREATE TABLE ended (listener INTEGER, association INTEGER, ended_at INTEGER NOT NULL,"
    "  PRIMARY KEY (listener, association)) WITHOUT ROWID;"
    "CREATE TABLE reception (id INTEGER PRIMARY KEY, calling_ae TEXT NOT NULL, series_uid TEXT NOT NULL,"
    "  state TEXT NOT NULL DEFAULT 'receiving', folder TEXT, series BLOB, files INTEGER NOT NULL DEFAULT 0,"
    "  elsewhere INTEGER NOT NULL DEFAULT 0, errors INTEGER NOT NULL DEFAULT 0, began_at INTEGER NOT NULL,"
    "  ended_at INTEGER, settled_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0,"
    "  retry_ms INTEGER NOT NULL DEFAULT 0, task_id TEXT, ndicom INTEGER, why TEXT,"
    "  CHECK (state IN ('receiving', 'due', 'registered', 'refused', 'merged')));"
    "CREATE UNIQUE INDEX reception_open ON reception (calling_ae, series_uid) WHERE state = 'receiving';"
    "CREATE INDEX reception_due ON reception (series_uid, id) WHERE state = 'due';"
    "CREATE TABLE sending (reception INTEGER, listener INTEGER, association INTEGER,"
    "  PRIMARY KEY (reception, listener, association)) WITHOUT ROWID;"
    "CREATE INDEX sending_association ON sending (listener, association);"
    "CREATE TABLE file (reception INTEGER, folder TEXT, name TEXT, PRIMARY KEY (reception, folder, name))"
    "  WITHOUT ROWID;",
    /* Version 2: a series is found by its UID. */
    "CREATE INDEX reception_series ON reception (series_uid, id);",
    /* Version 3.
     *   quiet_at      the last event of a reception without a sending association; NULL: an association sends
     *   adopted_from  the former host and the number in its journal, for the task id; a second attempt at taking it
     *                 over finds it here */
    "ALTER TABLE reception ADD COLUMN quiet_at INTEGER;"
    "ALTER TABLE reception ADD COLUMN adopted_from TEXT;"
    "ALTER TABLE reception ADD COLUMN adopted_id INTEGER;"
    "CREATE INDEX reception_quiet ON reception (quiet_at) WHERE state = 'receiving' AND quiet_at IS NOT NULL;"
    "CREATE UNIQUE INDEX reception_adopted ON reception (adopted_from, adopted_id, began_at)"
    "  WHERE adopted_from IS NOT NULL;",
    /* Version 4: of the span of the association that began the reception (W3C Trace Context); NULL: not traced. */
    "ALTER TABLE reception ADD COLUMN traceparent TEXT;",
    /* Version 5: due series are found without a look at a week of registered ones. */
    "CREATE INDEX reception_state ON reception (state);",
    /* Version 6.
     *   known  folders of PACS, patients and studies below which a series was registered: CUBE knows them from
     *          `since` on. An older journal learns them from its registered series. */
    "CREATE TABLE known (folder TEXT PRIMARY KEY, since INTEGER NOT NULL, used_at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX known_used ON known (used_at);"
    "INSERT INTO known (folder, since, used_at) WITH RECURSIVE above (folder, at) AS ("
    "  SELECT " PARENT_FOLDER ", max(ifnull(settled_at, began_at)) FROM reception"
    "   WHERE state = 'registered' AND folder IS NOT NULL GROUP BY 1"
    "  UNION ALL SELECT " PARENT_FOLDER ", at FROM above WHERE folder GLOB 'SERVICES/PACS/*')"
    " SELECT folder, 0, max(at) FROM above WHERE folder GLOB 'SERVICES/PACS/*' GROUP BY folder"
    " ORDER BY max(at) DESC LIMIT 100000;"
    "CREATE INDEX reception_due_folder ON reception (folder) WHERE state = 'due';",
    /* Version 7.
     *   done   of a reception: its time over NATS; 0: that depends on its registration; NULL: not (any more)
     *   error  the messages right before; they go with the reception, or once NATS has them */
    "ALTER TABLE reception ADD COLUMN done INTEGER;"
    "CREATE INDEX reception_done ON reception (done) WHERE done IS NOT NULL;"
    "UPDATE reception SET done = 0 WHERE state = 'receiving';"
    "CREATE TABLE error (id INTEGER PRIMARY KEY, reception INTEGER NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX error_reception ON error (reception);"
    "CREATE TRIGGER reception_gone AFTER DELETE ON reception BEGIN"
    " DELETE FROM error WHERE reception = old.id; END;",
    /* Version 8.
     *   inquiry  registrations that the broker has confirmed since `since` and CUBE is asked for:
     *            waiting → confirmed | short (CUBE has fewer files, `has`) | lost (after so many `resent`)
     *   ticket   the task's number among the confirmed ones
     *   clock    of worker_clock.h, when CUBE was asked last
     *   left_at  the same, when the task had left the broker's queue for sure; NULL: it may be there
     *   known    with the latest possible `since`: until CUBE has the first series below */
    "CREATE TABLE inquiry (reception INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'waiting',"
    "  since INTEGER NOT NULL, asked INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL, ticket INTEGER NOT NULL,"
    "  clock INTEGER NOT NULL DEFAULT 0, left_at INTEGER, resent INTEGER NOT NULL DEFAULT 0, has INTEGER,"
    "  CHECK (state IN ('waiting', 'confirmed', 'short', 'lost')));"
    "CREATE INDEX inquiry_next ON inquiry (next_at) WHERE state = 'waiting';"
    "CREATE INDEX inquiry_queued ON inquiry (ticket) WHERE state = 'waiting' AND left_at IS NULL;"
    "CREATE INDEX inquiry_since ON inquiry (since) WHERE state = 'waiting';"
    "CREATE INDEX inquiry_missing ON inquiry (state) WHERE state IN ('short', 'lost');"
    "CREATE INDEX known_asked ON known (since) WHERE since = 9223372036854775807;"
    "CREATE TRIGGER reception_unasked AFTER DELETE ON reception BEGIN"
    " DELETE FROM inquiry WHERE reception = old.id; END;",
    /* Version 9: the journal holds series, no longer objects. The files of an open reception are counted in memory
     * (heard.h); `files` is the count of the last write.
     *   identity  the journal's number: for a listener that hears of another one, nothing of it is open */
    "DROP TABLE event; DROP TABLE file;"
    "CREATE TABLE identity (id INTEGER PRIMARY KEY);"
    "INSERT INTO identity (id) VALUES (random() | 1);",
    /* Version 10.
     *   quiet_ms  how long a reception waits from quiet_at on; NULL: no association that sent it has ended since
     * one last joined. `why` says then how one has ended */
    "ALTER TABLE reception ADD COLUMN quiet_ms INTEGER;"
    "DROP INDEX reception_quiet;"
    "UPDATE reception SET quiet_ms = 3000, why = 'the end of the last association is not known'"
    " WHERE quiet_at IS NOT NULL;"
    "CREATE INDEX reception_quiet_until ON reception (" QUIET_UNTIL ") WHERE " QUIET ";",
    /* Version 11: expiry finds its rows without a walk over all others. Refusals without a file go first. */
    "CREATE INDEX ended_at ON ended (ended_at);"
    "CREATE INDEX inquiry_settled ON inquiry (state) WHERE state <> 'waiting';"
    "CREATE INDEX reception_settled ON reception (settled_at, done) WHERE settled_at IS NOT NULL;"
    "CREATE INDEX reception_nothing ON reception (settled_at)"
    "  WHERE state = 'refused' AND files = 0 AND done IS NULL;",
    /* Version 12.
     *   note  of a reception that was left to another replica: what that one marks once it has registered the
     * series; empty: none could be made */
    "ALTER TABLE reception ADD COLUMN note TEXT;",
    /* Version 13: titles that share a folder are found by the series, among a week of its receptions. */
    "DROP INDEX reception_open;"
    "CREATE UNIQUE INDEX reception_open ON reception (series_uid, calling_ae) WHERE state = 'receiving';"
    "CREATE INDEX reception_follows ON reception (series_uid, folder) WHERE state = 'merged' AND done = 0;",
};

const size_t JOURNAL_MIGRATIONS_COUNT = sizeof JOURNAL_MIGRATIONS / sizeof *JOURNAL_MIGRATIONS;

/* For people: whether it waits, and CUBE's answer for a registered one. */
#define STATE_FOR_PEOPLE(reception)                                                                                \
    "CASE WHEN " QUIET " THEN 'waiting' WHEN state = 'due' AND note IS NOT NULL THEN 'left' ELSE"                  \
    " ifnull((SELECT inquiry.state FROM inquiry WHERE inquiry.reception = " reception ".id AND " reception         \
    ".state = 'registered' AND inquiry.state <> 'waiting'), " reception ".state) END"

#define WHY_AT_CUBE(reception)                                                                                     \
    "ifnull((SELECT CASE inquiry.state WHEN 'short' THEN 'CUBE has ' || has || ' of ' || " reception               \
    ".ndicom || iif(" reception ".ndicom = 1, ' file', ' files') WHEN 'lost' THEN 'CUBE does not have it' END"     \
    " FROM inquiry WHERE inquiry.reception = " reception ".id AND " reception ".state = 'registered'), " reception \
    ".why)"

/* What reception_row_t (rows.h) holds. */
#define RECEPTION_COLUMNS                                                                                          \
    "id, coalesce(adopted_id, id), adopted_from, calling_ae, series_uid, state = 'receiving',"                     \
    " quiet_at IS NOT NULL, folder, counted(id, 'files', files), counted(id, 'elsewhere', elsewhere), errors,"     \
    " began_at, ended_at, attempts, traceparent, series, ifnull(done = 0, 0), quiet_ms, why, note,"                \
    " ifnull(ndicom, 0)"

/* Files of a reception's series in other folders of its PACS: its own files, and files of earlier receptions. CUBE
 * knows one folder of a series, which it keys by the UID and the NAME in "SERVICES/PACS/NAME/". */
#define ELSEWHERE_OF_PAGE                                                                                          \
    "counted(page.id, 'elsewhere', page.elsewhere) + ifnull((SELECT sum(files) FROM"                               \
    " (SELECT max(ifnull(ndicom, files)) AS files FROM reception AS other"                                         \
    " WHERE other.series_uid = page.series_uid AND other.folder <> page.folder"                                    \
    " AND instr(other.folder, substr(page.folder, 1, 14 + instr(substr(page.folder, 15), '/'))) = 1"               \
    " AND other.id < page.id AND other.state <> 'refused' GROUP BY other.folder)), 0)"

/* The series of a due reception is being received again: from the same title, or from another one into the same
 * folder. */
#define RECEIVED_AGAIN                                                                                             \
    "EXISTS (SELECT 1 FROM reception INDEXED BY reception_open WHERE series_uid = due.series_uid"                  \
    " AND state = 'receiving' AND (calling_ae = due.calling_ae OR folder = due.folder))"

/* A registered series has at least the files of its folder: a dead writer's last events are lost. The last count
 * for NATS is the same (dones.c). */
#define FILES_OF_PAGE "max(counted(id, 'files', files), iif(state = 'registered', ifnull(ndicom, 0), 0))"

/* A page of receptions, as Ring__Reception has their fields, newest first: below number ?1, from ?2 on, of the AE
 * title ?3 (empty: any), that began, ended or finished at ?4 or later, ?5 rows at most; ?6: with the folder;
 * ?7: clock_ms. */
#define RECEPTION_PAGE(AND_WHERE)                                                                                  \
    "SELECT id, series_uid, calling_ae, " STATE_FOR_PEOPLE(                                                        \
        "page") ", " FILES_OF_PAGE ", errors, began_at, ended_at, settled_at,"                                     \
                " (SELECT count(*) FROM sending WHERE reception = page.id),"                                       \
                " EXISTS (SELECT 1 FROM reception AS due WHERE id = page.id AND state = 'due'"                     \
                " AND " RECEIVED_AGAIN "),"                                                                        \
                " attempts, max(0, retry_ms - ?7), task_id, ndicom, " WHY_AT_CUBE(                                 \
                    "page") ", iif(?6, folder, NULL), iif(" QUIET ", " QUIET_UNTIL ", 0), " ELSEWHERE_OF_PAGE      \
                            " FROM reception AS page"                                                              \
                            " WHERE id < ?1 AND id >= ?2 AND (?3 = '' OR calling_ae = ?3)"                         \
                            " AND max(began_at, ifnull(ended_at, 0), ifnull(settled_at, 0)) >= ?4" AND_WHERE       \
                            " ORDER BY id DESC LIMIT ?5"

/* It is not, and no later one of the same folder is due, which this one will be merged into. */
#define MAY_BE_SENT                                                                                                \
    " AND NOT " RECEIVED_AGAIN " AND NOT EXISTS (SELECT 1 FROM reception WHERE state = 'due' AND id > due.id"      \
    "  AND series_uid = due.series_uid AND folder = due.folder)"

/* Receptions that were merged into ?1, or into one before it, from another title: each has a done of its own. */
#define FOLLOWERS                                                                                                  \
    "SELECT older.id FROM reception AS older INDEXED BY reception_follows"                                         \
    " JOIN reception AS newer USING (series_uid, folder)"                                                          \
    " WHERE newer.id = ?1 AND newer.state <> 'receiving' AND older.id < ?1"                                        \
    " AND older.state = 'merged' AND older.done = 0"

/* The last one of its title among ?1 and its followers. */
#define HEIR_OF(reception)                                                                                         \
    "(SELECT max(heir.id) FROM reception AS own JOIN reception AS heir USING (series_uid, folder)"                 \
    " WHERE own.id = " reception " AND title(heir.calling_ae) = title(own.calling_ae)"                             \
    " AND (heir.id = ?1 OR (heir.id < ?1 AND heir.state = 'merged' AND heir.done = 0)))"

const char *const JOURNAL_SQL[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",

    [SQL_LISTENER_ADD] = "INSERT OR IGNORE INTO listener (incarnation, seen_at) VALUES (?1, ?2)",
    [SQL_LISTENERS_CLOSE_OTHERS] =
        "UPDATE listener SET closed_at = ?2 WHERE incarnation <> ?1 AND closed_at IS NULL",
    [SQL_ASSOCIATION_END] = "INSERT OR IGNORE INTO ended (listener, association, ended_at) VALUES (?1, ?2, ?3)",
    [SQL_ASSOCIATION_IS_OVER] =
        "SELECT EXISTS (SELECT 1 FROM ended WHERE listener = ?1 AND association = ?2)"
        " OR EXISTS (SELECT 1 FROM listener WHERE incarnation = ?1 AND closed_at IS NOT NULL)",
    [SQL_SENDING_ADD] = "INSERT OR IGNORE INTO sending (reception, listener, association) VALUES (?1, ?2, ?3)",
    [SQL_SENDING_ANY] = "SELECT 1 FROM sending WHERE reception = ?1 LIMIT 1",
    [SQL_SENDING_END] = "DELETE FROM sending WHERE listener = ?1 AND association = ?2 RETURNING reception",
    [SQL_SENDING_END_OTHERS] = "DELETE FROM sending WHERE listener <> ?1 RETURNING reception",

    [SQL_RECEPTION_FIND_OPEN] = "SELECT " RECEPTION_COLUMNS " FROM reception"
                                " WHERE calling_ae = ?1 AND series_uid = ?2 AND state = 'receiving'",
    [SQL_RECEPTION_BEGIN] = "INSERT INTO reception (calling_ae, series_uid, began_at, traceparent, done)"
                            " VALUES (?1, ?2, ?3, nullif(?4, ''), iif(?5, 0, NULL))",
    [SQL_RECEPTION_SET_FIRST] = "UPDATE reception SET folder = ?2, series = ?3 WHERE id = ?1",
    [SQL_RECEPTION_SET_COUNTS] = "UPDATE reception SET files = ?2, elsewhere = max(elsewhere, ?3) WHERE id = ?1",
    [SQL_RECEPTION_FIND_ALL_OPEN] = "SELECT " RECEPTION_COLUMNS " FROM reception WHERE state = 'receiving'",
    [SQL_RECEPTION_ADD_ERROR] = "UPDATE reception SET errors = errors + 1 WHERE id = ?1 RETURNING errors",
    [SQL_RECEPTION_FIND_ABANDONED] =
        "SELECT id FROM reception WHERE state = 'receiving' AND quiet_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM sending WHERE reception = reception.id) LIMIT 1",
    /* A note is about files that are there. */
    [SQL_RECEPTION_STIR] = "UPDATE reception SET quiet_at = NULL, note = NULL WHERE id = ?1",
    /* Receptions that hold the locks of their series: all but the left ones. */
    [SQL_RECEPTION_FIND_SHARING] = "SELECT " RECEPTION_COLUMNS " FROM reception WHERE state IN ('receiving', 'due')"
                                   " AND folder IS NOT NULL AND (state = 'receiving' OR note IS NULL)",
    [SQL_RECEPTION_FIND_LEAVING] = "SELECT " RECEPTION_COLUMNS " FROM reception WHERE state IN ('receiving', 'due')"
                                   " AND folder IS NOT NULL AND note IS NULL ORDER BY id DESC LIMIT ?1",
    [SQL_RECEPTION_NOTE] = "UPDATE reception SET note = ?2 WHERE id = ?1",
    [SQL_RECEPTION_READ] = "SELECT " RECEPTION_COLUMNS " FROM reception WHERE id = ?1",
    [SQL_RECEPTION_ELSEWHERE] = "SELECT " ELSEWHERE_OF_PAGE " FROM reception AS page WHERE id = ?1",
    [SQL_RECEPTION_SETTLE] = "UPDATE reception SET state = iif(?2 IS NULL, 'due', 'refused'), why = ?2,"
                             " ended_at = ?3, settled_at = iif(?2 IS NULL, NULL, ?3), quiet_at = NULL,"
                             " done = iif(done = 0 AND ?2 IS NOT NULL, ?3, done) WHERE id = ?1",

    /* An association that has ended asks for a wait of ?2, and says why. */
    [SQL_QUIET_AFTER] = "UPDATE reception SET"
                        " why = iif(quiet_ms > ?2, replace(why, 'the last', 'an earlier'), ?3),"
                        " quiet_ms = max(ifnull(quiet_ms, 0), ?2) WHERE id = ?1 AND state = 'receiving'",
    [SQL_QUIET_FORGET] = "UPDATE reception SET quiet_ms = NULL, why = NULL"
                         " WHERE id = ?1 AND state = 'receiving' AND quiet_ms IS NOT NULL",
    [SQL_QUIET_BEGIN] = "UPDATE reception SET quiet_at = ?2 WHERE id = ?1 AND state = 'receiving'"
                        " AND quiet_ms > 0 RETURNING series_uid, quiet_ms, ifnull(why, '')",
    [SQL_QUIET_FIND_OVER] = "SELECT id" FROM_QUIET " AND " QUIET_UNTIL " <= ?1 UNION ALL"
                            " SELECT id" FROM_QUIET " AND " QUIET_UNTIL " > ?2 LIMIT 1",
    [SQL_QUIET_NEXT] = "SELECT " QUIET_UNTIL FROM_QUIET " AND " QUIET_UNTIL " > 0 ORDER BY " QUIET_UNTIL " LIMIT 1",
    [SQL_QUIET_RESUME] = "UPDATE reception SET quiet_at = ?1 WHERE " QUIET " AND " QUIET_UNTIL " <= ?1",

    /* Of a published reception and its followers; in characters. */
    [SQL_ERROR_ADD] = "INSERT INTO error (reception, text) SELECT id, substr(?2, 1, ?3) FROM reception"
                      " WHERE id IN (SELECT ?1 UNION ALL " FOLLOWERS ") AND done IS NOT NULL",
    [SQL_ERRORS_READ] = "SELECT text FROM error WHERE reception = ?1 ORDER BY id",
    [SQL_ERRORS_GATHER] =
        "SELECT json_group_array(text) FROM (SELECT text FROM error WHERE reception = ?1 ORDER BY id)",
    /* Of the followers of ?1: the heir of each says it. */
    [SQL_ERRORS_PASS_ON] =
        "UPDATE error SET reception = " HEIR_OF("error.reception") " WHERE reception IN (" FOLLOWERS ")",
    [SQL_DONES_PASS_ON] =
        "UPDATE reception SET done = NULL WHERE id IN (" FOLLOWERS ") AND id <> " HEIR_OF("reception.id"),
    [SQL_ERRORS_FORGET] = "DELETE FROM error WHERE reception = ?1",
    /* Dones due from ?1 to ?2. */
    [SQL_DONES_FIND] = "SELECT " RECEPTION_COLUMNS " FROM reception INDEXED BY reception_done"
                       " WHERE done >= ?1 AND done <= ?2 ORDER BY done LIMIT ?3",
    [SQL_DONE_TAKEN] = "UPDATE reception SET done = NULL WHERE id = ?1",
    [SQL_DONE_FOLLOWS] = "UPDATE reception SET done = ?2, ndicom = (SELECT ndicom FROM reception WHERE id = ?1)"
                         " WHERE id IN (" FOLLOWERS ")",
    [SQL_DONE_DUE] = "UPDATE reception SET done = ?2 WHERE id = ?1 AND done = 0",
    /* So long after the broker's confirm. Series with an inquiry have state 'registered' and done 0. */
    [SQL_DONES_FALL_BACK] = "UPDATE reception SET done = max(1, ifnull(settled_at, 0) + ?1)"
                            " WHERE done = 0 AND state = 'registered'",
    [SQL_DONES_FALL_BACK_UNASKED] =
        "UPDATE reception SET done = max(1, ifnull(settled_at, 0) + ?1) WHERE done = 0 AND state = 'registered'"
        " AND id IN (SELECT reception FROM inquiry WHERE state = 'waiting' AND since <= ?2 AND asked = 0)",

    /* The oldest after ?1, and the next after the folder ?1, that may be sent: its time (?2, clock_ms of this run)
     * has come. By folder, all that wait for one folder are passed over in one step. */
    [SQL_DUE_FIND_OLDEST] =
        "SELECT id, folder FROM reception AS due WHERE state = 'due' AND id > ?1 AND retry_ms <= ?2" MAY_BE_SENT
        " ORDER BY id LIMIT 1",
    [SQL_DUE_FIND_BY_FOLDER] =
        "SELECT id, folder FROM reception AS due INDEXED BY reception_due_folder"
        " WHERE state = 'due' AND folder > ?1 AND retry_ms <= ?2" MAY_BE_SENT " ORDER BY folder LIMIT 1",
    [SQL_DUE_STILL] = "SELECT 1 FROM reception AS due WHERE state = 'due' AND id = ?1" MAY_BE_SENT,
    [SQL_DUE_FIND_OLDER] = "SELECT older.id FROM reception AS older JOIN reception AS newer"
                           " USING (series_uid, folder)"
                           " WHERE newer.id = ?1 AND older.id < ?1 AND older.state = 'due' ORDER BY older.id DESC",
    [SQL_DUE_MERGE] =
        "UPDATE reception SET state = 'merged', settled_at = ?3, why = 'merged into ' || ?2 WHERE id = ?1",
    [SQL_DUE_TAKE_SERIES] = "UPDATE reception SET series = (SELECT series FROM reception WHERE id = ?2),"
                            " done = ifnull(done, (SELECT done FROM reception WHERE id = ?2)) WHERE id = ?1",
    [SQL_DUE_REGISTERED] = "UPDATE reception SET state = 'registered', settled_at = ?2, task_id = ?3, ndicom = ?4, "
                           "why = NULL, done = iif(done = 0, ?5, done) WHERE id = ?1",
    [SQL_DUE_REFUSED] = "UPDATE reception SET state = 'refused', settled_at = ?2, why = ?3,"
                        " done = iif(done = 0, ?2, NULL) WHERE id = ?1",
    [SQL_DUE_LEFT] = "UPDATE reception SET note = coalesce(?2, note, ''), retry_ms = ?3, why = ?4 WHERE id = ?1",
    /* ?4: when done is to be said; 0: the other replica says it. */
    [SQL_DUE_ELSEWHERE] = "UPDATE reception SET state = 'merged', settled_at = ?2, why = ?3,"
                          " done = iif(done = 0, nullif(?4, 0), NULL), note = NULL WHERE id = ?1",
    [SQL_DUE_REJECTED] = "UPDATE reception SET attempts = ?2, retry_ms = ?3, why = ?4 WHERE id = ?1",
    [SQL_DUE_FORGET_RETRIES] = "UPDATE reception SET retry_ms = 0 WHERE state = 'due'",
    [SQL_KNOWN_FIND] = "SELECT since FROM known WHERE folder = ?1",
    [SQL_KNOWN_LEARN] = "INSERT INTO known (folder, since, used_at) VALUES (?1, ?2, ?3)"
                        " ON CONFLICT (folder) DO UPDATE SET used_at = excluded.used_at",
    [SQL_KNOWN_RELEASE] = "UPDATE known SET since = ?2 WHERE folder = ?1 AND since = 9223372036854775807",
    [SQL_KNOWN_RELEASE_ALL] = "UPDATE known SET since = ?1 WHERE since = 9223372036854775807 AND used_at <= ?2",
    [SQL_KNOWN_FORGET] = "DELETE FROM known WHERE folder = ?1 AND since = 9223372036854775807",

    [SQL_INQUIRY_BEGIN] =
        "INSERT INTO inquiry (reception, since, next_at, ticket, clock) VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (reception) DO UPDATE SET state = 'waiting', since = ?2, asked = 0, next_at = ?3, ticket = "
        "?4,"
        " clock = ?5, left_at = NULL",
    /* inquiry_last_t (rows.h). */
    [SQL_INQUIRY_LAST] = "SELECT ifnull(max(ticket), 0), ifnull(max(clock), 0) FROM inquiry",
    /* inquiry_row_t (rows.h), of the due ones (?1, and not later than ?2: the clock may have been set back). */
    [SQL_INQUIRY_FIND] = "SELECT reception.id, asked, ifnull(left_at, -1), resent, ndicom, series"
                         " FROM inquiry JOIN reception ON reception.id = inquiry.reception"
                         " WHERE inquiry.state = 'waiting' AND reception.state = 'registered'"
                         " AND (next_at <= ?1 OR next_at > ?2) ORDER BY next_at LIMIT ?3",
    [SQL_INQUIRY_LEFT_QUEUE] = "UPDATE inquiry SET left_at = ?2, next_at = min(next_at, ?3), asked = min(asked, 1)"
                               " WHERE state = 'waiting' AND left_at IS NULL AND ticket <= ?1",
    [SQL_INQUIRY_ASKED] = "UPDATE inquiry SET asked = asked + 1, next_at = ?2, clock = ?3 WHERE reception = ?1",
    [SQL_INQUIRY_PUT_OFF] = "UPDATE inquiry SET next_at = ?2 WHERE reception = ?1",
    [SQL_INQUIRY_END] =
        "UPDATE inquiry SET state = ?2, has = ?3, asked = asked + 1 WHERE reception = ?1 AND state = 'waiting'",
    /* Earlier lost or short ones of the same folder. */
    [SQL_INQUIRY_SUPERSEDE] =
        "UPDATE inquiry SET state = 'confirmed' WHERE state IN ('short', 'lost') AND reception IN"
        " (SELECT older.id FROM reception AS older JOIN reception AS newer USING (series_uid, folder)"
        "  WHERE newer.id = ?1 AND older.id < ?1)",
    [SQL_INQUIRY_RESEND] = "UPDATE inquiry SET resent = resent + 1 WHERE reception = ?1",
    [SQL_INQUIRY_RESENT] = "SELECT resent FROM inquiry WHERE reception = ?1",
    [SQL_INQUIRY_OLDEST] =
        "SELECT since FROM inquiry JOIN reception ON reception.id = inquiry.reception"
        " WHERE inquiry.state = 'waiting' AND reception.state = 'registered' ORDER BY since LIMIT 1",
    [SQL_INQUIRY_UNANSWERED] =
        "SELECT 1 FROM inquiry WHERE state = 'waiting' AND since <= ?1 AND asked = 0 LIMIT 1",
    [SQL_DUE_AGAIN] =
        "UPDATE reception SET state = 'due', settled_at = NULL, retry_ms = ?2, why = ?3 WHERE id = ?1",

    /* Ring__StateCount. */
    [SQL_STATUS_STATES] =
        "SELECT state, sum(n) FROM (SELECT state, count(*) AS n FROM reception GROUP BY state"
        " UNION ALL SELECT 'waiting', count(*)" FROM_QUIET " UNION ALL SELECT 'receiving', -count(*)" FROM_QUIET
        " UNION ALL SELECT 'left', count(*)" FROM_LEFT " UNION ALL SELECT 'due', -count(*)" FROM_LEFT
        " UNION ALL SELECT 'registered', -count(*) FROM inquiry WHERE state <> 'waiting'"
        " UNION ALL SELECT state, count(*) FROM inquiry WHERE state <> 'waiting' GROUP BY state)"
        " GROUP BY state HAVING sum(n) > 0 LIMIT ?1",
    [SQL_STATUS_OLDEST_DUE] = "SELECT " RECEPTION_COLUMNS " FROM reception WHERE state = 'due' AND note IS NULL"
                              " ORDER BY id LIMIT 1",
    [SQL_RECEPTION_LAST] = "SELECT max(id) FROM reception",
    [SQL_PAGE_IN_RANGE] = RECEPTION_PAGE(" AND ?8 = ''"),
    [SQL_PAGE_OF_SERIES] = RECEPTION_PAGE(" AND series_uid = ?8"),
    [SQL_PAGE_MATCHING] = RECEPTION_PAGE(" AND (instr(series_uid, ?8) > 0 OR calling_ae = ?8 COLLATE NOCASE"
                                         " OR task_id = ?8 OR CAST(id AS TEXT) = ?8)"),
    [SQL_RESEND_FIND] = "SELECT max(id) FROM reception WHERE series_uid = ?1 AND (?2 = '' OR calling_ae = ?2)"
                        " AND folder IS NOT NULL AND state <> 'merged' GROUP BY folder LIMIT ?3",
    /* 2: under way, 1: registered, 0: neither. */
    [SQL_REGISTER_FIND] = "SELECT ifnull(max(iif(state = 'registered', 1, 2 * (state IN ('receiving', 'due')))), 0)"
                          " FROM reception WHERE series_uid = ?1 AND (folder = ?2 OR folder IS NULL)",
    [SQL_REGISTER_ADD] = "INSERT INTO reception (calling_ae, series_uid, state, folder, series, files, began_at,"
                         " ended_at) VALUES (?1, ?2, 'due', ?3, ?4, ?5, ?6, ?6)",

    /* Of no listener: it closes nothing and expires by itself. */
    [SQL_JOURNAL_TRY] = "INSERT OR REPLACE INTO listener (incarnation, seen_at, closed_at) VALUES (0, ?1, ?1)",

    /* Before ?1, ?2 rows at most. */
    [SQL_ASSOCIATION_EXPIRE] =
        "DELETE FROM ended WHERE (listener, association) IN"
        " (SELECT listener, association FROM ended INDEXED BY ended_at WHERE ended_at < ?1 LIMIT ?2)",
    [SQL_LISTENER_EXPIRE] = "DELETE FROM listener WHERE closed_at < ?1",
    [SQL_RECEPTION_EXPIRE] = "DELETE FROM reception WHERE id IN (SELECT id FROM reception"
                             " INDEXED BY reception_settled WHERE settled_at < ?1 LIMIT ?2)",
    [SQL_REFUSAL_EXPIRE] = "DELETE FROM reception WHERE id IN (SELECT id FROM reception"
                           " INDEXED BY reception_nothing WHERE state = 'refused' AND files = 0 AND done IS NULL"
                           " AND settled_at < ?1 ORDER BY settled_at LIMIT ?2)",
    /* The oldest that neither NATS nor CUBE waits for. */
    [SQL_RECEPTION_FORGET] = "DELETE FROM reception WHERE id IN (SELECT id FROM reception"
                             " INDEXED BY reception_settled WHERE settled_at < ?1 AND done IS NULL AND NOT EXISTS"
                             " (SELECT 1 FROM inquiry WHERE reception = id AND inquiry.state = 'waiting')"
                             " ORDER BY settled_at LIMIT ?2)",
    [SQL_PAGE_COUNT] = "PRAGMA page_count",
    [SQL_PAGES_FREE] = "PRAGMA freelist_count",
    [SQL_DONES_CANCEL] = "UPDATE reception SET done = NULL WHERE done IS NOT NULL",
    [SQL_ERRORS_CANCEL] = "DELETE FROM error",
    [SQL_KNOWN_EXPIRE] = "DELETE FROM known WHERE folder IN (SELECT folder FROM known ORDER BY used_at"
                         " LIMIT max(0, (SELECT count(*) FROM known) - ?1))",

    /* Those that were merged into a due one of another title will be so again. */
    [SQL_LEFT_READ] = "SELECT " RECEPTION_COLUMNS " FROM reception WHERE state IN ('receiving', 'due')"
                      " OR (state = 'merged' AND done = 0 AND EXISTS (SELECT 1 FROM reception AS newer"
                      " WHERE newer.state = 'due' AND newer.series_uid = reception.series_uid"
                      " AND newer.folder = reception.folder AND newer.id > reception.id)) ORDER BY id",
    [SQL_LEFT_FORGET] = "DELETE FROM reception WHERE state IN ('receiving', 'due')",
    [SQL_ADOPT] =
        "INSERT OR IGNORE INTO reception (calling_ae, series_uid, state, folder, series, files, elsewhere, errors,"
        " began_at, ended_at, attempts, adopted_from, adopted_id, why, settled_at, done, note)"
        " VALUES (?1, ?2, iif(?13 IS NULL, 'due', 'refused'), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
        " iif(?13 IS NULL, NULL, ?9), iif(?14, iif(?13 IS NULL, 0, ?9), NULL), ?15)",
    /* Its wait is ?12 ms, for the reason ?13. */
    [SQL_ADOPT_OPEN] =
        "INSERT OR IGNORE INTO reception (calling_ae, series_uid, folder, series, files, elsewhere, errors,"
        " began_at, adopted_from, adopted_id, quiet_at, quiet_ms, why, done, note)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, iif(?14, 0, NULL), ?15)",
    [SQL_ADOPT_ERRORS] =
        "INSERT INTO error (reception, text) SELECT reception.id, value FROM reception, json_each(?2)"
        " WHERE reception.id = ?1 AND done IS NOT NULL",
};
