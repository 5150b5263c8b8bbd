#include "listener/ul/patience.h"

#include "common/clock.h"

void patience_on_message(patience_t *p) {
    p->quiet_since_ms = clock_ms();
}

void patience_on_input(patience_t *p, size_t size, bool within) {
    if (!within) {
        p->window_since_ms = 0;
        return;
    }
    if (p->window_since_ms == 0) {
        p->window_since_ms = clock_ms();
        p->window_bytes = 0;
    }
    p->window_bytes += size;
}

void patience_on_pause(patience_t *p) {
    p->paused_since_ms = clock_ms();
}

void patience_on_resume(patience_t *p) {
    int64_t paused_ms = p->paused_since_ms ? clock_ms() - p->paused_since_ms : 0;
    p->paused_since_ms = 0;
    p->quiet_since_ms += paused_ms;
    /* Moved, not begun anew: else a peer that is paused often could be as slow as it likes. */
    if (p->window_since_ms)
        p->window_since_ms += paused_ms;
}

static bool is_slow(const patience_t *p, int64_t rate, int64_t passed_ms) {
    return p->window_bytes * 1000 < (uint64_t)rate * (uint64_t)passed_ms;
}

int64_t patience_stalled_ms(const patience_t *p, int64_t rate, int64_t now_ms) {
    int64_t passed_ms = now_ms - p->window_since_ms;
    return p->window_since_ms && !p->paused_since_ms && passed_ms > 0 && is_slow(p, rate, passed_ms) ? passed_ms
                                                                                                     : 0;
}

bool patience_too_slow(patience_t *p, int64_t timeout_ms, int64_t rate, int64_t now_ms) {
    int64_t passed_ms = now_ms - p->window_since_ms;
    if (passed_ms < timeout_ms)
        return false;
    bool slow = is_slow(p, rate, passed_ms);
    p->window_since_ms = now_ms;
    p->window_bytes = 0;
    return slow;
}
