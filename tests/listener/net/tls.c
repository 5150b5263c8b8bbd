/* A connection with TLS: bytes that epoll does not know of. The rest of TLS is tested end to end, in tests/ring. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listener/custody/state.h"
#include "listener/net/connection.h"
#include "listener/net/tls.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"

typedef struct pair {
    char *folder, *certificate, *key;
    settings_t settings;
    tls_t tls;
    int epoll;
    connection_t connection; /* ours */
    int peer;
    SSL_CTX *peer_context;
    SSL *peer_tls;
    uint8_t input[RECEIVE_BYTES];
} pair_t;

/* Both ends of a connection after its handshake. */
static pair_t *pair_new(void) {
    pair_t *p = calloc(1, sizeof *p);
    int fds[2];
    size_t size;
    p->folder = temporary_folder("connection");
    p->certificate = text_of("%s/ca.crt", p->folder);
    p->key = text_of("%s/ca.key", p->folder);
    certificates_ca(p->folder, "ca");
    p->settings = (settings_t){.tls_port = 1, .tls_certificate = p->certificate, .tls_key = p->key};
    cr_assert_eq(tls_start(&p->tls, &p->settings), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    cr_assert_eq(connection_open(&p->connection, p->epoll, fds[0], p), 0);
    connection_use_tls(&p->connection, &p->tls);
    p->peer = fds[1];
    p->peer_context = SSL_CTX_new(TLS_client_method());
    p->peer_tls = SSL_new(p->peer_context);
    SSL_set_fd(p->peer_tls, p->peer);
    while (SSL_connect(p->peer_tls) != 1)
        cr_assert_eq(connection_receive(&p->connection, p->input, 1, &size), RECEIVE_NOTHING);
    cr_assert_eq(connection_receive(&p->connection, p->input, 1, &size), RECEIVE_NOTHING);
    return p;
}

static void pair_destroy(pair_t *p) {
    connection_close(&p->connection);
    SSL_free(p->peer_tls);
    SSL_CTX_free(p->peer_context);
    tls_clear(&p->tls);
    close(p->peer);
    close(p->epoll);
    remove_folder(p->folder);
    free(p->folder);
    free(p->certificate);
    free(p->key);
    free(p);
}

/* One record of so many bytes, all the same. */
static void peer_sends(pair_t *p, uint8_t byte, int size) {
    uint8_t *bytes = malloc((size_t)size);
    memset(bytes, byte, (size_t)size);
    cr_assert_eq(SSL_write(p->peer_tls, bytes, size), size);
    free(bytes);
}

static bool epoll_reports(const pair_t *p) {
    struct epoll_event event;
    return epoll_wait(p->epoll, &event, 1, 0) == 1;
}

static void expect_bytes(pair_t *p, size_t room, size_t wanted) {
    size_t size = 0;
    cr_assert_eq(connection_receive(&p->connection, p->input, room, &size), RECEIVED);
    cr_assert_eq(size, wanted, "%zu, not %zu", size, wanted);
}

Test(tls, tells_of_input_that_epoll_does_not_know_of) {
    pair_t *p = pair_new();
    peer_sends(p, 7, 10000);
    cr_assert(epoll_reports(p));
    expect_bytes(p, 4000, 4000);
    cr_assert_not(epoll_reports(p), "the record was taken from the socket");
    cr_assert(connection_has_input(&p->connection));
    expect_bytes(p, 7000, 6000);
    cr_assert_not(connection_has_input(&p->connection));
    pair_destroy(p);
}

/* Otherwise a fast peer would have its turn for ever. */
Test(tls, begins_no_record_that_might_not_fit_so_that_little_is_left_inside) {
    pair_t *p = pair_new();
    for (uint8_t i = 0; i < 12; i++)
        peer_sends(p, i, 12000);
    expect_bytes(p, RECEIVE_BYTES, 120000); /* an eleventh could have 16384 bytes */
    cr_assert_not(connection_has_input(&p->connection));
    cr_assert(epoll_reports(p));
    expect_bytes(p, RECEIVE_BYTES, 24000);
    pair_destroy(p);
}

Test(tls, reports_the_end_that_it_found_behind_the_last_bytes) {
    pair_t *p = pair_new();
    size_t size;
    peer_sends(p, 7, 100);
    SSL_shutdown(p->peer_tls);
    expect_bytes(p, RECEIVE_BYTES, 100);
    cr_assert(connection_has_input(&p->connection));
    cr_assert_eq(connection_receive(&p->connection, p->input, RECEIVE_BYTES, &size), RECEIVE_END);
    pair_destroy(p);
}

Test(tls, keeps_what_the_peer_does_not_take_sends_it_later_and_then_its_end) {
    enum { MESSAGES = 60, MESSAGE_BYTES = 1000 };
    pair_t *p = pair_new();
    int small = 1;
    setsockopt(p->connection.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (int i = 0; i < MESSAGES; i++) {
        uint8_t bytes[MESSAGE_BYTES];
        memset(bytes, i, sizeof bytes);
        cr_assert_eq(connection_send(&p->connection, bytes, sizeof bytes), 0);
    }
    cr_assert_gt(p->connection.output_size, 0);
    connection_finish(&p->connection);
    for (int at = 0; at < MESSAGES * MESSAGE_BYTES;) {
        uint8_t bytes[4096];
        int got = SSL_read(p->peer_tls, bytes, sizeof bytes);
        for (int i = 0; i < got; i++, at++)
            cr_assert_eq(bytes[i], at / MESSAGE_BYTES, "byte %d", at);
        cr_assert(got > 0 || epoll_reports(p), "stuck at byte %d", at);
        cr_assert_eq(connection_flush(&p->connection), 0);
    }
    uint8_t byte;
    cr_assert_eq(SSL_get_error(p->peer_tls, SSL_read(p->peer_tls, &byte, 1)), SSL_ERROR_ZERO_RETURN);
    cr_assert_eq(recv(p->peer, &byte, 1, 0), 0);
    pair_destroy(p);
}
