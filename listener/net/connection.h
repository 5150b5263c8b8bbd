/* One TCP connection in the listener's epoll set, plain or with TLS: non-blocking input, output that waits for a
 * slow peer, half close. Knows nothing of DICOM. */
#ifndef LISTENER_NET_CONNECTION_H
#define LISTENER_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What the A-ASSOCIATE-AC, or the responses not yet taken by a peer that does not read, may hold. */
#define OUTPUT_MAX_BYTES (128 * 1024)

struct tls;
struct tls_session;

typedef struct connection {
    int fd;                  /* -1: closed */
    struct tls_session *tls; /* NULL: plain */
    int epoll;
    void *tag;       /* handed back by epoll */
    uint32_t events; /* what epoll watches for */
    bool reading;
    bool noticing_end; /* while not reading */
    bool finishing;    /* close our half once all output is gone */
    bool end_waits;    /* TLS could not say its end yet */
    uint8_t *output;   /* what the peer has not taken yet */
    size_t output_size;
} connection_t;

/* Takes over `fd`, which is non-blocking. Returns 0, or -1 with errno; then fd stays the caller's. */
int connection_open(connection_t *connection, int epoll, int fd, void *tag) __attribute__((warn_unused_result));
void connection_close(connection_t *connection);
/* It speaks TLS from its first byte. `tls` must outlive the connection. */
void connection_use_tls(connection_t *connection, const struct tls *tls);

typedef enum receive_result {
    RECEIVED,
    RECEIVE_NOTHING,
    RECEIVE_END,
    RECEIVE_ERROR,
    RECEIVE_REFUSED, /* no TLS session came about: finish, and wait for the peer to close */
} receive_result_t;

/* Receives the available bytes. Before it reports RECEIVE_NOTHING it has the kernel acknowledge at once: a peer
 * with Nagle's algorithm waits for that before it sends the tail of a message. */
receive_result_t connection_receive(connection_t *connection, uint8_t *bytes, size_t room, size_t *size);
/* The same into several places, one after the other; only where the connection is plain. */
receive_result_t connection_receive_pieces(connection_t *connection, const struct iovec *pieces, size_t count,
                                           size_t *size);
/* Whether it has a TLS session with a peer that has a certificate for this name. */
bool connection_is_peer(const connection_t *connection, const char *name, size_t size);
/* A TLS handshake has begun and not ended. */
bool connection_is_shaking_hands(const connection_t *connection);
/* There is input that epoll does not know of: part of a TLS record that had no room. Receive it before you wait. */
bool connection_has_input(const connection_t *connection);
/* TLS has to send before it can receive: receive again when the socket takes output. */
bool connection_wants_output(const connection_t *connection);
/* Why it was refused, or its protection; NULL for a plain one. Valid until the next call. */
const char *connection_security(connection_t *connection);

/* Sends, or keeps what the peer does not take now. Returns 0, or -1 where the connection is broken or the peer has
 * left more than OUTPUT_MAX_BYTES untaken. */
int connection_send(connection_t *connection, const uint8_t *bytes, size_t size)
    __attribute__((warn_unused_result));
/* The socket takes output again. Returns 0, or -1 where the connection is broken. */
int connection_flush(connection_t *connection) __attribute__((warn_unused_result));

void connection_read(connection_t *connection);
/* Reads no more for now. With `notice_end` the peer's FIN is reported as EPOLLRDHUP all the same; a broken
 * connection is always reported. */
void connection_pause(connection_t *connection, bool notice_end);
/* Closes our half after the last output, so that the peer can read it before it sees the end. */
void connection_finish(connection_t *connection);

#endif
