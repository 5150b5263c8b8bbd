#include "tests/faults/exploration.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static const uint8_t *state_at(const exploration_t *x, size_t index) {
    return x->states + index * x->state_size;
}

static uint64_t hash(const uint8_t *state, size_t size) {
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ state[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

static void grow(exploration_t *x) {
    free(x->table);
    x->table_size = x->table_size ? 4 * x->table_size : 1 << 16;
    x->table = must(calloc(x->table_size, sizeof *x->table));
    for (size_t i = 0; i < x->count; i++) {
        size_t at = hash(state_at(x, i), x->state_size) & (x->table_size - 1);
        while (x->table[at])
            at = (at + 1) & (x->table_size - 1);
        x->table[at] = (uint32_t)i + 1;
    }
}

void exploration_found(exploration_t *x, const void *state) {
    x->steps++;
    if (2 * x->count >= x->table_size)
        grow(x);
    size_t at = hash(state, x->state_size) & (x->table_size - 1);
    for (; x->table[at]; at = (at + 1) & (x->table_size - 1))
        if (memcmp(state_at(x, x->table[at] - 1), state, x->state_size) == 0)
            return;
    x->states = grown(x->states, x->count, x->state_size);
    memcpy(x->states + x->count++ * x->state_size, state, x->state_size);
    x->table[at] = (uint32_t)x->count;
}

void exploration_run(exploration_t *x, const void *first, void (*look)(void *self, const void *state), void *self) {
    uint8_t *state = must(malloc(x->state_size));
    exploration_found(x, first);
    for (size_t i = 0; i < x->count && !x->fault; i++) {
        memcpy(state, state_at(x, i), x->state_size);
        look(self, state);
    }
    free(state);
}

void exploration_clear(exploration_t *x) {
    free(x->states);
    free(x->table);
    x->states = NULL;
    x->table = NULL;
}
