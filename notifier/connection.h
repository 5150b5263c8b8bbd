/* Whether there is a connection to a server, since when, and why not: written by the thread that owns the
 * connection, read by the loop. */
#ifndef NOTIFIER_CONNECTION_H
#define NOTIFIER_CONNECTION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define CONNECTION_WHY_BYTES 256

typedef struct connection_state {
    pthread_mutex_t lock;
    bool connected;
    bool ending; /* we end it ourselves */
    int64_t since; /* milliseconds since 1970 */
    char why[CONNECTION_WHY_BYTES];
} connection_state_t;

/* Not connected, "not yet". */
void connection_init(connection_state_t *state);

void connection_up(connection_state_t *state);
/* `why` must not hold an address, which may have a password in it. */
void connection_down(connection_state_t *state, const char *why);

/* What is heard of its end from now on is our own doing. */
void connection_end(connection_state_t *state);
bool connection_is_ending(connection_state_t *state);

/* `why` is "" where it is connected. */
void connection_read(connection_state_t *state, bool *connected, int64_t *since, char why[CONNECTION_WHY_BYTES]);

#endif
