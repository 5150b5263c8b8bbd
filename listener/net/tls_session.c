#include "listener/net/tls_session.h"

#include "common/memory.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* First byte of a TLS record that holds handshake messages (RFC 8446 5.1), and of an A-ASSOCIATE-RQ (PS3.8 9.3.2).
 */
#define FIRST_BYTE_TLS   0x16
#define FIRST_BYTE_DICOM 0x01
#define NAME_MAX_BYTES   256

struct tls_session {
    const tls_t *tls;
    int fd;
    SSL *ssl; /* NULL: not begun, or refused */
    bool refused;
    bool established; /* the handshake is over */
    bool broken;      /* nothing more can be said */
    bool end_said;    /* close_notify is sent */
    bool wants_output;
    bool has_end;         /* `end` is to be reported yet: */
    receive_result_t end; /* it was found behind the last bytes */
    char *text;           /* of tls_session_describe */
};

tls_session_t *tls_session_new(const tls_t *tls, int fd) {
    tls_session_t *s = must(calloc(1, sizeof *s));
    s->tls = tls;
    s->fd = fd;
    return s;
}

void tls_session_destroy(tls_session_t **self_p) {
    tls_session_t *s = *self_p;
    if (!s)
        return;
    (void)tls_session_finish(s);
    SSL_free(s->ssl);
    free(s->text);
    free(s);
    *self_p = NULL;
}

/* --- texts about it ---------------------------------------------------------------------------------- */

static void set_text(tls_session_t *s, const char *before, const char *what) {
    free(s->text);
    s->text = format_text("%s%s", before, what);
}

static void name_of(const X509_NAME *name, char text[NAME_MAX_BYTES]) {
    X509_NAME_oneline(name, text, NAME_MAX_BYTES);
}

/* OpenSSL's verdict on one certificate of a client's chain; only here it says which one it does not like. */
static int on_verify(int good, X509_STORE_CTX *store) {
    tls_session_t *s = SSL_get_app_data(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (good || !certificate)
        return good;
    char subject[NAME_MAX_BYTES], issuer[NAME_MAX_BYTES];
    name_of(X509_get_subject_name(certificate), subject);
    name_of(X509_get_issuer_name(certificate), issuer);
    free(s->text);
    s->text = format_text("its client certificate %s, issued by %s, does not verify: %s", subject, issuer,
                          X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return good;
}

const char *tls_session_describe(tls_session_t *s) {
    if (s->refused || !s->ssl)
        return s->text ? s->text : "no TLS session";
    char subject[NAME_MAX_BYTES] = "none";
    X509 *certificate = SSL_get0_peer_certificate(s->ssl);
    if (certificate)
        name_of(X509_get_subject_name(certificate), subject);
    free(s->text);
    s->text =
        format_text("%s, %s, client certificate %s", SSL_get_version(s->ssl), SSL_get_cipher(s->ssl), subject);
    return s->text;
}

/* --- the handshake ----------------------------------------------------------------------------------- */

/* There will be no session: its memory is freed, what still comes is thrown away. */
static receive_result_t refuse(tls_session_t *s) {
    SSL_free(s->ssl);
    s->ssl = NULL;
    s->refused = true;
    return RECEIVE_REFUSED;
}

/* Why the handshake failed, from OpenSSL's errors, unless on_verify has said it. The peer's alerts are among its
 * reasons, from SSL_AD_REASON_OFFSET on. */
static receive_result_t refuse_handshake(tls_session_t *s) {
    int reason = ERR_GET_REASON(ERR_peek_error());
    const char *words = ERR_reason_error_string(ERR_peek_error());
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        set_text(s, "it sent no client certificate, and OXIDICOM_TLS_CLIENT is required", "");
        return refuse(s);
    }
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && s->text)
        return refuse(s);
    set_text(s, reason >= SSL_AD_REASON_OFFSET ? "it broke off the TLS handshake: " : "the TLS handshake failed: ",
             words ? words : "an error without a name");
    return refuse(s);
}

/* Looks at the first byte, without taking it. RECEIVED: the session has begun. */
static receive_result_t begin(tls_session_t *s) {
    uint8_t first;
    ssize_t got = recv(s->fd, &first, 1, MSG_PEEK);
    if (got == 0)
        return RECEIVE_END;
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? RECEIVE_NOTHING : RECEIVE_ERROR;
    if (first != FIRST_BYTE_TLS) {
        set_text(s, first == FIRST_BYTE_DICOM ? "plain DICOM" : "something that is no TLS",
                 " on the port for TLS (OXIDICOM_TLS_PORT)");
        return refuse(s);
    }
    s->ssl = must(SSL_new(s->tls->context));
    must_hold(SSL_set_fd(s->ssl, s->fd) == 1);
    SSL_set_app_data(s->ssl, s);
    SSL_set_verify(s->ssl, SSL_get_verify_mode(s->ssl), on_verify);
    SSL_set_accept_state(s->ssl);
    return RECEIVED;
}

