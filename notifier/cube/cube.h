/* The thread that asks CUBE whether it has a series, and with how many files, one after the other. The loop hands
 * questions over and hears the answers as events. Nothing is kept here across a restart: the journal does that. */
#ifndef NOTIFIER_CUBE_CUBE_H
#define NOTIFIER_CUBE_CUBE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/link_state.h"
#include "common/settings.h"

typedef struct cube cube_t;

/* Texts are the thread's while it has the question; the receiver of the answer frees them. Without them: whether
 * CUBE answers at all. */
typedef struct cube_question {
    int64_t number; /* the asker's */
    char *pacs_name, *series_uid, *folder;
} cube_question_t;

typedef enum cube_verdict {
    CUBE_HAS,
    CUBE_LACKS,
    CUBE_DOES_NOT_SAY, /* it could not be asked: `state` says why */
    CUBE_UNASKED,      /* for want of an answer to a question before */
} cube_verdict_t;

typedef struct cube_answer {
    cube_question_t question;
    cube_verdict_t verdict;
    int64_t files; /* in the folder, where it has the series */
    bool refused;  /* CUBE_DOES_NOT_SAY, and people must help */
} cube_answer_t;

/* Starts the thread, which writes the state until its end: connected while CUBE answers properly. NULL after
 * logging a missing setting, or why it can't be started. */
cube_t *cube_new(const settings_t *settings, link_state_t *state);
/* Breaks off the current request. */
void cube_destroy(cube_t **self_p);

/* Readable when cube_receive has something. */
int cube_descriptor(const cube_t *cube);
/* Takes the texts. */
void cube_ask(cube_t *cube, const cube_question_t *question);
/* Takes an answer, without waiting; false: there is none. */
bool cube_receive(cube_t *cube, cube_answer_t *answer);
void cube_question_clear(cube_question_t *question);

#endif
