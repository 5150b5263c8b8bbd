/* The associations: which are served, and what each waits for. */
#ifndef LISTENER_UL_ROSTER_H
#define LISTENER_UL_ROSTER_H

#include "listener/ul/state.h"

typedef struct roster {
    TAILQ_HEAD(association_list, association) all;
    struct association_list attended[ATTENTIONS]; /* by waiting time */
    size_t served_count;                          /* associations that count against OXIDICOM_LISTENER_THREADS */
} roster_t;

void roster_start(roster_t *roster);
/* Whether the association may be served now, where so many may be. */
bool roster_has_place(const roster_t *roster, const association_t *association, int64_t most);
/* Moves the association to the list of its present wait. */
void roster_attend(roster_t *roster, association_t *association, attention_t attention);
/* How many wait for that. */
size_t roster_count(const roster_t *roster, attention_t attention);

#endif
