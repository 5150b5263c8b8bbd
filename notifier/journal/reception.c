#include "notifier/journal/reception.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/message.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "notifier/cube/registration.h"
#include "notifier/journal/dones.h"
#include "notifier/journal/quiet.h"

bool reception_stored_usable(const Ring__Stored *stored) {
    const Ring__Series *series = stored->series;
    for (size_t i = 0; i < stored->n_objects; i++)
        if (!*stored->objects[i]->file)
            return false;
    return stored->listener && stored->token && stored->n_objects && series && *series->series_instance_uid &&
           *series->folder;
}

bool reception_refused_usable(const Ring__Refused *refused) {
    return refused->object && refused->object->listener && refused->status != 0;
}

/* --- who sends what ------------------------------------------------------------------------------------ */

typedef struct sender {
    uint64_t listener, association;
    const char *calling_ae, *series_uid, *traceparent;
} sender_t;

static bool is_over(journal_t *journal, uint64_t listener, uint64_t association) {
    return journal_number(journal, SQL_ASSOCIATION_IS_OVER, VALUES(NUMBER(listener), NUMBER(association)), 0) != 0;
}

/* The open reception of the series, begun if there is none, with the association among its senders unless it has
 * ended: then its event is `late`. `folder`: of the reception, NULL where no file of it has been stored; free it.
 * 0: the transaction broke. */
static int64_t join(journal_t *journal, owed_t *owed, const sender_t *sender, char **folder, bool *late) {
    int64_t reception = 0, files = 0, now = journal_now();
    bool quiet = false, noted = false;
    *folder = NULL;
    reception_row_t row = {0};
    sqlite3_stmt *rows =
        journal_query(journal, SQL_RECEPTION_FIND_OPEN, VALUES(TEXT(sender->calling_ae), TEXT(sender->series_uid)));
    while (rows_next_reception(journal, rows, &row)) {
        reception = row.id;
        free(*folder);
        *folder = row.folder ? copy_text(row.folder) : NULL;
        quiet = row.quiet;
        noted = row.note != NULL;
        files = row.files;
    }
    if (quiet || noted)
        journal_run(journal, SQL_RECEPTION_STIR, VALUES(NUMBER(reception)));
    if (!reception && journal_run(journal, SQL_RECEPTION_BEGIN,
                                  VALUES(TEXT(sender->calling_ae), TEXT(sender->series_uid), NUMBER(now),
                                         TEXT(sender->traceparent), NUMBER(journal->says_progress))) == 1)
        reception = sqlite3_last_insert_rowid(journal->db);
    if (reception)
        heard_open(journal->heard, reception, files);
    journal_run(journal, SQL_LISTENER_ADD, VALUES(NUMBER(sender->listener), NUMBER(now)));
    *late = is_over(journal, sender->listener, sender->association);
    if (*late)
        owed_mark_late(owed);
    else if (journal_run(journal, SQL_SENDING_ADD,
                         VALUES(NUMBER(reception), NUMBER(sender->listener), NUMBER(sender->association))) > 0)
        quiet_on_join(journal, reception);
    return reception;
}

/* The first stored instance gives the registration its folder and tags. */
static void set_first(journal_t *journal, int64_t reception, const Ring__Series *series) {
    size_t size;
    uint8_t *packed = message_pack(&series->base, &size);
    journal_run(journal, SQL_RECEPTION_SET_FIRST,
                VALUES(NUMBER(reception), TEXT(series->folder), BYTES(packed, size)));
    free(packed);
}

static void end_association(journal_t *journal, owed_t *owed, uint64_t listener, uint64_t association,
                            Ring__Ending ending);

/* Ends an ending association once all its writers were heard. */
static void end_if_all_is_heard(journal_t *journal, owed_t *owed, uint64_t listener, uint64_t association) {
    if (heard_all(journal->heard, listener, association))
        end_association(journal, owed, listener, association, heard_ending(journal->heard, listener, association));
}

/* --- stored -------------------------------------------------------------------------------------------- */

