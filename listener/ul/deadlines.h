/* What a peer has to do by when. Absolute deadlines: bytes that trickle in move none of them. */
#ifndef LISTENER_UL_DEADLINES_H
#define LISTENER_UL_DEADLINES_H

#include <stddef.h>
#include <stdint.h>

struct association;

/* Kept in each association. */
typedef struct patience {
    int64_t quiet_since_ms;  /* the last message, or answer to one */
    int64_t window_since_ms; /* within a message: since when its bytes are counted; 0: not within one */
    uint64_t window_bytes;
    int64_t paused_since_ms; /* when the listener stopped reading; 0: it reads */
} patience_t;

/* A message has ended or was answered, or the association was accepted. */
void deadlines_on_message(struct association *association);
/* Bytes were received and have been taken. */
void deadlines_on_input(struct association *association, size_t size);
/* The listener stops reading, or goes on: the peer is not to blame for the time between. */
void deadlines_on_pause(struct association *association);
void deadlines_on_resume(struct association *association);

/* For how long nothing has been under way on it: no message has begun, none waits for its response; 0: something
 * is. */
int64_t deadlines_quiet_ms(const struct association *association, int64_t now_ms);

/* Aborts it, or closes its connection, where a deadline has passed. To be called every TIMER_TICK_MS. */
void deadlines_check(struct association *association, int64_t now_ms);

#endif
