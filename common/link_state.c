#include "common/link_state.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

void link_state_init(link_state_t *state) {
    *state = (link_state_t){.lock = PTHREAD_MUTEX_INITIALIZER, .since = clock_wall_ms(), .why = "not yet"};
}

static void set(link_state_t *state, bool connected, const char *why) {
    pthread_mutex_lock(&state->lock);
    if (connected != state->connected)
        state->since = clock_wall_ms();
    state->connected = connected;
    snprintf(state->why, sizeof state->why, "%s", why);
    pthread_mutex_unlock(&state->lock);
}

void link_state_up(link_state_t *state) {
    set(state, true, "");
}

void link_state_down(link_state_t *state, const char *why) {
    set(state, false, why);
}

void link_state_end(link_state_t *state) {
    pthread_mutex_lock(&state->lock);
    state->ending = true;
    pthread_mutex_unlock(&state->lock);
}

bool link_state_is_ending(link_state_t *state) {
    pthread_mutex_lock(&state->lock);
    bool ending = state->ending;
    pthread_mutex_unlock(&state->lock);
    return ending;
}

void link_state_read(link_state_t *state, bool *connected, int64_t *since, char why[LINK_WHY_BYTES]) {
    pthread_mutex_lock(&state->lock);
    *connected = state->connected;
    *since = state->since;
    memcpy(why, state->why, LINK_WHY_BYTES);
    pthread_mutex_unlock(&state->lock);
}