static void count_files(journal_t *journal, owed_t *owed, int64_t reception, const Ring__Stored *stored,
                        bool elsewhere) {
    bool any = false;
    for (size_t i = 0; i < stored->n_objects; i++)
        any |= heard_file(journal->heard, reception, stored->series->folder, stored->objects[i]->file, elsewhere);
    if (any)
        owed_count(owed, reception, stored->calling_ae, stored->series->series_instance_uid,
                   (uint32_t)heard_files(journal->heard, reception));
}

static void write_counts(journal_t *journal, int64_t reception) {
    journal_run(journal, SQL_RECEPTION_SET_COUNTS,
                VALUES(NUMBER(reception), NUMBER(heard_files(journal->heard, reception)),
                       NUMBER(heard_elsewhere(journal->heard, reception))));
}

static void say_open(owed_t *owed, const Ring__Stored *stored, int64_t reception) {
    owed_open(owed, stored->listener, stored->association, stored->token, reception,
              replicas_series(stored->series->folder, stored->series->series_instance_uid));
}

/* The association's promise goes to the journal: its files in this folder will be registered. An ended one can
 * promise nothing any more. */
static void open_series(journal_t *journal, owed_t *owed, const Ring__Stored *stored,
                        const heard_series_t *series) {
    sender_t sender = {stored->listener, stored->association, stored->calling_ae,
                       stored->series->series_instance_uid, stored->traceparent};
    char *folder;
    bool late;
    if (journal->room == ROOM_NONE) {
        journal->turned_away = true; /* its objects wait, and are sent again or answered A700 */
        return;
    }
    for (size_t i = 0; i < stored->n_objects; i++)
        owed_trace(owed, stored->traceparent, stored->objects[i]->span);
    int64_t reception = join(journal, owed, &sender, &folder, &late);
    if (!folder)
        set_first(journal, reception, stored->series);
    bool elsewhere = folder && strcmp(folder, stored->series->folder) != 0;
    count_files(journal, owed, reception, stored, elsewhere);
    write_counts(journal, reception);
    free(folder);
    if (late)
        return;
    say_open(owed, stored, reception);
    heard_join(journal->heard, series, reception, elsewhere);
}

bool reception_on_stored(journal_t *journal, owed_t *owed, const Ring__Stored *stored) {
    heard_series_t series = {stored->listener, stored->association, stored->token};
    bool fresh = false, again = false, elsewhere;
    for (size_t i = 0; i < stored->n_objects; i++) {
        fresh |= heard_stored(journal->heard, &series, stored->objects[i]->object);
        again |= stored->objects[i]->attempt > 1;
    }
    /* Of an association that is over, this is what an earlier attempt had to say. */
    if (!fresh && heard_is_over(journal->heard, stored->listener, stored->association))
        return false;
    int64_t reception = heard_reception(journal->heard, &series, &elsewhere);
    if (!reception)
        open_series(journal, owed, stored, &series);
    else
        count_files(journal, owed, reception, stored, elsewhere);
    /* The listener may wait to hear that it is open: after a redelivery, or because it has forgotten. */
    if (reception && again)
        say_open(owed, stored, reception);
    end_if_all_is_heard(journal, owed, stored->listener, stored->association);
    return fresh;
}

/* --- refused ------------------------------------------------------------------------------------------- */

/* What the LONK error says: the writer's reason, else at least something. */
static const char *reason_of(const Ring__Refused *refused) {
    return *refused->reason ? refused->reason : *refused->error_comment ? refused->error_comment : "not stored";
}

bool reception_on_refused(journal_t *journal, owed_t *owed, const Ring__Refused *refused) {
    const Ring__ObjectId *id = refused->object;
    char *folder;
    bool late;
    if (!heard_refused(journal->heard, &(heard_series_t){id->listener, id->association, 0}, id->object))
        return false;
    owed_trace(owed, refused->traceparent, refused->span);
    /* Without a series there is nothing that could end or be registered; without room it is said at once. */
    if (!*refused->series_instance_uid || journal->room == ROOM_NONE) {
        owed_error(owed, refused->calling_ae, reason_of(refused));
    } else {
        sender_t sender = {id->listener, id->association, refused->calling_ae, refused->series_instance_uid,
                           refused->traceparent};
        int64_t reception = join(journal, owed, &sender, &folder, &late);
        free(folder);
        if (journal_number(journal, SQL_RECEPTION_ADD_ERROR, VALUES(NUMBER(reception)), 0) <= DONES_ERRORS_MAX)
            dones_add_error(journal, reception, "%s", reason_of(refused));
    }
    end_if_all_is_heard(journal, owed, id->listener, id->association);
    return true;
}

