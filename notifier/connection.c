#include "notifier/connection.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

void connection_init(connection_state_t *state) {
    *state = (connection_state_t){.lock = PTHREAD_MUTEX_INITIALIZER, .since = clock_wall_ms(), .why = "not yet"};
}

static void set(connection_state_t *state, bool connected, const char *why) {
    pthread_mutex_lock(&state->lock);
    if (connected != state->connected)
        state->since = clock_wall_ms();
    state->connected = connected;
    snprintf(state->why, sizeof state->why, "%s", why);
    pthread_mutex_unlock(&state->lock);
}

void connection_up(connection_state_t *state) {
    set(state, true, "");
}

void connection_down(connection_state_t *state, const char *why) {
    set(state, false, why);
}

void connection_end(connection_state_t *state) {
    pthread_mutex_lock(&state->lock);
    state->ending = true;
    pthread_mutex_unlock(&state->lock);
}

bool connection_is_ending(connection_state_t *state) {
    pthread_mutex_lock(&state->lock);
    bool ending = state->ending;
    pthread_mutex_unlock(&state->lock);
    return ending;
}

void connection_read(connection_state_t *state, bool *connected, int64_t *since, char why[CONNECTION_WHY_BYTES]) {
    pthread_mutex_lock(&state->lock);
    *connected = state->connected;
    *since = state->since;
    memcpy(why, state->why, CONNECTION_WHY_BYTES);
    pthread_mutex_unlock(&state->lock);
}
