#include "notifier/broker/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/network.h"
#include "notifier/broker/transport.h"

/* An idle connection is looked after so often by TCP, and lost after so many looks without an answer. */
#define KEEPALIVE_S     30
#define KEEPALIVE_LOOKS 3

struct stream {
    int socket;
    SSL *tls; /* NULL: plain */
};

/* Waits for `events`; -1: not until the deadline. */
static int wait_for(const stream_t *stream, short events, int64_t deadline_ms, const char *what,
                    failure_t *failure) {
    for (;;) {
        struct pollfd item = {.fd = stream->socket, .events = events};
        int64_t left_ms = deadline_ms - clock_ms();
        int ready = poll(&item, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready > 0)
            return 0;
        if (ready == 0)
            return failure_set(failure, "%s: it takes too long", what);
        if (errno != EINTR)
            return failure_set(failure, "%s: %s", what, strerror(errno));
    }
}

/* --- opening ------------------------------------------------------------------------------------------- */

/* A peer that is gone without a word must be noticed, with or without something to send. */
static int set_options(int socket) {
    int on = 1, idle_s = KEEPALIVE_S, looks = KEEPALIVE_LOOKS;
    unsigned most_ms = BROKER_CONFIRM_TIMEOUT_MS;
    bool set = setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 &&
               setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
               setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s) == 0 &&
               setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof idle_s) == 0 &&
               setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &looks, sizeof looks) == 0 &&
               setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms, sizeof most_ms) == 0;
    return set ? 0 : -1;
}

