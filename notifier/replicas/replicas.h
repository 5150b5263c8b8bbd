/* Several notifiers on one storage: who registers a series that more than one of them receives. Locks and notes lie
 * in storage (series_locks.h), which a thread asks; the loop hears the answers as events. Questions are answered
 * one after the other. Nothing is kept here across a restart: the journal does that. */
#ifndef NOTIFIER_REPLICAS_REPLICAS_H
#define NOTIFIER_REPLICAS_REPLICAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/settings.h"
#include "notifier/replicas/series_locks.h"

/* What says why there are no locks. */
#define REPLICAS_WHY_BYTES 160

typedef struct replicas replicas_t;

/* Starts the thread, which restricts its own files: to be called before ours are, since a thread inherits that.
 * NULL after logging why. */
replicas_t *replicas_new(const settings_t *settings);
/* Ends the thread, and lets go of everything. False: it waits for storage and stays behind, with all that is its
 * own, for as long as the kernel keeps it. */
bool replicas_destroy(replicas_t **self_p) __attribute__((warn_unused_result));

/* Readable when replicas_receive has something. */
int replicas_descriptor(const replicas_t *replicas);

/* What replicas know a series by, whose folder is below SERVICES/PACS/NAME/; and a reception of it. */
uint64_t replicas_series(const char *folder, const char *series_uid);
series_id_t replicas_id(const char *calling_ae, const char *series_uid, const char *folder);

/* Whether the lock of its series is shared for a reception; the first call has it shared. Always, where there are
 * no locks, or `replicas` is NULL. */
bool replicas_share(replicas_t *replicas, int64_t reception, uint64_t series);
/* Whether its lock has been asked for, and is not there yet. */
bool replicas_is_awaited(const replicas_t *replicas, int64_t reception);
/* A reception is due: who registers it? The answer is a decision. `note`: of the reception, NULL where it was not
 * left before; it is copied. */
void replicas_decide(replicas_t *replicas, int64_t reception, series_id_t id, const char *note);
/* Leaves it, since this process ends. */
void replicas_leave(replicas_t *replicas, int64_t reception, series_id_t id);
/* Its registration is confirmed, and the journal has that. */
void replicas_registered(replicas_t *replicas, int64_t reception);
/* It is over in another way. Nothing happens where it shares no lock. */
void replicas_let_go(replicas_t *replicas, int64_t reception);

typedef struct replicas_answer {
    bool shared; /* the answer to replicas_share; else to replicas_decide or replicas_leave */
    int64_t reception;
    decision_t decision;
    bool late;  /* storage was silent for STORAGE_SILENCE_MS between question and answer */
    char *note; /* of a reception that is left now; the receiver's; NULL: none was made */
} replicas_answer_t;

/* Takes an answer, without waiting; false: there is none. */
bool replicas_receive(replicas_t *replicas, replicas_answer_t *answer);

/* Whether storage keeps the thread waiting, for a second at least. For any thread. */
bool replicas_are_held_up(replicas_t *replicas);
/* Whether the sandbox keeps this process from the folder of now; another process would be let in. For any thread.
 */
bool replicas_locked_out(const replicas_t *replicas);
/* Whether there are locks that other replicas see, in `why` why not. For any thread. */
bool replicas_have_locks(replicas_t *replicas, char *why, size_t size);

#endif