/* --- bytes ------------------------------------------------------------------------------------------- */

/* What a read that gave no bytes means. */
static receive_result_t on_no_bytes(tls_session_t *s) {
    int why = SSL_get_error(s->ssl, 0);
    switch (why) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        s->wants_output = why == SSL_ERROR_WANT_WRITE;
        s->established = SSL_is_init_finished(s->ssl); /* after an error OpenSSL does not know any more */
        return RECEIVE_NOTHING;
    case SSL_ERROR_ZERO_RETURN:
        return RECEIVE_END;
    case SSL_ERROR_SSL:
        s->broken = true;
        return s->established ? RECEIVE_ERROR : refuse_handshake(s);
    default: /* of the socket */
        s->broken = true;
        return RECEIVE_ERROR;
    }
}

/* Whether to go on after `size` bytes. No record is begun that may not fit: as epoll does not know of its rest,
 * that has to be received out of turn, and at 128 KiB a turn there would always be one. */
static bool may_read(const tls_session_t *s, size_t size, size_t room) {
    size_t left = room - size;
    return left > 0 && (size == 0 || left >= SSL3_RT_MAX_PLAIN_LENGTH || SSL_pending(s->ssl) > 0);
}

/* OpenSSL gives one record, at most 16 KiB, a call: several make one turn of the loop. */
static receive_result_t read_records(tls_session_t *s, uint8_t *bytes, size_t room, size_t *size) {
    receive_result_t result = RECEIVED;
    while (result == RECEIVED && may_read(s, *size, room)) {
        size_t got = 0;
        ERR_clear_error();
        if (SSL_read_ex(s->ssl, bytes + *size, room - *size, &got) == 1)
            *size += got;
        else
            result = on_no_bytes(s);
        s->established |= got > 0;
    }
    if (*size == 0 || result == RECEIVED)
        return result;
    s->has_end = result != RECEIVE_NOTHING;
    s->end = result;
    return RECEIVED;
}

/* So that the peer can read our alert: closing with unread input would be a reset. */
static receive_result_t throw_away(const tls_session_t *s, uint8_t *bytes, size_t room, size_t *size) {
    ssize_t got = recv(s->fd, bytes, room, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? RECEIVE_NOTHING : RECEIVE_ERROR;
    *size = (size_t)got;
    return got > 0 ? RECEIVED : RECEIVE_END;
}

receive_result_t tls_session_receive(tls_session_t *s, uint8_t *bytes, size_t room, size_t *size) {
    *size = 0;
    s->wants_output = false;
    if (s->refused)
        return throw_away(s, bytes, room, size);
    if (s->has_end)
        return s->end;
    receive_result_t result = s->ssl ? RECEIVED : begin(s);
    return result == RECEIVED ? read_records(s, bytes, room, size) : result;
}

bool tls_session_has_input(const tls_session_t *s) {
    return s->has_end || (s->ssl && SSL_pending(s->ssl) > 0);
}

bool tls_session_wants_output(const tls_session_t *s) {
    return s->wants_output;
}

ssize_t tls_session_send(tls_session_t *s, const uint8_t *bytes, size_t size) {
    size_t sent = 0, part = 0;
    if (!s->ssl || s->broken)
        return -1;
    for (; sent < size; sent += part) {
        ERR_clear_error();
        if (SSL_write_ex(s->ssl, bytes + sent, size - sent, &part) == 1)
            continue;
        if (SSL_get_error(s->ssl, 0) == SSL_ERROR_WANT_WRITE)
            break;
        /* Nothing is sent before the handshake's end and there is no renegotiation: it never wants input. */
        s->broken = true;
        return -1;
    }
    return (ssize_t)sent;
}

bool tls_session_finish(tls_session_t *s) {
    if (!s->ssl || s->broken || s->end_said || !s->established)
        return true;
    ERR_clear_error();
    int result = SSL_shutdown(s->ssl);
    if (result < 0 && SSL_get_error(s->ssl, result) == SSL_ERROR_WANT_WRITE)
        return false;
    s->end_said = true;
    return true;
}

bool tls_session_is_shaking_hands(const tls_session_t *s) {
    return s->ssl && !s->established;
}

bool tls_session_is_peer(const tls_session_t *s, const char *name, size_t size) {
    X509 *certificate = s->ssl ? SSL_get0_peer_certificate(s->ssl) : NULL;
    return certificate &&
           X509_check_host(certificate, name, size,
                           X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT, NULL) == 1;
}
