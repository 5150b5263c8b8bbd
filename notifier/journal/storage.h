/* The thread that may wait for storage (OXIDICOM_FILES_ROOT). A network file system holds up every caller while
 * its server is away, so the loop never calls it: it asks here, and hears the answer as an event. Questions are
 * answered one after the other. Nothing is kept here across a restart: the journal does that. */
#ifndef NOTIFIER_JOURNAL_STORAGE_H
#define NOTIFIER_JOURNAL_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"
#include "common/settings.h"
#include "notifier/cube/registration.h"
#include "notifier/journal/left_behind.h"

typedef struct storage storage_t;

/* Starts the thread, which restricts its own files: to be called before ours are, since a thread inherits that.
 * NULL after logging why. */
storage_t *storage_new(const settings_t *settings);
/* Ends the thread. False: it waits for storage and stays behind, with all that is its own, for as long as the
 * kernel keeps it: the process should end without waiting for it. */
bool storage_destroy(storage_t **self_p) __attribute__((warn_unused_result));

/* Other storage is there than at the start, and the sandbox keeps this process from it. For any thread. */
bool storage_locked_out(const storage_t *storage);

/* Readable when storage_receive has something. */
int storage_descriptor(const storage_t *storage);

/* Counts the files of a registration (registration_count_files). Takes it; it comes back. */
void storage_count(storage_t *storage, registration_t **registration_p);
/* Lists the names of the `.dcm` files in the folder of a reception (heard_name). */
void storage_list(storage_t *storage, int64_t reception, const char *folder);
/* Looks for another host's journal (left_behind.h), after releasing the previous one, if given; takes that. `own`:
 * the path of our own journal. */
void storage_look(storage_t *storage, const char *own, left_behind_t **before_p, bool taken_over);

/* One answer: to storage_count where `registration` is set, to storage_list where `names` is, else to storage_look.
 */
typedef struct storage_answer {
    uint64_t *names; /* the receiver's now, to be freed; not NULL though there may be none */
    size_t names_count;
    int64_t reception;
    registration_t *registration; /* the receiver's now */
    bool late;                    /* storage was silent for STORAGE_SILENCE_MS between question and answer */
    left_behind_t *left;          /* the receiver's, to be given back by storage_look; NULL: no further one */
} storage_answer_t;

/* Takes an answer, without waiting; false: there is none. */
bool storage_receive(storage_t *storage, storage_answer_t *answer);

/* How long storage has left the thread waiting, if at least STORAGE_SILENCE_MS; 0: it answers. For any thread. */
int64_t storage_silent_ms(storage_t *storage);
/* The same in words; "" where it answers. */
void storage_why(int64_t silent_ms, char *text, size_t size);
/* Says in the log that storage is silent, with how many registrations wait for it, and that it answers again. Call
 * it now and then. */
void storage_say(storage_t *storage, size_t registrations);

#endif
