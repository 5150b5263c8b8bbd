#include "tests/support/scu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/patience.h"

/* --- TLS ------------------------------------------------------------------------------------------------ */

static SSL_CTX *tls_context; /* NULL: plain */
static SSL_SESSION *to_resume;
static unsigned long tls_error;

SSL_CTX *scu_use_tls(const char *certificate, const char *key, const char *ca) {
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    SSL_CTX_free(tls_context);
    tls_context = SSL_CTX_new(TLS_client_method());
    if (!tls_context || SSL_CTX_load_verify_file(tls_context, ca) != 1 ||
        (certificate && (SSL_CTX_use_certificate_chain_file(tls_context, certificate) != 1 ||
                         SSL_CTX_use_PrivateKey_file(tls_context, key, SSL_FILETYPE_PEM) != 1))) {
        ERR_print_errors_fp(stderr);
        abort();
    }
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_PEER, NULL);
    /* A ticket is no data: we poll again, with a time limit. */
    SSL_CTX_clear_mode(tls_context, SSL_MODE_AUTO_RETRY);
    return tls_context;
}

void scu_use_plain(void) {
    SSL_CTX_free(tls_context);
    tls_context = NULL;
}

const char *scu_tls_failure(void) {
    const char *words = ERR_reason_error_string(tls_error);
    return words ? words : "";
}

static bool handshake(scu_t *scu) {
    ERR_clear_error();
    scu->tls = SSL_new(tls_context);
    if (to_resume)
        SSL_set_session(scu->tls, to_resume);
    int done = SSL_set_fd(scu->tls, scu->fd) == 1 ? SSL_connect(scu->tls) : 0;
    tls_error = ERR_peek_error();
    return done == 1;
}

/* As recv; -2: nothing yet. */
static ssize_t receive_tls(scu_t *scu, void *into, size_t size) {
    size_t got = 0;
    ERR_clear_error();
    if (SSL_read_ex(scu->tls, into, size, &got) == 1)
        return (ssize_t)got;
    int why = SSL_get_error(scu->tls, 0);
    tls_error = ERR_peek_error();
    return why == SSL_ERROR_WANT_READ ? -2 : why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t send_tls(scu_t *scu, const void *bytes, size_t size) {
    size_t sent = 0;
    ERR_clear_error();
    return SSL_write_ex(scu->tls, bytes, size, &sent) == 1 ? (ssize_t)sent : -1;
}

static void end_tls(scu_t *scu, bool politely) {
    ERR_clear_error();
    if (politely)
        (void)SSL_shutdown(scu->tls);
    SSL_free(scu->tls);
    scu->tls = NULL;
}

/* --- the connection ------------------------------------------------------------------------------------ */

bool scu_connect(scu_t *scu, int port) {
    int timeout_ms = scu->timeout_ms ? scu->timeout_ms : PATIENCE_MS, on = 1;
    *scu = (scu_t){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .timeout_ms = timeout_ms};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < 256; i++)
        scu->answered[i].result = -1;
    setsockopt(scu->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(scu->fd, (struct sockaddr *)&address, sizeof address) == 0 && (!tls_context || handshake(scu)))
        return true;
    scu_close(scu);
    return false;
}

bool scu_resume(scu_t *scu, int port, SSL_SESSION *session) {
    to_resume = session;
    bool connected = scu_connect(scu, port);
    to_resume = NULL;
    return connected;
}

void scu_finish(scu_t *scu) {
    if (scu->tls)
        (void)SSL_shutdown(scu->tls);
    shutdown(scu->fd, SHUT_WR);
}

