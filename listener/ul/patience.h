/* What a peer has to do by when, within an open association. Absolute deadlines: bytes that trickle in move none of
 * them. Knows no association. */
#ifndef LISTENER_UL_PATIENCE_H
#define LISTENER_UL_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct patience {
    int64_t quiet_since_ms;  /* the last message, or answer to one */
    int64_t window_since_ms; /* within a message: since when its bytes are counted; 0: not within one */
    uint64_t window_bytes;
    int64_t paused_since_ms; /* when the listener stopped reading; 0: it reads */
} patience_t;

/* A message has ended or was answered, or the association was accepted. */
void patience_on_message(patience_t *patience);
/* Bytes were received and have been taken; `within`: a message has begun and not ended. */
void patience_on_input(patience_t *patience, size_t size, bool within);
/* The listener stops reading, or goes on: the peer is not to blame for the time between. */
void patience_on_pause(patience_t *patience);
void patience_on_resume(patience_t *patience);

/* How long the window has been open, where less came in it than `rate` bytes in a second; else 0. */
int64_t patience_stalled_ms(const patience_t *patience, int64_t rate, int64_t now_ms);

/* Whether a window of `timeout_ms` is over with fewer bytes than `rate` per second. Another window follows a good
 * one. */
bool patience_too_slow(patience_t *patience, int64_t timeout_ms, int64_t rate, int64_t now_ms);

#endif
