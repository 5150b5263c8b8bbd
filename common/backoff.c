#include "common/backoff.h"

#include <stdlib.h>

int64_t backoff_ms(int64_t first_ms, int64_t longest_ms, int64_t failures) {
    int64_t pause_ms = first_ms;
    for (int64_t i = 1; i < failures && pause_ms < longest_ms; i++)
        pause_ms *= 2;
    return pause_ms < longest_ms ? pause_ms : longest_ms;
}

int64_t backoff_jittered(int64_t pause_ms) {
    return pause_ms / 2 + (int64_t)arc4random_uniform((uint32_t)(pause_ms / 2 + 1));
}
