#include <stdlib.h>

#include "common/memory.h"
#include "listener/custody/private.h"

/* A chunk begins this small and grows, so that a small object does not take a whole one from the budget. The
 * size of the first receive (intake.c): its bytes are not moved when the rest comes. */
#define CHUNK_FIRST_BYTES ((size_t)32 * 1024)

budget_t *budget_new(void) {
    budget_t *budget = must(calloc(1, sizeof *budget));
    budget->holders = 1;
    return budget;
}

void budget_drop(budget_t *budget) {
    if (budget && atomic_fetch_sub(&budget->holders, 1) == 1)
        free(budget);
}

/* Only while nobody else holds it. */
static void resize(object_t *object, chunk_t *chunk, size_t capacity) {
    uint8_t *bytes = must(realloc(chunk->bytes, capacity ? capacity : 1));
    atomic_fetch_add(&chunk->budget->held_bytes, capacity);
    atomic_fetch_sub(&chunk->budget->held_bytes, chunk->capacity);
    object->share->held_bytes += capacity - chunk->capacity;
    chunk->bytes = bytes;
    chunk->capacity = capacity;
}

/* A new last chunk. */
static chunk_t *add(object_t *object, size_t capacity) {
    chunk_t *chunk = must(calloc(1, sizeof *chunk));
    chunk->holders = 1;
    chunk->budget = object->custody->budget;
    chunk->offset = object->received;
    atomic_fetch_add(&chunk->budget->holders, 1);
    resize(object, chunk, capacity);
    TAILQ_INSERT_TAIL(&object->chunks, chunk, next);
    object->filling = chunk;
    return chunk;
}

chunk_t *chunk_with_room(object_t *object, size_t wanted) {
    chunk_t *chunk = object->filling;
    if (!chunk) {
        size_t capacity = wanted < CHUNK_FIRST_BYTES && object->received == 0 ? CHUNK_FIRST_BYTES : wanted;
        chunk = add(object, object->received || capacity > CHUNK_BYTES ? CHUNK_BYTES : capacity);
    } else {
        resize(object, chunk, 4 * chunk->capacity < CHUNK_BYTES ? 4 * chunk->capacity : CHUNK_BYTES);
    }
    return chunk;
}

void chunk_seal(object_t *object) {
    chunk_t *chunk = object->filling ? object->filling : add(object, 0);
    object->filling = NULL;
    if (chunk->size < chunk->capacity)
        resize(object, chunk, chunk->size);
    if (!object->unsent)
        object->unsent = chunk;
}

void chunk_drop(void *bytes, void *hint) {
    (void)bytes;
    chunk_t *chunk = hint;
    if (atomic_fetch_sub(&chunk->holders, 1) > 1)
        return;
    atomic_fetch_sub(&chunk->budget->held_bytes, chunk->capacity);
    budget_drop(chunk->budget);
    free(chunk->bytes);
    free(chunk);
}

static void free_first(object_t *object) {
    chunk_t *chunk = TAILQ_FIRST(&object->chunks);
    if (object->unsent == chunk)
        object->unsent = TAILQ_NEXT(chunk, next);
    if (object->filling == chunk)
        object->filling = NULL;
    TAILQ_REMOVE(&object->chunks, chunk, next);
    object->share->held_bytes -= chunk->capacity;
    object->whole = false;
    chunk_drop(NULL, chunk);
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): it does not see that TAILQ_REMOVE changes the first */
void chunk_free_until(object_t *object, uint64_t offset) {
    for (const chunk_t *chunk; (chunk = TAILQ_FIRST(&object->chunks)) && chunk != object->filling &&
                               chunk->offset + chunk->size <= offset;)
        free_first(object);
}

void chunk_free_all(object_t *object) {
    while (!TAILQ_EMPTY(&object->chunks))
        free_first(object);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */
