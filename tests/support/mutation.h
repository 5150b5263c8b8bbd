/* What a hostile peer does in one session, made of a number alone: the same number is always the same session. */
#ifndef SUPPORT_MUTATION_H
#define SUPPORT_MUTATION_H

#include "tests/support/scu.h"

typedef enum session_end {
    END_HALF_CLOSE, /* our FIN, then reading until the receiver's */
    END_CLOSE,
    END_RESET,
    SESSION_ENDS,
} session_end_t;

typedef struct session {
    bytes_t sent;
    size_t pause_at; /* the bytes before this come first, the rest when other sessions have begun */
    int answers;     /* PDUs to read before the end */
    session_end_t end;
} session_t;

/* An association with C-ECHOs, C-STOREs and others in it, with a change: bits, lengths, bytes lost, added and
 * spliced, PDUs lost, repeated and exchanged; or nothing. */
session_t session_mutated(uint64_t number);

/* Associations that end in every bad way, kind by kind, without random. */
session_t session_badly_ended(uint64_t number);
#define BAD_ENDS 24

void session_clear(session_t *session);

#endif
