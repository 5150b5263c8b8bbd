#include "notifier/journal/reception.h"

#include "common/log.h"
#include "common/memory.h"
#include "notifier/cube/registration.h"
#include "notifier/journal/dones.h"

bool reception_stored_usable(const Ring__Stored *stored) {
    const Ring__Series *series = stored->series;
    return stored->object && stored->object->listener && series && *series->series_instance_uid &&
           *series->folder && *stored->file;
}

bool reception_refused_usable(const Ring__Refused *refused) {
    return refused->object && refused->object->listener && refused->status != 0;
}

/* --- events -------------------------------------------------------------------------------------------- */

/* Acknowledges an object that the journal knows already. */
static bool acknowledge_known(journal_t *journal, owed_t *owed, const Ring__ObjectId *id) {
    bool known = false;
    sqlite3_stmt *rows = journal_query(journal, SQL_EVENT_FIND, VALUES(NUMBER(id->listener), NUMBER(id->object)));
    for (Ring__ObjectAck *ack; (ack = rows_next_message(journal, rows, &ring__object_ack__descriptor));) {
        known = true;
        owed_acknowledge_object(owed, id, ack->status, ack->offending_element, ack->error_comment);
        ring__object_ack__free_unpacked(ack, NULL);
    }
    return known;
}

/* Journals the event itself; `reception` 0: it belongs to none. */
static void add_event(journal_t *journal, owed_t *owed, const Ring__ObjectId *id, int64_t reception,
                      uint32_t status, uint32_t offending_element, const char *error_comment) {
    journal_run(journal, SQL_EVENT_ADD,
                VALUES(NUMBER(id->listener), NUMBER(id->object), NUMBER(reception), NUMBER(status),
                       NUMBER(offending_element), TEXT(error_comment), NUMBER(journal_now())));
    owed_acknowledge_object(owed, id, status, offending_element, error_comment);
}

/* --- who sends what ------------------------------------------------------------------------------------ */

/* The reception of an association's series where that is known without the journal; 0: it is not. */
static int64_t find_joined(const journal_t *journal, const Ring__Stored *stored) {
    for (size_t i = 0; i < journal->joined_count; i++) {
        const joined_t *joined = &journal->joined[i];
        if (joined->association == stored->object->association && joined->listener == stored->object->listener &&
            strcmp(joined->series_uid, stored->series->series_instance_uid) == 0 &&
            strcmp(joined->calling_ae, stored->calling_ae) == 0)
            return joined->reception;
    }
    return 0;
}

/* Takes the place of the one that has been there for longest where there is no room. */
static void remember_joined(journal_t *journal, const Ring__Stored *stored, int64_t reception) {
    joined_t *joined = &journal->joined[journal->joined_next];
    if (journal->joined_count == JOINED_MAX) {
        free(joined->calling_ae);
        free(joined->series_uid);
    } else {
        journal->joined_count++;
    }
    journal->joined_next = (journal->joined_next + 1) % JOINED_MAX;
    *joined = (joined_t){stored->object->listener, stored->object->association, copy_text(stored->calling_ae),
                         copy_text(stored->series->series_instance_uid), reception};
}

/* The open reception of the series, begun if there is none, with the event's association among its senders unless
 * that has ended. `has_first`: a file of it has been stored. 0: the transaction broke. */