/* --- the end ------------------------------------------------------------------------------------------- */

char *reception_problem(const reception_row_t *row) {
    Ring__Series *series = rows_series(row);
    char *why = series ? registration_problem(series)
                       : copy_text(row->series || row->files ? ROWS_UNREADABLE : "nothing was stored");
    ring__series__free_unpacked(series, NULL);
    return why;
}

/* CUBE knows one folder of a series, so these files are on no page of its. */
static void say_elsewhere(journal_t *journal, const reception_row_t *ending) {
    int64_t files = journal_number(journal, SQL_RECEPTION_ELSEWHERE, VALUES(NUMBER(ending->id)), 0);
    if (files == 0)
        return;
    metric_add(METRIC_FILES_ELSEWHERE, NULL, (uint64_t)files);
    log_warn(NULL, "series %s: %lld %s, and CUBE shows one folder of a series", ending->series_uid,
             (long long)files,
             plural((uint64_t)files, "file of it lies in another folder", "files of it lie in other folders"));
}

/* The last messages, and the reception's next state. */
static void finish(journal_t *journal, owed_t *owed, const reception_row_t *ending) {
    char *why = reception_problem(ending);
    const char *is = plural((uint64_t)ending->elsewhere, "is", "are");
    if (ending->errors > DONES_ERRORS_MAX)
        dones_add_error(journal, ending->id, "%lld further %s left out",
                        (long long)(ending->errors - DONES_ERRORS_MAX),
                        plural((uint64_t)(ending->errors - DONES_ERRORS_MAX), "error of this series is",
                               "errors of this series are"));
    if (ending->elsewhere > 0)
        dones_add_error(
            journal, ending->id,
            "%lld of %lld %s of this series %s in another folder than its first file and %s not registered",
            (long long)ending->elsewhere, (long long)ending->files,
            plural((uint64_t)ending->files, "file", "files"), is, is);
    if (why && ending->files > 0) {
        log_error(NULL, "series %s can't be registered: %s", ending->series_uid, why);
        dones_add_error(journal, ending->id, "this series can't be registered: %s", why);
    }
    owed_end(owed, ending->id, ending->calling_ae, ending->series_uid, (uint32_t)ending->files);
    log_info(NULL, "series %s was received: %lld %s heard of, %lld %s", ending->series_uid,
             (long long)ending->files, plural((uint64_t)ending->files, "file", "files"), (long long)ending->errors,
             plural((uint64_t)ending->errors, "error", "errors"));
    if (heard_knows(journal->heard, ending->id))
        write_counts(journal, ending->id);
    say_elsewhere(journal, ending);
    journal_run(journal, SQL_RECEPTION_SETTLE, VALUES(NUMBER(ending->id), TEXT(why), NUMBER(journal_now())));
    heard_close(journal->heard, ending->id);
    if (why)
        owed_let_go(owed, ending->id);
    free(why);
}

/* The one place where the wait of an open reception ends. From here on it waits for nobody: it is due, and the
 * registrar has its folder counted. Later files of the series are another reception. */
static void end_reception(journal_t *journal, owed_t *owed, int64_t reception) {
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(journal, SQL_RECEPTION_READ, VALUES(NUMBER(reception)));
    while (rows_next_reception(journal, rows, &row))
        if (row.receiving)
            finish(journal, owed, &row);
}

