/* What this replica holds of the series that it receives, and who registers one: the part of replicas.h that
 * touches storage. For the thread that may wait for it. The rule, which a model explores
 * (tests/faults/replica_model.c):
 *
 * A reception shares the lock of its series before it is called open, and holds it until its registration is
 * confirmed. The lock's byte is a hash of the PACS' name and the series, which CUBE keys a series by: titles that
 * are sanitised to one name have one folder of it.
 *
 * A reception that is due tries for the lock alone. If no other replica holds it, the series is registered here.
 * Else the reception is left: it makes a note, lets go, and tries once more. Who gets the lock, registers.
 *
 * A left reception tries again now and then. If it gets the lock and its note is marked, another replica has
 * registered the series; without a mark, it is registered here. The mark says whether that was for the same
 * calling AE title: else done is still to be said here.
 *
 * Who registers looks for notes about the folder before the files are counted, and marks these once the
 * registration is confirmed. */
#ifndef NOTIFIER_REPLICAS_SERIES_LOCKS_H
#define NOTIFIER_REPLICAS_SERIES_LOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Below the files root. */
#define REPLICAS_FOLDER ".oxidicom/replicas"

/* How a reception goes on. */
typedef enum decision {
    DECISION_REGISTER,
    DECISION_LEFT,       /* to another replica that receives the series */
    DECISION_REGISTERED, /* by another replica, which says done */
    DECISION_COVERED,    /* the same, but for another title */
} decision_t;

/* A reception, as replicas know it: hashes. */
typedef struct series_id {
    uint64_t lock;   /* PACS' name and series */
    uint64_t sender; /* calling AE title, as in the subject of progress messages, and series */
    uint64_t place;  /* folder */
} series_id_t;

typedef struct series_locks series_locks_t;

/* REPLICAS_FOLDER is made again, with this mode, where it was removed. */
series_locks_t *series_locks_new(const char *files_root, mode_t folder_mode);
void series_locks_destroy(series_locks_t **self_p);

/* Why there are no locks that other replicas see; "": there are. Valid until the next call of any of these. */
const char *series_locks_why(const series_locks_t *locks);

/* Whether the sandbox, which knows the REPLICAS_FOLDER of the start, keeps this process from making or using that
 * of now. */
bool series_locks_locked_out(const series_locks_t *locks);

/* Shares the lock of a series for a reception. False: another replica holds it alone for a moment; ask again. */
bool series_locks_share(series_locks_t *locks, int64_t reception, uint64_t series)
    __attribute__((warn_unused_result));
/* A reception is due. `note`: its note, if it was left before, or NULL; the caller's. `*made`: its note if it is
 * left now; free it; NULL: none could be made. */
decision_t series_locks_decide(series_locks_t *locks, int64_t reception, const series_id_t *id, const char *note,
                               char **made);
/* Its registration is confirmed. */
void series_locks_registered(series_locks_t *locks, int64_t reception);
/* It is over in another way. */
void series_locks_let_go(series_locks_t *locks, int64_t reception);
/* This process ends and leaves it, with or without another receiver. Returns the note; free it; NULL: none could be
 * made. */
char *series_locks_leave(series_locks_t *locks, int64_t reception, const series_id_t *id);

#endif