static int64_t join(journal_t *journal, owed_t *owed, const Ring__ObjectId *id, const char *calling_ae,
                    const char *series_uid, const char *traceparent, bool *has_first) {
    int64_t reception = 0, now = journal_now();
    bool quiet = false;
    *has_first = false;
    reception_row_t row = {0};
    sqlite3_stmt *rows =
        journal_query(journal, SQL_RECEPTION_FIND_OPEN, VALUES(TEXT(calling_ae), TEXT(series_uid)));
    while (rows_next_reception(journal, rows, &row)) {
        reception = row.id;
        *has_first = row.folder != NULL;
        quiet = row.quiet;
    }
    if (quiet)
        journal_run(journal, SQL_RECEPTION_STIR, VALUES(NUMBER(reception)));
    if (!reception && journal_run(journal, SQL_RECEPTION_BEGIN,
                                  VALUES(TEXT(calling_ae), TEXT(series_uid), NUMBER(now), TEXT(traceparent),
                                         NUMBER(journal->says_progress))) == 1)
        reception = sqlite3_last_insert_rowid(journal->db);
    journal_run(journal, SQL_LISTENER_ADD, VALUES(NUMBER(id->listener), NUMBER(now)));
    if (journal_number(journal, SQL_ASSOCIATION_IS_OVER, VALUES(NUMBER(id->listener), NUMBER(id->association)), 0))
        owed_mark_late(owed);
    else
        journal_run(journal, SQL_SENDING_ADD,
                    VALUES(NUMBER(reception), NUMBER(id->listener), NUMBER(id->association)));
    return reception;
}

/* The first stored instance gives the registration its folder and tags. */
static void set_first(journal_t *journal, int64_t reception, const Ring__Series *series) {
    size_t size = ring__series__get_packed_size(series);
    uint8_t *packed = must(malloc(size + 1));
    ring__series__pack(series, packed);
    journal_run(journal, SQL_RECEPTION_SET_FIRST,
                VALUES(NUMBER(reception), TEXT(series->folder), BYTES(packed, size)));
    free(packed);
}

/* The same with a file in it. */
static int64_t join_with_file(journal_t *journal, owed_t *owed, const Ring__Stored *stored) {
    bool has_first;
    int64_t reception = find_joined(journal, stored);
    if (reception)
        return reception;
    reception = join(journal, owed, stored->object, stored->calling_ae, stored->series->series_instance_uid,
                     stored->traceparent, &has_first);
    if (!has_first)
        set_first(journal, reception, stored->series);
    if (reception && !owed_has_late(owed))
        remember_joined(journal, stored, reception);
    return reception;
}

bool reception_on_stored(journal_t *journal, owed_t *owed, const Ring__Stored *stored) {
    const Ring__Series *series = stored->series;
    if (acknowledge_known(journal, owed, stored->object))
        return false;
    owed_trace(owed, stored->traceparent, stored->span);
    int64_t reception = join_with_file(journal, owed, stored);
    if (journal_run(journal, SQL_FILE_ADD, VALUES(NUMBER(reception), TEXT(series->folder), TEXT(stored->file))) ==
        1) {
        int64_t files =
            journal_number(journal, SQL_RECEPTION_ADD_FILE, VALUES(NUMBER(reception), TEXT(series->folder)), 0);
        owed_count(owed, reception, stored->calling_ae, series->series_instance_uid, (uint32_t)files);
    }
    add_event(journal, owed, stored->object, reception, 0, 0, "");
    return true;
}

/* What the LONK error says: the writer's reason, else at least something. */
static const char *reason_of(const Ring__Refused *refused) {
    return *refused->reason ? refused->reason : *refused->error_comment ? refused->error_comment : "not stored";
}