/* An association that sent the reception has ended. Where nobody sends it any more, its wait begins. */
static void end_sending(journal_t *journal, owed_t *owed, int64_t reception, Ring__Ending ending) {
    quiet_on_end(journal, reception, ending);
    if (journal_number(journal, SQL_SENDING_ANY, VALUES(NUMBER(reception)), 0))
        return;
    if (!quiet_begin(journal, owed, reception))
        end_reception(journal, owed, reception);
    else if (heard_knows(journal->heard, reception))
        write_counts(journal, reception); /* for people who look after a restart */
}

static void end_association(journal_t *journal, owed_t *owed, uint64_t listener, uint64_t association,
                            Ring__Ending ending) {
    heard_over(journal->heard, listener, association, clock_ms());
    journal_run(journal, SQL_ASSOCIATION_END, VALUES(NUMBER(listener), NUMBER(association), NUMBER(journal_now())));
    int64_t reception;
    sqlite3_stmt *rows = journal_query(journal, SQL_SENDING_END, VALUES(NUMBER(listener), NUMBER(association)));
    while (rows_next_number(journal, rows, &reception))
        end_sending(journal, owed, reception, ending);
    owed_acknowledge_end(owed, listener, association);
}

/* What writers have said of its last objects may come after its end: without it the last counts would be wrong. */
void reception_on_association_ended(journal_t *journal, owed_t *owed, const Ring__AssociationEnded *ended) {
    if (heard_end(journal->heard, ended, clock_ms()) || is_over(journal, ended->listener, ended->association))
        end_association(journal, owed, ended->listener, ended->association, ended->ending);
}

bool reception_end_overdue(journal_t *journal, owed_t *owed) {
    bool any = false;
    for (uint64_t listener, association; heard_next_overdue(journal->heard, clock_ms(), &listener, &association);
         any = true) {
        log_context_t context = {.association = association};
        log_info(&context, "ended before all its events arrived: counts may be too low");
        end_association(journal, owed, listener, association, heard_ending(journal->heard, listener, association));
    }
    heard_beat(journal->heard, clock_ms());
    return any;
}

void reception_load(journal_t *journal) {
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(journal, SQL_RECEPTION_FIND_ALL_OPEN, NULL, 0);
    while (rows_next_reception(journal, rows, &row))
        heard_open(journal->heard, row.id, row.files);
    (void)!journal_commit(journal); /* of nothing, or of waits that begin anew: they may be over, then */
}

char *reception_next_uncounted(journal_t *journal, int64_t *reception) {
    char *folder = NULL;
    reception_row_t row = {0};
    while (!folder && (*reception = heard_next_uncounted(journal->heard)) != 0) {
        sqlite3_stmt *rows = journal_query(journal, SQL_RECEPTION_READ, VALUES(NUMBER(*reception)));
        while (rows_next_reception(journal, rows, &row)) {
            free(folder);
            folder = row.folder ? copy_text(row.folder) : NULL;
        }
    }
    (void)!journal_commit(journal); /* of nothing */
    return folder;
}

void reception_close_other_listeners(journal_t *journal, owed_t *owed, uint64_t listener) {
    heard_others_over(journal->heard, listener, clock_ms());
    journal_run(journal, SQL_LISTENERS_CLOSE_OTHERS, VALUES(NUMBER(listener), NUMBER(journal_now())));
    int64_t reception;
    sqlite3_stmt *rows = journal_query(journal, SQL_SENDING_END_OTHERS, VALUES(NUMBER(listener)));
    while (rows_next_number(journal, rows, &reception))
        end_sending(journal, owed, reception, RING__ENDING__ENDING_LISTENER_DIED);
}

void reception_end_abandoned(journal_t *journal, owed_t *owed) {
    if (!owed_has_late(owed))
        return;
    for (int64_t id; (id = journal_number(journal, SQL_RECEPTION_FIND_ABANDONED, NULL, 0, 0)) != 0;)
        end_sending(journal, owed, id, RING__ENDING__ENDING_UNKNOWN);
}

bool reception_end_waits(journal_t *journal, owed_t *owed) {
    bool any = false;
    for (int64_t id; (id = quiet_find_over(journal)) != 0; any = true)
        end_reception(journal, owed, id);
    return any;
}