/* Connects the socket that the stream has. */
static int connect_to(stream_t *stream, const struct sockaddr *address, socklen_t size, int64_t deadline_ms,
                      failure_t *failure) {
    int error = 0;
    socklen_t error_size = sizeof error;
    if (connect(stream->socket, address, size) == 0)
        return 0;
    /* EAGAIN: the queue of a Unix socket is full, which passes; there is nothing to wait for. */
    if (errno != EINPROGRESS)
        return failure_set(failure, "connect: %s", strerror(errno));
    if (wait_for(stream, POLLOUT, deadline_ms, "connect", failure) != 0)
        return -1;
    if (getsockopt(stream->socket, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
        error = errno;
    return error == 0 ? 0 : failure_set(failure, "connect: %s", strerror(error));
}

static stream_t *new_stream(int family, failure_t *failure) {
    stream_t *stream = must(calloc(1, sizeof *stream));
    stream->socket = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->socket < 0 || (family != AF_UNIX && set_options(stream->socket) != 0)) {
        failure_set(failure, "socket: %s", strerror(errno));
        stream_close(&stream);
    }
    return stream;
}

static stream_t *open_address(const struct sockaddr *address, socklen_t size, int64_t deadline_ms,
                              failure_t *failure) {
    stream_t *stream = new_stream(address->sa_family, failure);
    if (stream && connect_to(stream, address, size, deadline_ms, failure) != 0)
        stream_close(&stream);
    return stream;
}

static int fail_tls(failure_t *failure, const char *what) {
    const char *reason = broker_tls_reason();
    return failure_set(failure, "%s: %s", what, reason ? reason : "the connection was closed");
}

static int shake_hands(stream_t *stream, int64_t deadline_ms, failure_t *failure) {
    for (;;) {
        broker_tls_forget_reason();
        int status = SSL_connect(stream->tls);
        if (status == 1)
            return 0;
        int error = SSL_get_error(stream->tls, status);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return fail_tls(failure, "TLS");
        if (wait_for(stream, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms, "TLS", failure) != 0)
            return -1;
    }
}

static int start_tls(stream_t *stream, const char *host, const broker_tls_t *tls, int64_t deadline_ms,
                     failure_t *failure) {
    SSL_CTX *context = must(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int status = broker_tls_configure(context, tls, host, failure);
    if (status == 0) {
        stream->tls = must(SSL_new(context)); /* keeps the context */
        must_hold(SSL_set_fd(stream->tls, stream->socket) == 1);
        /* An address is no name for SNI (RFC 6066 3) */
        must_hold(network_is_address(host) || SSL_set_tlsext_host_name(stream->tls, host) == 1);
        status = shake_hands(stream, deadline_ms, failure);
    }
    SSL_CTX_free(context);
    return status;
}

stream_t *stream_open_tcp(const char *host, const char *port, const broker_tls_t *tls, int64_t deadline_ms,
                          failure_t *failure) {
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    int status = getaddrinfo(host, port, &hints, &found);
    if (status != 0) {
        failure_set(failure, "name: %s", gai_strerror(status));
        return NULL;
    }
    stream_t *stream = NULL;
    for (struct addrinfo *at = found; at && !stream; at = at->ai_next)
        stream = open_address(at->ai_addr, at->ai_addrlen, deadline_ms, failure);
    freeaddrinfo(found);
    if (stream && tls && start_tls(stream, host, tls, deadline_ms, failure) != 0)
        stream_close(&stream);
    return stream;
}

stream_t *stream_open_unix(const char *path, int64_t deadline_ms, failure_t *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) > SOCKET_PATH_MAX_BYTES) {
        failure_set(failure, "connect: %s", strerror(ENAMETOOLONG));
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    return open_address((const struct sockaddr *)&address, sizeof address, deadline_ms, failure);
}

void stream_close(stream_t **self_p) {
    stream_t *stream = *self_p;
    if (!stream)
        return;
    SSL_free(stream->tls);
    if (stream->socket >= 0)
        close(stream->socket);
    free(stream);
    *self_p = NULL;
}

/* --- reading and writing ------------------------------------------------------------------------------- */

int stream_descriptor(const stream_t *stream) {
    return stream->socket;
}

int stream_await(const stream_t *stream, int64_t deadline_ms, failure_t *failure) {
    return wait_for(stream, POLLIN, deadline_ms, "answer", failure);
}

/* One call. Returns how much was written; 0: nothing, and `events` says what to wait for. */
static ssize_t write_some(stream_t *stream, const void *bytes, size_t size, short *events, failure_t *failure) {
    *events = POLLOUT;
    if (!stream->tls) {
        ssize_t written = send(stream->socket, bytes, size, MSG_NOSIGNAL);
        if (written >= 0 || errno == EAGAIN || errno == EINTR)
            return written < 0 ? 0 : written;
        return failure_set(failure, "write: %s", strerror(errno));
    }
    size_t written = 0;
    broker_tls_forget_reason();
    int status = SSL_write_ex(stream->tls, bytes, size, &written);
    int error = SSL_get_error(stream->tls, status);
    if (status != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return fail_tls(failure, "write");
    *events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return (ssize_t)written;
}

int stream_write(stream_t *stream, const void *bytes, size_t size, int64_t deadline_ms, failure_t *failure) {
    for (const char *at = bytes, *end = at + size; at < end;) {
        short events;
        ssize_t written = write_some(stream, at, (size_t)(end - at), &events, failure);
        if (written < 0 || (written == 0 && wait_for(stream, events, deadline_ms, "write", failure) != 0))
            return -1;
        at += written;
    }
    return 0;
}

ssize_t stream_read(stream_t *stream, void *bytes, size_t size, failure_t *failure) {
    if (!stream->tls) {
        ssize_t got = recv(stream->socket, bytes, size, 0);
        if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
            return got < 0 ? 0 : got;
        return failure_set(failure, "read: %s", got == 0 ? "the connection was closed" : strerror(errno));
    }
    size_t got = 0;
    broker_tls_forget_reason();
    int status = SSL_read_ex(stream->tls, bytes, size, &got);
    int error = SSL_get_error(stream->tls, status);
    if (status != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return fail_tls(failure, "read");
    return (ssize_t)got;
}
