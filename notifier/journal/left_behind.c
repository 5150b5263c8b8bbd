#include "notifier/journal/left_behind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/same_file.h"
#include "notifier/journal/journal_file.h"

struct left_behind {
    char *host; /* the name of its folder */
    char *folder, *path;
    journal_t journal; /* ours as long as its lock is */
    reception_row_t *rows;
    size_t rows_count;
};

/* Half of it would look like all of it: false. */
static bool read_rows(left_behind_t *left) {
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(&left->journal, SQL_LEFT_READ, NULL, 0);
    while (rows_next_reception(&left->journal, rows, &row)) {
        left->rows = grown(left->rows, left->rows_count, sizeof *left->rows);
        left->rows[left->rows_count++] = row;
        row = (reception_row_t){0}; /* it is ours */
    }
    for (size_t i = 0; i < left->rows_count; i++) {
        rows = journal_query(&left->journal, SQL_ERRORS_GATHER, VALUES(NUMBER(left->rows[i].id)));
        for (char *text; (text = rows_next_text(&left->journal, rows));)
            left->rows[i].errors_json = text; /* the only one */
    }
    sqlite3_progress_handler(left->journal.db, 0, NULL, NULL); /* the read may take its time */
    return !left->journal.broken;
}

const char *left_behind_host(const left_behind_t *left) {
    return left->host;
}

const reception_row_t *left_behind_rows(const left_behind_t *left, size_t *count) {
    *count = left->rows_count;
    return left->rows;
}

/* --- files ----------------------------------------------------------------------------------------------- */

/* Removes the journal while it is locked. Who waits for the lock finds nothing to take over, and no file. */
static void remove_files(left_behind_t *left) {
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path = format_text("%s%s", left->path, suffixes[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            log_warn(NULL, "can't remove %s: %s", path, strerror(errno));
        free(path);
    }
    /* A folder that holds something else, a damaged journal perhaps, stays. */
    if (rmdir(left->folder) != 0 && errno != ENOTEMPTY && errno != EEXIST)
        log_warn(NULL, "can't remove %s: %s", left->folder, strerror(errno));
}

/* First the rows are durable elsewhere, then they go here, then the file: a crash between two of these steps
 * repeats the ones before, which changes nothing. */
void left_behind_release(left_behind_t **self_p, bool taken_over) {
    left_behind_t *left = *self_p;
    if (!left)
        return;
    if (taken_over) {
        journal_run(&left->journal, SQL_LEFT_FORGET, NULL, 0);
        if (journal_commit(&left->journal) == 0)
            remove_files(left);
    }
    journal_close(&left->journal);
    for (size_t i = 0; i < left->rows_count; i++)
        rows_forget(&left->rows[i]);
    free(left->rows);
    free(left->host);
    free(left->folder);
    free(left->path);
    free(left);
    *self_p = NULL;
}

/* --- looking for them ------------------------------------------------------------------------------------ */

static bool is_same_file(const char *a, const char *b) {
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && same_file(&sa, &sb);
}

/* Whether a notifier of this user can have made it: a link could lead to a file of somebody else's. Where storage
 * shows all files as somebody else's, it does so with the folder of all, too. */
static bool may_be_trusted(const left_behind_t *left, const char *place) {
    struct stat all, folder, file;
    return stat(place, &all) == 0 && lstat(left->folder, &folder) == 0 && S_ISDIR(folder.st_mode) &&
           lstat(left->path, &file) == 0 && S_ISREG(file.st_mode) &&
           (file.st_uid == geteuid() || file.st_uid == all.st_uid);
}

/* Whether there is a journal, and not our own. SQLite holds a lock of the whole process while it looks at a file
 * that it opens, so that our own journal could not be closed if storage stopped to answer then: here a network file
 * system asks its server, just before. */
static bool is_worth_a_look(const left_behind_t *left, const char *place, const char *own) {
    if (!may_be_trusted(left, place) || is_same_file(left->path, own))
        return false;
    int probe = open(left->path, O_RDONLY | O_CLOEXEC);
    if (probe >= 0)
        close(probe);
    return true;
}

static bool open_locked(left_behind_t *left) {
    bool in_use = false;
    if (journal_open_left_behind(&left->journal, left->path, &in_use) && read_rows(left))
        return true;
    if (left->journal.damaged && !left->journal.open)
        (void)!journal_file_set_aside(left->path); /* has said so */
    else if (!in_use)
        log_warn(NULL, "the journal that host %s left behind can't be taken over", left->host);
    return false;
}

/* The folder of one host. */
static left_behind_t *look_at(const char *place, const char *host, const char *own) {
    left_behind_t *left = must(calloc(1, sizeof *left));
    left->host = copy_text(host);
    left->folder = format_text("%s/%s", place, host);
    left->path = format_text("%s/" JOURNAL_FILE_NAME, left->folder);
    if (!is_worth_a_look(left, place, own) || !open_locked(left))
        left_behind_release(&left, false);
    return left;
}

void left_behind_end_walk(left_walk_t *walk) {
    if (walk->listing)
        closedir(walk->listing);
    walk->listing = NULL;
}

left_behind_t *left_behind_next(left_walk_t *walk, const char *files_root, const char *own) {
    left_behind_t *left = NULL;
    char *place = format_text("%s/" JOURNAL_FALLBACK, files_root);
    if (!walk->listing)
        walk->listing = opendir(place); /* most sites have none */
    for (struct dirent *entry; !left && walk->listing && (entry = readdir(walk->listing));)
        if (entry->d_name[0] != '.')
            left = look_at(place, entry->d_name, own);
    if (!left)
        left_behind_end_walk(walk);
    free(place);
    return left;
}
