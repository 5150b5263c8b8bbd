/* A burst scatters its blocks over the heap, and glibc returns by itself only the heap's end. */
#include "listener/heap.h"

#include <stdlib.h>

#include "common/portability.h"

/* What glibc caches of freed blocks per thread: so many of each of these sizes (tcache of its malloc.c). */
#define CACHED_BLOCKS  7
#define SMALLEST_BYTES 24
#define LARGEST_BYTES  1032
#define STEP_BYTES     16

/* The cache holds blocks of the burst, and each keeps its page. Blocks that lie close together take their place.
 * `volatile`, or the compiler sees that nothing is done with them. */
static void replace_cached_blocks(void) {
    for (size_t size = SMALLEST_BYTES; size <= LARGEST_BYTES; size += STEP_BYTES) {
        void *volatile cached[CACHED_BLOCKS], *volatile fresh[CACHED_BLOCKS];
        for (size_t i = 0; i < CACHED_BLOCKS; i++)
            cached[i] = malloc(size);
        for (size_t i = 0; i < CACHED_BLOCKS; i++)
            fresh[i] = malloc(size);
        for (size_t i = 0; i < CACHED_BLOCKS; i++)
            free(fresh[i]);
        for (size_t i = 0; i < CACHED_BLOCKS; i++)
            free(cached[i]);
    }
}

void heap_give_back(void) {
    replace_cached_blocks();
    heap_trim();
}
