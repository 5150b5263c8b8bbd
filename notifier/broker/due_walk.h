/* A walk over the due registrations, the oldest first. Once it has passed over several, it goes on by folder: then
 * all below a folder that is waited for are passed over in one step, however many they are. That part begins where
 * the one of the walk before ended, so that everything has its turn. */
#ifndef NOTIFIER_BROKER_DUE_WALK_H
#define NOTIFIER_BROKER_DUE_WALK_H

#include <stdbool.h>

#include "notifier/journal/journal.h"

typedef struct due_walk {
    char *folder;  /* owned; of the registration that it has come to */
    int64_t after; /* the registration that it has come to, while it goes by age */
    int passed_over;
    char *cursor; /* owned; the folder after which it goes on by folder */
    char *begun;  /* owned; where that began in this walk */
    bool past;    /* the last folder: it began anew with the first */
    int steps;
} due_walk_t;

/* Begins a walk; `walk` as it was left, or zeros. */
void due_walk_begin(due_walk_t *walk);
/* The next registration that may be sent, perhaps a second time; 0: the walk is over, or was long enough. */
int64_t due_walk_next(due_walk_t *walk, journal_t *journal);
/* The last one waits for this folder. */
void due_walk_pass_over(due_walk_t *walk, const char *folder);
void due_walk_clear(due_walk_t *walk);

#endif
