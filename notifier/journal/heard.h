/* The notifier's memory of open associations and receptions: their objects and series, and the number of distinct
 * files. Custody rests on the journal; this is for progress, for the end of an association after its last events,
 * and to ask the journal about a series once. After a restart it is empty, and the files of open receptions are
 * counted in storage once. */
#ifndef NOTIFIER_JOURNAL_HEARD_H
#define NOTIFIER_JOURNAL_HEARD_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ring.pb-c.h"

/* An ended association waits so long for the writers' events of its last objects. */
#define HEARD_END_WAIT_MS 2000
/* An association's events are remembered so long after its end: repeated ones are not taken for new. */
#define HEARD_KEPT_MS 10000
/* Slots for objects and files of all that is open, of 8 bytes. Beyond that each counts, though it may come twice.
 */
#define HEARD_NUMBERS_MAX (2 * 1024 * 1024)
/* Associations, and series of each; the journal is asked about each message of further ones. */
#define HEARD_ASSOCIATIONS_MAX 16384
#define HEARD_SERIES_MAX       16384

typedef struct heard heard_t;

heard_t *heard_new(void);
void heard_destroy(heard_t **self_p);
/* All of it: the journal did not take what this rests on. */
void heard_forget(heard_t *heard);

/* --- receptions: their files --- */

/* An open reception, unless it is known. `files`: that the journal had of it before this process; where there are
 * any, its folder is to be counted. */
void heard_open(heard_t *heard, int64_t reception, int64_t files);
bool heard_knows(heard_t *heard, int64_t reception);
void heard_close(heard_t *heard, int64_t reception);
/* A file of it; whether it is new. `elsewhere`: not in the reception's own folder. */
bool heard_file(heard_t *heard, int64_t reception, const char *folder, const char *file, bool elsewhere);
int64_t heard_files(heard_t *heard, int64_t reception);
int64_t heard_elsewhere(heard_t *heard, int64_t reception);
/* What a file is called here. */
uint64_t heard_name(const char *folder, const char *file);
/* A reception with a folder to count that was not asked for yet; 0: none. */
int64_t heard_next_uncounted(heard_t *heard);
/* The names of the files in its folder. */
void heard_counted(heard_t *heard, int64_t reception, const uint64_t *names, size_t count);

/* An SQL function: counted(reception, 'files' or 'elsewhere', otherwise). Its user data is the heard, or NULL. */
void heard_sql_counted(sqlite3_context *context, int count, sqlite3_value **values);

/* --- associations: their objects --- */

typedef struct heard_series {
    uint64_t listener, association, token;
} heard_series_t;

/* The open reception of an association's series, and whether its folder is another than the reception's; 0: ask
 * the journal. */
int64_t heard_reception(heard_t *heard, const heard_series_t *series, bool *elsewhere);
void heard_join(heard_t *heard, const heard_series_t *series, int64_t reception, bool elsewhere);
/* An object of the series was stored; whether that is new. */
bool heard_stored(heard_t *heard, const heard_series_t *series, uint64_t object);
/* An object of the association (the token is ignored) was refused; whether that is new, and it was not stored by
 * another attempt. */
bool heard_refused(heard_t *heard, const heard_series_t *series, uint64_t object);

/* The association has ended at the listener; returns whether all that its writers have said was heard. */
bool heard_end(heard_t *heard, const Ring__AssociationEnded *ended, int64_t now_ms);
/* Whether it has ended at the listener, and now all was heard. */
bool heard_all(heard_t *heard, uint64_t listener, uint64_t association);
/* The next that has waited for too long; false: none has. */
bool heard_next_overdue(heard_t *heard, int64_t now_ms, uint64_t *listener, uint64_t *association);
/* It has ended in the journal. */
void heard_over(heard_t *heard, uint64_t listener, uint64_t association, int64_t now_ms);
void heard_others_over(heard_t *heard, uint64_t listener, int64_t now_ms);
bool heard_is_over(heard_t *heard, uint64_t listener, uint64_t association);
/* How it has ended at the listener. */
Ring__Ending heard_ending(heard_t *heard, uint64_t listener, uint64_t association);
/* Forgets associations that ended long ago. Call it now and then. */
void heard_beat(heard_t *heard, int64_t now_ms);

#endif
