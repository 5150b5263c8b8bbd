/* What CUBE is told about a series: the rules of its models, the keyword arguments of its task, and the number of
 * files that it will find. Owns neither the Celery envelope (celery.h) nor the way to the broker (broker.h). */
#ifndef NOTIFIER_CUBE_REGISTRATION_H
#define NOTIFIER_CUBE_REGISTRATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uuid/uuid.h>

#include "common/trace.h"
#include "proto/ring.h"

/* The fate of a registration at the broker. */
typedef enum outcome {
    OUTCOME_UNSENT,     /* the connection failed: the same again as soon as there is one */
    OUTCOME_CONFIRMED,  /* the broker has it, for good */
    OUTCOME_REJECTED,   /* not now: again after a pause, others go first */
    OUTCOME_IMPOSSIBLE, /* never */
} registration_outcome_t;

/* A due registration on its way to the broker and back. */
typedef struct registration {
    int64_t reception, began_at; /* row of the journal */
    int64_t number;              /* of the reception in the journal that it began in */
    int64_t attempts;            /* rejected before */
    int64_t resent;              /* though the broker had it: CUBE lacked it */
    Ring__Series *series;        /* owned */
    char *link;                  /* owned; key of its series (series_key.h), not received any more; NULL: none */
    registration_outcome_t outcome;
    char *why;      /* owned; NULL where confirmed */
    int64_t stored; /* files that writers have told of in the folder; the folder may have more */
    int64_t ndicom; /* files in the folder when the task was made */
    char task_id[UUID_STR_LEN];
    trace_context_t parent; /* of the association that began it; zeroed: none */
    trace_context_t trace;  /* of this attempt; its traceparent goes with the task */
    int64_t sent_ns;
} registration_t;

void registration_destroy(registration_t **self_p);
/* Sets outcome and why. */
void registration_fail(registration_t *registration, registration_outcome_t outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Why CUBE could never register this series, with any files; free it. NULL: it can. No patient's data in it. */
char *registration_problem(const Ring__Series *series);

/* Counts the `.dcm` files of the series' folder into ndicom. On failure, outcome and why are set: an absent or
 * empty folder makes the registration impossible, an unreadable one rejected. */
bool registration_count_files(registration_t *registration, const char *files_root);

/* Calls `take` for the name of each `.dcm` file in the folder. Returns 0 or an errno value. */
int registration_list_files(const char *files_root, const char *folder, void (*take)(void *, const char *),
                            void *argument);

/* A UUID (version 5) of series, folder, count and reception: a task that is sent again has the same, but where CUBE
 * lacks what the broker had. */
void registration_set_task_id(registration_t *registration);

/* The task's keyword arguments, in CUBE's order, absent ones null; texts longer than CUBE's columns are cut, with a
 * warning. Free with json_decref. */
json_t *registration_arguments(const registration_t *registration);

#endif