void scu_reset(scu_t *scu) {
    if (scu->tls)
        end_tls(scu, false);
    setsockopt(scu->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    scu_close(scu);
}

void scu_close(scu_t *scu) {
    if (scu->tls)
        end_tls(scu, true);
    if (scu->fd >= 0)
        close(scu->fd);
    scu->fd = -1;
    bytes_free(&scu->body);
}

bool scu_send(scu_t *scu, const void *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        const char *next = (const char *)bytes + at;
        ssize_t sent = scu->tls ? send_tls(scu, next, size - at) : send(scu->fd, next, size - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

/* As recv, within timeout_ms. */
static ssize_t receive_some(scu_t *scu, void *into, size_t size) {
    ssize_t got;
    do {
        struct pollfd p = {.fd = scu->fd, .events = POLLIN};
        if ((!scu->tls || SSL_pending(scu->tls) == 0) && poll(&p, 1, scu->timeout_ms) <= 0)
            return -1;
        got = scu->tls ? receive_tls(scu, into, size) : recv(scu->fd, into, size, 0);
    } while (got == -2);
    return got;
}

static bool receive(scu_t *scu, uint8_t *into, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t got = receive_some(scu, into + at, size - at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

bool scu_read(scu_t *scu) {
    uint8_t header[6];
    scu->type = 0;
    bytes_free(&scu->body);
    if (!receive(scu, header, sizeof header))
        return false;
    size_t size = (size_t)header[2] << 24 | (size_t)header[3] << 16 | (size_t)header[4] << 8 | header[5];
    scu->body.at = malloc(size + 1);
    scu->body.size = size;
    if (!scu->body.at || !receive(scu, scu->body.at, size))
        return false;
    scu->type = header[0];
    return true;
}

bool scu_at_end(scu_t *scu) {
    struct pollfd p = {.fd = scu->fd, .events = POLLIN};
    char byte;
    if (scu->tls && receive_some(scu, &byte, 1) != 0)
        return false; /* no close_notify */
    return poll(&p, 1, scu->timeout_ms) == 1 && recv(scu->fd, &byte, 1, 0) == 0;
}

/* --- association ---------------------------------------------------------------------------------------- */

static void add_u16(bytes_t *b, size_t value) {
    bytes_add(b, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void add_u32(bytes_t *b, size_t value) {
    add_u16(b, value >> 16 & 0xFFFF);
    add_u16(b, value & 0xFFFF);
}

static void add_item(bytes_t *b, uint8_t type, const void *body, size_t size) {
    bytes_add(b, (uint8_t[]){type, 0}, 2);
    add_u16(b, size);
    bytes_add(b, body, size);
}

static void add_text_item(bytes_t *b, uint8_t type, const char *text) {
    add_item(b, type, text, strlen(text));
}

static void add_title(bytes_t *b, const char *title) {
    char padded[16];
    memset(padded, ' ', sizeof padded);
    memcpy(padded, title, strnlen(title, sizeof padded));
    bytes_add(b, padded, sizeof padded);
}

static void add_context(bytes_t *b, const scu_context_t *context) {
    bytes_t body = {0};
    bytes_add(&body, (uint8_t[]){context->id, 0, 0, 0}, 4);
    if (context->abstract_syntax)
        add_text_item(&body, 0x30, context->abstract_syntax);
    for (size_t i = 0; i < 6 && context->transfer_syntaxes[i]; i++)
        add_text_item(&body, 0x40, context->transfer_syntaxes[i]);
    add_item(b, 0x20, body.at, body.size);
    bytes_free(&body);
}

bytes_t scu_associate_rq(const scu_request_t *r) {
    bytes_t body = {0}, user = {0}, max = {0}, pdu = {0};
    uint8_t reserved[32] = {0};
    add_u16(&body, r->protocol_version ? r->protocol_version : 1);
    add_u16(&body, 0);
    add_title(&body, r->called ? r->called : "SCP");
    add_title(&body, r->calling ? r->calling : "SCU");
    bytes_add(&body, reserved, sizeof reserved);
    add_text_item(&body, 0x10, r->application_context ? r->application_context : "1.2.840.10008.3.1.1.1");
    for (size_t i = 0; i < r->contexts_count; i++)
        add_context(&body, &r->contexts[i]);
    add_u32(&max, r->max_pdu ? r->max_pdu : 16384);
    add_item(&user, 0x51, max.at, max.size);
    add_text_item(&user, 0x52, "1.2.826.0.1.3680043.9.9999.1");
    bytes_add(&user, r->extra_user_items.at, r->extra_user_items.size);
    add_item(&body, 0x50, user.at, user.size);
    bytes_add(&pdu, "\1\0", 2);
    add_u32(&pdu, body.size);
    bytes_add(&pdu, body.at, body.size);
    bytes_free(&body);
    bytes_free(&user);
    bytes_free(&max);
    return pdu;
}

/* Calls `found` for each item in [at, end). */
static void each_item(scu_t *scu, const uint8_t *at, const uint8_t *end,
                      void (*found)(scu_t *, uint8_t, const uint8_t *, size_t)) {
    while (end - at >= 4) {
        size_t size = (size_t)at[2] << 8 | at[3];
        if (size > (size_t)(end - at) - 4)
            return;
        found(scu, at[0], at + 4, size);
        at += 4 + size;
    }
}

static void on_item(scu_t *scu, uint8_t type, const uint8_t *body, size_t size) {
    if (type == 0x21 && size >= 8) {
        scu->answered[body[0]].result = body[2];
        size_t length = size - 8 < 64 ? size - 8 : 64;
        memcpy(scu->answered[body[0]].syntax, body + 8, length);
        scu->answered[body[0]].syntax[length] = 0;
    } else if (type == 0x50) {
        each_item(scu, body, body + size, on_item);
    } else if (type == 0x51 && size == 4) {
        scu->peer_max = (uint32_t)body[0] << 24 | (uint32_t)body[1] << 16 | (uint32_t)body[2] << 8 | body[3];
    }
}

bool scu_associate(scu_t *scu, int port, const scu_request_t *request) {
    if (!scu_connect(scu, port))
        return false;
    bytes_t rq = scu_associate_rq(request);
    bool sent = scu_send(scu, rq.at, rq.size);
    bytes_free(&rq);
    if (!sent || !scu_read(scu) || scu->type != 2 || scu->body.size < 68)
        return false;
    each_item(scu, scu->body.at + 68, scu->body.at + scu->body.size, on_item);
    return true;
}

bool scu_associate_mr(scu_t *scu, int port, const char *calling, const char *syntax) {
    const scu_context_t context = {1, MR_STORAGE, {syntax}};
    return scu_associate(scu, port,
                         &(scu_request_t){.calling = calling, .contexts = &context, .contexts_count = 1}) &&
           scu->answered[1].result == 0;
}

/* --- messages ------------------------------------------------------------------------------------------- */

bool scu_send_pdu(scu_t *scu, uint8_t type, const void *body, size_t size) {
    bytes_t pdu = {0};
    bytes_add(&pdu, (uint8_t[]){type, 0}, 2);
    add_u32(&pdu, size);
    bytes_add(&pdu, body, size);
    bool sent = scu_send(scu, pdu.at, pdu.size);
    bytes_free(&pdu);
    return sent;
}

void scu_add_pdv(bytes_t *pdvs, uint8_t context_id, uint8_t control, const void *bytes, size_t size) {
    add_u32(pdvs, size + 2);
    bytes_add(pdvs, (uint8_t[]){context_id, control}, 2);
    bytes_add(pdvs, bytes, size);
}

bool scu_p_data(scu_t *scu, uint8_t context_id, uint8_t control, const void *bytes, size_t size) {
    bytes_t pdv = {0};
    scu_add_pdv(&pdv, context_id, control, bytes, size);
    bool sent = scu_send_pdu(scu, 4, pdv.at, pdv.size);
    bytes_free(&pdv);
    return sent;
}

static void add_us(bytes_t *set, uint16_t element, uint16_t value) {
    dataset_add(set, IMPLICIT_LE, element, "US", (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

static bytes_t with_group_length(bytes_t *set) {
    bytes_t command = {0};
    uint8_t size[4];
    for (int i = 0; i < 4; i++)
        size[i] = (uint8_t)(set->size >> (8 * i));
    dataset_add(&command, IMPLICIT_LE, 0, "UL", size, 4);
    bytes_add(&command, set->at, set->size);
    bytes_free(set);
    return command;
}

bytes_t scu_store_command(const char *sop_class, const char *sop_instance, uint16_t message_id) {
    bytes_t set = {0};
    dataset_text(&set, IMPLICIT_LE, 0x0002, "UI", sop_class);
    add_us(&set, 0x0100, 0x0001);
    add_us(&set, 0x0110, message_id);
    add_us(&set, 0x0700, 0);
    add_us(&set, 0x0800, 0);
    dataset_text(&set, IMPLICIT_LE, 0x1000, "UI", sop_instance);
    return with_group_length(&set);
}

bytes_t scu_command(uint16_t field, const char *sop_class, uint16_t message_id, bool has_data_set) {
    bytes_t set = {0};
    dataset_text(&set, IMPLICIT_LE, 0x0002, "UI", sop_class);
    add_us(&set, 0x0100, field);
    add_us(&set, 0x0110, message_id);
    add_us(&set, 0x0800, has_data_set ? 0 : 0x0101);
    return with_group_length(&set);
}

bytes_t scu_echo_command(uint16_t message_id) {
    return scu_command(0x0030, "1.2.840.10008.1.1", message_id, false);
}

bool scu_send_store(scu_t *scu, uint8_t context_id, const char *sop_class, const char *sop_instance,
                    const bytes_t *set, size_t fragment) {
    bytes_t command = scu_store_command(sop_class, sop_instance, ++scu->message_id);
    bool sent = scu_p_data(scu, context_id, 3, command.at, command.size);
    bytes_free(&command);
    size_t step = fragment ? fragment : scu->peer_max > 6 ? scu->peer_max - 6 : 65536, at = 0;
    do {
        size_t part = set->size - at < step ? set->size - at : step;
        sent = sent && scu_p_data(scu, context_id, at + part == set->size ? 2 : 0, set->at + at, part);
        at += part;
    } while (sent && at < set->size);
    return sent;
}

/* The value of an element of group 0000 in the response that was read last. */
static const uint8_t *response_element(const scu_t *scu, uint16_t element, size_t *size) {
    for (size_t at = 6; at + 8 <= scu->body.size;) {
        const uint8_t *e = scu->body.at + at;
        *size = e[4] | (size_t)e[5] << 8 | (size_t)e[6] << 16;
        if (*size > scu->body.size - at - 8)
            return NULL;
        if ((e[2] | e[3] << 8) == element)
            return e + 8;
        at += 8 + *size;
    }
    return NULL;
}

int scu_response_number(const scu_t *scu, uint16_t element) {
    size_t size;
    const uint8_t *value = response_element(scu, element, &size);
    return value && size == 2 ? value[0] | value[1] << 8 : -1;
}

int scu_status(scu_t *scu) {
    return scu_read(scu) && scu->type == 4 ? scu_response_number(scu, 0x0900) : -1;
}

bool scu_response_text(const scu_t *scu, uint16_t element, char *text) {
    size_t size;
    const uint8_t *value = response_element(scu, element, &size);
    if (!value || size > 127)
        return false;
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == 0))
        size--;
    memcpy(text, value, size);
    text[size] = 0;
    return true;
}

int scu_store(scu_t *scu, uint8_t context_id, const char *sop_class, const char *sop_instance, const bytes_t *set) {
    return scu_send_store(scu, context_id, sop_class, sop_instance, set, 0) ? scu_status(scu) : -1;
}

int scu_echo(scu_t *scu, uint8_t context_id) {
    bytes_t command = scu_echo_command(++scu->message_id);
    bool sent = scu_p_data(scu, context_id, 3, command.at, command.size);
    bytes_free(&command);
    return sent ? scu_status(scu) : -1;
}

bool scu_send_release(scu_t *scu) {
    return scu_send(scu, "\5\0\0\0\0\4\0\0\0\0", 10);
}

bool scu_release(scu_t *scu) {
    bool released = scu_send_release(scu) && scu_read(scu) && scu->type == 6;
    scu_close(scu);
    return released;
}

int scu_aborted(scu_t *scu) {
    return scu_read(scu) && scu->type == 7 && scu->body.size == 4 && scu_at_end(scu)
               ? scu->body.at[2] << 8 | scu->body.at[3]
               : -1;
}

void scu_abort(scu_t *scu) {
    (void)scu_send(scu, "\7\0\0\0\0\4\0\0\0\0", 10);
    scu_close(scu);
}
