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

/* Explores a model without one of its rules, which are numbered from 1; 0: with all of them. Returns the fault of a
 * run, NULL: no run is wrong; and how many states there are. */
typedef const char *exploration_fault_fn(int without, size_t *states);

/* That no run of the model breaks a promise. */
void exploration_expect_no_fault(const char *model, exploration_fault_fn *fault_without);
/* That each of its rules, below `rules`, is needed. Both are skipped under AddressSanitizer. */
void exploration_expect_faults(const char *model, exploration_fault_fn *fault_without, int rules);

#endif
