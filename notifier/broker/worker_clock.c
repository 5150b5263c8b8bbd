#include "notifier/broker/worker_clock.h"

/* A pause between two looks that was longer (the broker was away, the process stood still) counts as so long. */
#define PAUSE_LONGEST_MS 6000

static int64_t bounded(int64_t ms) {
    return ms < 0 ? 0 : ms > PAUSE_LONGEST_MS ? PAUSE_LONGEST_MS : ms;
}

/* The worker takes tasks where none waits, or where fewer wait than if it had taken none. */
static int moves(const worker_clock_t *clock, const queue_look_t *look) {
    int64_t added = clock->tickets - clock->last_tickets;
    return look->consumers != 0 &&
           (look->waiting == 0 || (clock->last.number && look->waiting < clock->last.waiting + added));
}

/* Nothing is known: assume that the worker takes tasks. */
static int64_t beat_blindly(worker_clock_t *clock, int64_t passed_ms) {
    clock->ran_ms += passed_ms;
    clock->still_since_ms = 0;
    return clock->tickets;
}

int64_t worker_clock_beat(worker_clock_t *clock, const queue_look_t *look, int64_t now_ms) {
    int64_t passed_ms = clock->beat_ms ? bounded(now_ms - clock->beat_ms) : 0;
    clock->beat_ms = now_ms;
    if (look->waiting < 0)
        return beat_blindly(clock, passed_ms);
    if (look->number == clock->last.number)
        return -1;
    if (!moves(clock, look)) {
        if (!clock->still_since_ms)
            clock->still_since_ms = look->at_ms;
    } else {
        clock->still_since_ms = 0;
        if (clock->last.number)
            clock->ran_ms += bounded(look->at_ms - clock->last.at_ms);
    }
    clock->last = *look;
    clock->last_tickets = clock->tickets;
    /* Messages are taken in order: of ours, at most the last so many can still be there. */
    return clock->tickets - look->waiting;
}
