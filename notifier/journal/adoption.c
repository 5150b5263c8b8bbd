#include "notifier/journal/adoption.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "notifier/cube/registration.h"
#include "notifier/journal/journal_file.h"

/* A journal that somebody has left behind, and is ours as long as its lock is. */
typedef struct left {
    const char *host; /* the name of its folder */
    char *folder, *path;
    journal_t journal;
} left_t;

/* --- rows ------------------------------------------------------------------------------------------------ */

/* Why a row can't be registered, NULL: it can. Free it. */
static char *why_not(const void *packed, size_t size) {
    Ring__Series *series = packed ? ring__series__unpack(NULL, size, packed) : NULL;
    char *why = series ? registration_problem(series)
                       : strdup(packed ? "its tags can't be read back from the journal" : "nothing was stored");
    if (!series && !why)
        abort();
    ring__series__free_unpacked(series, NULL);
    return why;
}

/* The associations that sent to an open reception are gone with their listener; clients still wait for its end. */
static void say_the_end(batch_t *batch, sqlite3_stmt *row, const char *why) {
    const char *calling_ae = (const char *)sqlite3_column_text(row, 0),
               *series_uid = (const char *)sqlite3_column_text(row, 1);
    int64_t files = sqlite3_column_int64(row, 5);
    char *text;
    if (why && files > 0 && asprintf(&text, "this series can't be registered: %s", why) >= 0) {
        batch_error(batch, calling_ae, series_uid, text);
        free(text);
    }
    /* Numbers of receptions are from 1: no reception of ours is meant. */
    batch_done(batch, 0, calling_ae, series_uid, (uint32_t)files);
}

/* Takes over one row, unless an attempt before this one, that did not come to its end, has. */
static bool adopt_row(journal_t *journal, batch_t *batch, sqlite3_stmt *row) {
    const void *series = sqlite3_column_blob(row, 4);
    size_t size = (size_t)sqlite3_column_bytes(row, 4);
    bool receiving = strcmp((const char *)sqlite3_column_text(row, 2), "receiving") == 0;
    int64_t ended_at = sqlite3_column_type(row, 9) == SQLITE_NULL ? journal_now() : sqlite3_column_int64(row, 9);
    char *why = why_not(series, size);
    int added = journal_run(
        journal, SQL_ADOPT,
        VALUES(TEXT(sqlite3_column_text(row, 0)), TEXT(sqlite3_column_text(row, 1)),
               TEXT(sqlite3_column_text(row, 3)), BYTES(series, size), NUMBER(sqlite3_column_int64(row, 5)),
               NUMBER(sqlite3_column_int64(row, 6)), NUMBER(sqlite3_column_int64(row, 7)),
               NUMBER(sqlite3_column_int64(row, 8)), NUMBER(ended_at), NUMBER(sqlite3_column_int64(row, 10)),
               TEXT(sqlite3_column_text(row, 11)), NUMBER(sqlite3_column_int64(row, 12)), TEXT(why)));
    if (added == 1 && receiving)
        say_the_end(batch, row, why);
    free(why);
    return added == 1;
}

/* Copies what is unsettled. Returns how many rows are new here; -1: nothing was copied. */
static int copy(journal_t *journal, batch_t *batch, left_t *left) {
    int count = 0;
    sqlite3_stmt *row = journal_query(&left->journal, SQL_LEFT_READ, VALUES(TEXT(left->host)));
    while (journal_row(&left->journal, row))
        count += adopt_row(journal, batch, row);
    bool read = !left->journal.broken;
    if (!read && journal->open)
        journal->broken = true; /* half of it would look like all of it */
    if (journal_commit(journal) == 0 && read)
        return count;
    batch_drop(batch);
    return -1;
}

/* --- files ----------------------------------------------------------------------------------------------- */

/* Removes the journal while it is locked. Who waits for the lock finds nothing to take over, and no file. */
static void remove_files(left_t *left) {
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path;
        if (asprintf(&path, "%s%s", left->path, suffixes[i]) < 0)
            abort();
        if (unlink(path) != 0 && errno != ENOENT)
            log_warn(NULL, "can't remove %s: %s", path, strerror(errno));
        free(path);
    }
    /* A folder that holds something else, a damaged journal perhaps, stays. */
    if (rmdir(left->folder) != 0 && errno != ENOTEMPTY && errno != EEXIST)
        log_warn(NULL, "can't remove %s: %s", left->folder, strerror(errno));
}

/* First the rows are durable here, then they go there, then the file: a crash between two of these steps repeats
 * the ones before, which changes nothing. */
static bool adopt(journal_t *journal, batch_t *batch, left_t *left) {
    int count = copy(journal, batch, left);
    if (count < 0)
        return false;
    journal_run(&left->journal, SQL_LEFT_FORGET, NULL, 0);
    if (journal_commit(&left->journal) == 0)
        remove_files(left);
    if (count > 0)
        log_warn(NULL, "the journal that host %s left behind is taken over: %d series", left->host, count);
    return count > 0;
}

/* --- looking for them ------------------------------------------------------------------------------------ */

static bool is_same_file(const char *a, const char *b) {
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The folder of one host. */
static bool look_at(journal_t *journal, batch_t *batch, const char *place, const char *host) {
    left_t left = {.host = host};
    struct stat s;
    bool adopted = false, in_use = false;
    if (asprintf(&left.folder, "%s/%s", place, host) < 0 ||
        asprintf(&left.path, "%s/" JOURNAL_FILE_NAME, left.folder) < 0)
        abort();
    if (lstat(left.path, &s) == 0 && S_ISREG(s.st_mode) && !is_same_file(left.path, journal->path)) {
        if (journal_open_left_behind(&left.journal, left.path, &in_use))
            adopted = adopt(journal, batch, &left);
        else if (left.journal.damaged)
            (void)!journal_file_set_aside(left.path); /* has said so */
        else if (!in_use)
            log_warn(NULL, "the journal that host %s left behind can't be taken over", host);
        journal_close(&left.journal);
    }
    free(left.path);
    free(left.folder);
    return adopted;
}

bool adoption_beat(adoption_t *adoption, journal_t *journal, batch_t *batch, const char *files_root) {
    if (clock_ms() < adoption->next_ms)
        return false;
    char *place;
    bool any = false;
    if (asprintf(&place, "%s/" JOURNAL_FALLBACK, files_root) < 0)
        abort();
    DIR *listing = opendir(place); /* most sites have none */
    for (struct dirent *entry; !any && listing && (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            any = look_at(journal, batch, place, entry->d_name);
    /* One at a time, so that what is owed for it is settled before the next. */
    adoption->next_ms = any ? 0 : clock_ms() + ADOPTION_INTERVAL_MS;
    if (listing)
        closedir(listing);
    free(place);
    return any;
}
