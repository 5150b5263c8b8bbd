#include "tests/faults/exploration.h"

#include <criterion/criterion.h>
#include <stdio.h>
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

/* --- a model's tests ------------------------------------------------------------------------------------ */

static void skip_under_sanitizers(void) {
#ifdef SANITIZED
    cr_skip_test("it takes no input, and some millions of states");
#endif
}

void exploration_expect_no_fault(const char *model, exploration_fault_fn *fault_without) {
    skip_under_sanitizers();
    size_t states;
    const char *fault = fault_without(0, &states);
    fprintf(stderr, "%s: %zu states\n", model, states);
    cr_expect_null(fault, "%s", fault);
    cr_expect_gt(states, 10000);
}

void exploration_expect_faults(const char *model, exploration_fault_fn *fault_without, int rules) {
    skip_under_sanitizers();
    for (int rule = 1; rule < rules; rule++) {
        size_t states;
        const char *fault = fault_without(rule, &states);
        fprintf(stderr, "%s: without rule %d, %s\n", model, rule, fault ? fault : "nothing");
        cr_expect_not_null(fault, "rule %d is not needed", rule);
    }
}
