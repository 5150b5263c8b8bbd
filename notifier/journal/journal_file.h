/* Where the journal's file lies, and how a damaged one is put out of the way. */
#ifndef NOTIFIER_JOURNAL_JOURNAL_FILE_H
#define NOTIFIER_JOURNAL_JOURNAL_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/settings.h"

#define JOURNAL_FILE_NAME "journal.sqlite3"
/* Below the files root: a folder for each host that can't write its OXIDICOM_STATE_DIR. */
#define JOURNAL_FALLBACK ".oxidicom/state"

/* The folder to use, made if need be: settings->state_dir, or where that can't be written, the host's one below the
 * files root, which may be on a network file system (`network`). Free it. NULL after logging that there is none. */
char *journal_folder(const settings_t *settings, bool *network);

/* Makes the folder that journal_folder will choose, as far as it can be made; says nothing. Returns whether that is
 * the one below the files root: storage is not looked at otherwise. */
bool journal_file_make_folder(const settings_t *settings);

/* Takes the journal for this process, by a lock on a file beside it; others may still read the journal. Returns the
 * descriptor to close, or -1: another has it (EWOULDBLOCK), or errno says why. */
int journal_file_lock(const char *path);

/* Renames the file and SQLite's files beside it: a suffix says when. False, after logging why, where the name is
 * still taken. */
bool journal_file_set_aside(const char *path);

/* Forces the entry of the journal and of the folders above it to the disk. False after logging why that failed. */
bool journal_file_sync_folders(const char *path) __attribute__((warn_unused_result));

#endif