bool reception_on_refused(journal_t *journal, owed_t *owed, const Ring__Refused *refused) {
    int64_t reception = 0;
    bool has_first;
    if (acknowledge_known(journal, owed, refused->object))
        return false;
    owed_trace(owed, refused->traceparent, refused->span);
    /* Without a series there is nothing that could end or be registered. */
    if (!*refused->series_instance_uid) {
        owed_error(owed, refused->calling_ae, reason_of(refused));
    } else {
        reception = join(journal, owed, refused->object, refused->calling_ae, refused->series_instance_uid,
                         refused->traceparent, &has_first);
        if (journal_number(journal, SQL_RECEPTION_ADD_ERROR, VALUES(NUMBER(reception)), 0) <= DONES_ERRORS_MAX)
            dones_add_error(journal, reception, "%s", reason_of(refused));
    }
    add_event(journal, owed, refused->object, reception, refused->status, refused->offending_element,
              refused->error_comment);
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

/* What is said at the end, and how the reception goes on. */
static void settle(journal_t *journal, owed_t *owed, const reception_row_t *ending) {
    char *why = reception_problem(ending);
    if (ending->errors > DONES_ERRORS_MAX)
        dones_add_error(journal, ending->id, "%lld further errors of this series are left out",
                        (long long)(ending->errors - DONES_ERRORS_MAX));
    if (ending->elsewhere > 0)
        dones_add_error(
            journal, ending->id,
            "%lld of %lld files of this series are in another folder than its first file and are not registered",
            (long long)ending->elsewhere, (long long)ending->files);
    if (why && ending->files > 0) {
        log_error(NULL, "series %s can't be registered: %s", ending->series_uid, why);
        dones_add_error(journal, ending->id, "this series can't be registered: %s", why);
    }
    owed_end(owed, ending->id, ending->calling_ae, ending->series_uid, (uint32_t)ending->files);
    log_info(NULL, "series %s was received: %lld files, %lld errors", ending->series_uid, (long long)ending->files,
             (long long)ending->errors);
    journal_run(journal, SQL_RECEPTION_SETTLE, VALUES(NUMBER(ending->id), TEXT(why), NUMBER(journal_now())));
    journal_run(journal, SQL_FILES_FORGET, VALUES(NUMBER(ending->id)));
    free(why);
}

static void end_reception(journal_t *journal, owed_t *owed, int64_t reception) {
    journal_forget_joined(journal);
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(journal, SQL_RECEPTION_READ, VALUES(NUMBER(reception)));
    while (rows_next_reception(journal, rows, &row))
        if (row.receiving)
            settle(journal, owed, &row);
}

/* Ends the reception if it is open and nobody sends to it any more; with OXIDICOM_SERIES_QUIET, its quiet begins.
 */
static void end_if_over(journal_t *journal, owed_t *owed, int64_t reception) {
    if (journal_number(journal, SQL_SENDING_ANY, VALUES(NUMBER(reception)), 0))
        return;
    if (journal->series_quiet_ms > 0)
        journal_run(journal, SQL_RECEPTION_QUIET, VALUES(NUMBER(reception), NUMBER(journal_now())));
    else
        end_reception(journal, owed, reception);
}

void reception_on_association_ended(journal_t *journal, owed_t *owed, uint64_t listener, uint64_t association) {
    journal_forget_joined(journal);
    journal_run(journal, SQL_ASSOCIATION_END, VALUES(NUMBER(listener), NUMBER(association), NUMBER(journal_now())));
    int64_t reception;
    sqlite3_stmt *rows = journal_query(journal, SQL_SENDING_END, VALUES(NUMBER(listener), NUMBER(association)));
    while (rows_next_number(journal, rows, &reception))
        end_if_over(journal, owed, reception);
    owed_acknowledge_end(owed, listener, association);
}

void reception_close_other_listeners(journal_t *journal, owed_t *owed, uint64_t listener) {
    journal_forget_joined(journal);
    journal_run(journal, SQL_LISTENERS_CLOSE_OTHERS, VALUES(NUMBER(listener), NUMBER(journal_now())));
    int64_t reception;
    sqlite3_stmt *rows = journal_query(journal, SQL_SENDING_END_OTHERS, VALUES(NUMBER(listener)));
    while (rows_next_number(journal, rows, &reception))
        end_if_over(journal, owed, reception);
}

void reception_end_abandoned(journal_t *journal, owed_t *owed) {
    if (!owed_has_late(owed))
        return;
    for (int64_t id; (id = journal_number(journal, SQL_RECEPTION_FIND_ABANDONED, NULL, 0, 0)) != 0;)
        end_if_over(journal, owed, id);
}

bool reception_end_quiet(journal_t *journal, owed_t *owed) {
    bool any = false;
    int64_t now = journal_now(), id;
    while ((id = journal_number(journal, SQL_RECEPTION_FIND_QUIET,
                                VALUES(NUMBER(now), NUMBER(journal->series_quiet_ms)), 0)) != 0) {
        end_reception(journal, owed, id);
        any = true;
    }
    return any;
}
