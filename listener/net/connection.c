#include "listener/net/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/memory.h"
#include "listener/net/tls_session.h"

static void watch(connection_t *connection) {
    /* While TLS waits to send, input would be reported again and again. */
    bool turned = connection->reading && connection_wants_output(connection);
    bool sending = connection->output_size > 0 || connection->end_waits || turned;
    uint32_t events = (connection->reading && !turned ? (uint32_t)EPOLLIN : 0) |
                      (sending ? (uint32_t)EPOLLOUT : 0) | (connection->noticing_end ? (uint32_t)EPOLLRDHUP : 0);
    if (events == connection->events || connection->fd < 0)
        return;
    struct epoll_event event = {.events = events, .data.ptr = connection->tag};
    /* The descriptor is ours and in the set. */
    must_hold(epoll_ctl(connection->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0);
    connection->events = events;
}

int connection_open(connection_t *connection, int epoll, int fd, void *tag) {
    *connection = (connection_t){.fd = fd, .epoll = epoll, .tag = tag, .reading = true, .events = EPOLLIN};
    struct epoll_event event = {.events = connection->events, .data.ptr = tag};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        connection->fd = -1;
        return -1;
    }
    int on = 1;
    /* Without it a response waits for the peer's delayed acknowledgement of the one before. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return 0;
}

void connection_use_tls(connection_t *connection, const tls_t *tls) {
    connection->tls = tls_session_new(tls, connection->fd);
}

void connection_close(connection_t *connection) {
    tls_session_destroy(&connection->tls);
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    free(connection->output);
    connection->output = NULL;
    connection->output_size = 0;
}

static receive_result_t receive_plain(connection_t *connection, const struct iovec *pieces, size_t count,
                                      size_t *size) {
    ssize_t got;
    do
        got = readv(connection->fd, pieces, (int)count);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *size = (size_t)got;
        return RECEIVED;
    }
    if (got == 0)
        return RECEIVE_END;
    return errno == EAGAIN || errno == EWOULDBLOCK ? RECEIVE_NOTHING : RECEIVE_ERROR;
}

static void acknowledge_now(connection_t *connection) {
    int on = 1;
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

receive_result_t connection_receive_pieces(connection_t *connection, const struct iovec *pieces, size_t count,
                                           size_t *size) {
    receive_result_t result = receive_plain(connection, pieces, count, size);
    if (result == RECEIVE_NOTHING)
        acknowledge_now(connection);
    return result;
}

receive_result_t connection_receive(connection_t *connection, uint8_t *bytes, size_t room, size_t *size) {
    if (!connection->tls)
        return connection_receive_pieces(connection, &(struct iovec){bytes, room}, 1, size);
    receive_result_t result = tls_session_receive(connection->tls, bytes, room, size);
    watch(connection);
    if (result == RECEIVE_NOTHING)
        acknowledge_now(connection);
    return result;
}

bool connection_has_input(const connection_t *connection) {
    return connection->tls && tls_session_has_input(connection->tls);
}

bool connection_wants_output(const connection_t *connection) {
    return connection->tls && tls_session_wants_output(connection->tls);
}

const char *connection_security(connection_t *connection) {
    return connection->tls ? tls_session_describe(connection->tls) : NULL;
}

/* How much of it the socket takes now; -1 where the connection is broken. */
static ssize_t send_now(connection_t *connection, const uint8_t *bytes, size_t size) {
    ssize_t sent;
    if (connection->tls)
        return tls_session_send(connection->tls, bytes, size);
    do
        sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

static int keep(connection_t *connection, const uint8_t *bytes, size_t size) {
    if (size > OUTPUT_MAX_BYTES - connection->output_size)
        return -1;
    uint8_t *output = must(realloc(connection->output, connection->output_size + size));
    memcpy(output + connection->output_size, bytes, size);
    connection->output = output;
    connection->output_size += size;
    watch(connection);
    return 0;
}

int connection_send(connection_t *connection, const uint8_t *bytes, size_t size) {
    ssize_t sent = connection->output_size ? 0 : send_now(connection, bytes, size);
    if (sent < 0)
        return -1;
    return (size_t)sent == size ? 0 : keep(connection, bytes + sent, size - (size_t)sent);
}

static void finish_if_done(connection_t *connection) {
    if (!connection->finishing || connection->output_size > 0)
        return;
    connection->end_waits = connection->tls && !tls_session_finish(connection->tls);
    watch(connection);
    if (!connection->end_waits && connection->fd >= 0)
        (void)shutdown(connection->fd, SHUT_WR); /* fails only where the peer is gone already */
}

int connection_flush(connection_t *connection) {
    if (connection->output_size > 0) {
        ssize_t sent = send_now(connection, connection->output, connection->output_size);
        if (sent < 0)
            return -1;
        connection->output_size -= (size_t)sent;
        memmove(connection->output, connection->output + sent, connection->output_size);
        watch(connection);
    }
    finish_if_done(connection);
    return 0;
}

void connection_read(connection_t *connection) {
    connection->reading = true;
    connection->noticing_end = false;
    watch(connection);
}

void connection_pause(connection_t *connection, bool notice_end) {
    connection->reading = false;
    /* epoll would report it again and again where there is still input to be read before it. */
    connection->noticing_end = notice_end;
    watch(connection);
}

void connection_finish(connection_t *connection) {
    connection->finishing = true;
    finish_if_done(connection);
}

bool connection_is_shaking_hands(const connection_t *connection) {
    return connection->tls && tls_session_is_shaking_hands(connection->tls);
}

bool connection_is_peer(const connection_t *connection, const char *name, size_t size) {
    return connection->tls && tls_session_is_peer(connection->tls, name, size);
}
