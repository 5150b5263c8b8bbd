/* Every run of a model: states are found from states until there are no new ones. A state is a struct without
 * padding that anybody reads; two are one where their bytes are. */
#ifndef FAULTS_EXPLORATION_H
#define FAULTS_EXPLORATION_H

#include <stddef.h>
#include <stdint.h>

typedef struct exploration {
    size_t state_size;
    uint8_t *states; /* in order of discovery */
    size_t count;
    uint32_t *table;
    size_t table_size;
    size_t steps;
    const char *fault; /* NULL: none was found */
} exploration_t;

void exploration_found(exploration_t *exploration, const void *state);
/* Calls `look` with each state, a copy, until there are no more or there is a fault. */
void exploration_run(exploration_t *exploration, const void *first, void (*look)(void *self, const void *state),
                     void *self);
void exploration_clear(exploration_t *exploration);

#endif
