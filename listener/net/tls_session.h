/* One TLS session over a non-blocking socket: bytes in, bytes out. Begins with the peer's first byte, so that a
 * connection that never speaks costs nothing. */
#ifndef LISTENER_NET_TLS_SESSION_H
#define LISTENER_NET_TLS_SESSION_H

#include "listener/net/connection.h"
#include "listener/net/tls.h"

typedef struct tls_session tls_session_t;

/* `tls` must outlive it; `fd` stays the caller's and is open for as long. */
tls_session_t *tls_session_new(const tls_t *tls, int fd);
/* Says close_notify where it can be said. */
void tls_session_destroy(tls_session_t **self_p);

/* As connection_receive. Handshakes on the way. */
receive_result_t tls_session_receive(tls_session_t *session, uint8_t *bytes, size_t room, size_t *size);
/* tls_session_receive has more data, even if the socket has none. */
bool tls_session_has_input(const tls_session_t *session);
/* tls_session_receive goes on when the socket takes output, not before. */
bool tls_session_wants_output(const tls_session_t *session);

/* How much of it was sent, 0 if the socket takes nothing; then the same bytes must come first in the next call. -1
 * where the session is broken. */
ssize_t tls_session_send(tls_session_t *session, const uint8_t *bytes, size_t size);
/* Says close_notify; false where the socket takes no output now: call again. */
bool tls_session_finish(tls_session_t *session);

/* After RECEIVE_REFUSED: why there is no session. Otherwise version, cipher suite and the client's certificate.
 * Valid until the next call. */
const char *tls_session_describe(tls_session_t *session);

/* Whether the peer's certificate is for this name: one of its DNS names or its common name. */
bool tls_session_is_peer(const tls_session_t *session, const char *name, size_t size);
/* The handshake has begun and not ended. */
bool tls_session_is_shaking_hands(const tls_session_t *session);

#endif
