#include "notifier/journal/numbers.h"

#include "common/hash.h"
#include "common/memory.h"

#define FIRST_SLOTS 16

/* The number's slot, or the free one for it. */
static uint64_t *slot_of(uint64_t *slots, size_t capacity, uint64_t number) {
    size_t at = (size_t)hash_end(number) & (capacity - 1);
    while (slots[at] && slots[at] != number)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

/* Twice as many slots; false: there is no room for them. */
static bool grow(numbers_t *numbers, size_t *room) {
    size_t capacity = numbers->capacity ? 2 * numbers->capacity : FIRST_SLOTS;
    if (capacity - numbers->capacity > *room)
        return false;
    *room -= capacity - numbers->capacity;
    uint64_t *slots = must(calloc(capacity, sizeof *slots));
    for (size_t i = 0; i < numbers->capacity; i++)
        if (numbers->slots[i])
            *slot_of(slots, capacity, numbers->slots[i]) = numbers->slots[i];
    free(numbers->slots);
    numbers->slots = slots;
    numbers->capacity = capacity;
    return true;
}

/* 0 marks a free slot; that it and 1 are one is as rare as any two hashes that meet. */
static uint64_t kept_as(uint64_t number) {
    return number ? number : 1;
}

bool numbers_has(const numbers_t *numbers, uint64_t number) {
    return numbers->capacity && *slot_of(numbers->slots, numbers->capacity, kept_as(number));
}

bool numbers_add(numbers_t *numbers, size_t *room, uint64_t number) {
    number = kept_as(number);
    if (numbers->capacity && *slot_of(numbers->slots, numbers->capacity, number))
        return false;
    numbers->count++;
    if (4 * (numbers->used + 1) > 3 * numbers->capacity && !grow(numbers, room))
        return true;
    *slot_of(numbers->slots, numbers->capacity, number) = number;
    numbers->used++;
    return true;
}

void numbers_clear(numbers_t *numbers, size_t *room) {
    *room += numbers->capacity;
    free(numbers->slots);
    *numbers = (numbers_t){0};
}
