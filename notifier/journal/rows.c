#include "notifier/journal/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static char *text_at(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? copy_text(text) : NULL;
}

void rows_forget(reception_row_t *row) {
    free(row->calling_ae);
    free(row->series_uid);
    free(row->folder);
    free(row->traceparent);
    free(row->adopted_from);
    free(row->series);
    free(row->errors_json);
    free(row->why);
    free(row->note);
    *row = (reception_row_t){0};
}

bool rows_next_reception(journal_t *journal, sqlite3_stmt *statement, reception_row_t *row) {
    rows_forget(row);
    if (!journal_row(journal, statement))
        return false;
    row->id = sqlite3_column_int64(statement, 0);
    row->number = sqlite3_column_int64(statement, 1);
    row->adopted_from = text_at(statement, 2);
    row->calling_ae = text_at(statement, 3);
    row->series_uid = text_at(statement, 4);
    row->receiving = sqlite3_column_int64(statement, 5) != 0;
    row->quiet = sqlite3_column_int64(statement, 6) != 0;
    row->folder = text_at(statement, 7);
    row->files = sqlite3_column_int64(statement, 8);
    row->elsewhere = sqlite3_column_int64(statement, 9);
    row->errors = sqlite3_column_int64(statement, 10);
    row->began_at = sqlite3_column_int64(statement, 11);
    row->ended_at = sqlite3_column_int64(statement, 12);
    row->attempts = sqlite3_column_int64(statement, 13);
    row->traceparent = text_at(statement, 14);
    const void *series = sqlite3_column_blob(statement, 15);
    row->series_size = (size_t)sqlite3_column_bytes(statement, 15);
    row->series = series ? memcpy(must(malloc(row->series_size)), series, row->series_size) : NULL;
    row->owes_done = sqlite3_column_int64(statement, 16) != 0;
    row->quiet_ms = sqlite3_column_int64(statement, 17);
    row->why = text_at(statement, 18);
    row->note = text_at(statement, 19);
    row->ndicom = sqlite3_column_int64(statement, 20);
    return true;
}

Ring__Series *rows_series(const reception_row_t *row) {
    return row->series ? ring__series__unpack(NULL, row->series_size, row->series) : NULL;
}

void *rows_next_message(journal_t *journal, sqlite3_stmt *statement, const ProtobufCMessageDescriptor *descriptor) {
    if (!journal_row(journal, statement))
        return NULL;
    assert(sqlite3_column_count(statement) == (int)descriptor->n_fields);
    char *message = must(malloc(descriptor->sizeof_message));
    descriptor->message_init((ProtobufCMessage *)message);
    for (int i = 0; i < (int)descriptor->n_fields; i++) {
        void *field = message + descriptor->fields[i].offset;
        ProtobufCType type = descriptor->fields[i].type;
        if (type == PROTOBUF_C_TYPE_STRING)
            *(char **)field = copy_text((const char *)sqlite3_column_text(statement, i));
        else if (type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_BOOL)
            *(uint32_t *)field = (uint32_t)sqlite3_column_int64(statement, i);
        else if (type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64)
            *(int64_t *)field = sqlite3_column_int64(statement, i);
        else
            assert(!"a field of a kind that no column has");
    }
    return message;
}

bool rows_next_inquiry(journal_t *journal, sqlite3_stmt *statement, inquiry_row_t *row) {
    if (row->series)
        ring__series__free_unpacked(row->series, NULL);
    *row = (inquiry_row_t){0};
    if (!journal_row(journal, statement))
        return false;
    row->reception = sqlite3_column_int64(statement, 0);
    row->asked = sqlite3_column_int64(statement, 1);
    row->left_ms = sqlite3_column_int64(statement, 2);
    row->resent = sqlite3_column_int64(statement, 3);
    row->ndicom = sqlite3_column_int64(statement, 4);
    const void *series = sqlite3_column_blob(statement, 5);
    row->series = series ? ring__series__unpack(NULL, (size_t)sqlite3_column_bytes(statement, 5), series) : NULL;
    return true;
}

bool rows_next_ticket(journal_t *journal, sqlite3_stmt *statement, int64_t *ticket, int64_t *clock) {
    if (!journal_row(journal, statement))
        return false;
    *ticket = sqlite3_column_int64(statement, 0);
    *clock = sqlite3_column_int64(statement, 1);
    return true;
}

bool rows_next_wait(journal_t *journal, sqlite3_stmt *statement, char **series_uid, int64_t *ms, char **why) {
    if (!journal_row(journal, statement))
        return false;
    *series_uid = text_at(statement, 0);
    *ms = sqlite3_column_int64(statement, 1);
    *why = text_at(statement, 2);
    return true;
}

char *rows_next_text(journal_t *journal, sqlite3_stmt *statement) {
    return journal_row(journal, statement) ? text_at(statement, 0) : NULL;
}

bool rows_next_folder(journal_t *journal, sqlite3_stmt *statement, int64_t *number, char **folder) {
    if (!journal_row(journal, statement))
        return false;
    *number = sqlite3_column_int64(statement, 0);
    *folder = copy_text((const char *)sqlite3_column_text(statement, 1));
    return true;
}

bool rows_next_number(journal_t *journal, sqlite3_stmt *statement, int64_t *number) {
    if (!journal_row(journal, statement))
        return false;
    *number = sqlite3_column_int64(statement, 0);
    return true;
}
