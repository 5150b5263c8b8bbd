/* Sets of numbers that share a limit. Names are kept as their hashes. Beyond the limit each number counts as new.
 */
#ifndef NOTIFIER_JOURNAL_NUMBERS_H
#define NOTIFIER_JOURNAL_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins as zeros. */
typedef struct numbers {
    uint64_t *slots; /* open addressing; 0: free */
    size_t capacity, used;
    uint64_t count; /* of different ones, as far as they were kept */
} numbers_t;

/* Adds one; whether it is new. `room`: slots that all sets may still take. */
bool numbers_add(numbers_t *numbers, size_t *room, uint64_t number);
bool numbers_has(const numbers_t *numbers, uint64_t number);
/* Gives back its slots. */
void numbers_clear(numbers_t *numbers, size_t *room);

#endif
