#include "notifier/broker/queue_state.h"

#define LOOK_SHORTEST_MS 100
#define LOOK_LONGEST_MS  2000

void queue_state_init(queue_state_t *state) {
    *state = (queue_state_t){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void queue_state_looked(queue_state_t *state, int64_t now_ms, int64_t waiting, int64_t consumers) {
    pthread_mutex_lock(&state->lock);
    state->last = (queue_look_t){state->last.number + 1, now_ms, waiting, consumers};
    pthread_mutex_unlock(&state->lock);
}

queue_look_t queue_state_read(queue_state_t *state) {
    pthread_mutex_lock(&state->lock);
    queue_look_t last = state->last;
    pthread_mutex_unlock(&state->lock);
    return last;
}

int64_t queue_look_interval_ms(int64_t patience_ms) {
    int64_t interval_ms = patience_ms / 8;
    return interval_ms < LOOK_SHORTEST_MS  ? LOOK_SHORTEST_MS
           : interval_ms > LOOK_LONGEST_MS ? LOOK_LONGEST_MS
                                           : interval_ms;
}
