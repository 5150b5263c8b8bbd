/* Whether there is a connection to a server, since when, and why not: written by the thread that owns the
 * connection, read by the loop. */
#ifndef COMMON_LINK_STATE_H
#define COMMON_LINK_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LINK_WHY_BYTES 256

typedef struct link_state {
    pthread_mutex_t lock;
    bool connected;
    bool ending;   /* we end it ourselves */
    int64_t since; /* milliseconds since 1970 */
    char why[LINK_WHY_BYTES];
} link_state_t;

/* Not connected, "not yet". */
void link_state_init(link_state_t *state);

void link_state_up(link_state_t *state);
/* `why` must not hold an address, which may have a password in it. */
void link_state_down(link_state_t *state, const char *why);

/* Its end from now on is our own doing. */
void link_state_end(link_state_t *state);
bool link_state_is_ending(link_state_t *state);

/* `why` is "" while it is connected. */
void link_state_read(link_state_t *state, bool *connected, int64_t *since, char why[LINK_WHY_BYTES]);

#endif
