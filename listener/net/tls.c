#include "listener/net/tls.h"

#include <openssl/err.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

/* RFC 9325 4.2: forward secrecy and authenticated encryption, and no finite-field DHE. TLS 1.3 has no others. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
/* At least 112 bits: RSA and DH of 2048 bits, no SHA-1 signatures (SSL_CTX_set_security_level(3)). */
#define SECURITY_LEVEL 2
#define NAME_MAX_BYTES 256

/* --- complaints -------------------------------------------------------------------------------------- */

/* Why the last call of OpenSSL failed: the first of its errors is the cause. */
static const char *reason(void) {
    unsigned long error = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(error))
        return strerror(ERR_GET_REASON(error));
    if (ERR_GET_REASON(error) == ERR_R_UNSUPPORTED) /* by every decoder of keys that there is */
        return "it holds none that can be read";
    const char *text = ERR_reason_error_string(error);
    return text ? text : "it can't be used";
}

static int complain(const char *variable, const char *value, const char *what, const char *needed) {
    log_error(NULL, "%s is \"%s\": %s; needed is %s", variable, value, what, needed);
    return EXIT_SETTINGS;
}

/* --- the files --------------------------------------------------------------------------------------- */

/* A key with a passphrase must fail rather than ask on a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *argument) {
    (void)buffer;
    (void)size;
    (void)writing;
    (void)argument;
    return -1;
}

static int load_certificate(SSL_CTX *context, const settings_t *s) {
    const char *key = s->tls_key ? s->tls_key : s->tls_certificate;
    const char *key_variable = s->tls_key ? "OXIDICOM_TLS_KEY" : "OXIDICOM_TLS_CERTIFICATE";
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, s->tls_certificate) != 1)
        return complain("OXIDICOM_TLS_CERTIFICATE", s->tls_certificate, reason(),
                        "a PEM file with a certificate and those between it and its CA");
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(context) != 1)
        return complain(key_variable, key, reason(),
                        "a PEM file with the certificate's private key, without passphrase");
    return 0;
}

/* The mode of `name`, a value that the settings table has let through. */
static int verify_mode(const settings_t *s) {
    const char *name = s->tls_client ? s->tls_client : s->tls_ca ? "required" : "none";
    if (strcmp(name, "required") == 0)
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return strcmp(name, "optional") == 0 ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
}

static int load_ca(SSL_CTX *context, const settings_t *s) {
    int mode = verify_mode(s);
    SSL_CTX_set_verify(context, mode, NULL);
    if (!s->tls_ca)
        return mode == SSL_VERIFY_NONE
                   ? 0
                   : complain("OXIDICOM_TLS_CLIENT", s->tls_client, "OXIDICOM_TLS_CA is not set",
                              "a CA that the clients' certificates are checked against");
    /* The names of the CAs are sent to clients, so that they can choose among their certificates. */
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(s->tls_ca);
    if (!names || SSL_CTX_load_verify_file(context, s->tls_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return complain("OXIDICOM_TLS_CA", s->tls_ca, reason(), "a PEM file with the CAs of the clients");
    }
    SSL_CTX_set_client_CA_list(context, names);
    return 0;
}

/* --- resumption -------------------------------------------------------------------------------------- */

/* A ticket holds the client's certificate, which may have expired since: then the whole handshake is made again. */
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_size,
                                   SSL_TICKET_STATUS status, void *argument) {
    (void)ssl;
    (void)name;
    (void)name_size;
    (void)argument;
    X509 *peer = session ? SSL_SESSION_get0_peer(session) : NULL;
    if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    switch (status) {
    case SSL_TICKET_SUCCESS:
        return SSL_TICKET_RETURN_USE;
    case SSL_TICKET_SUCCESS_RENEW:
        return SSL_TICKET_RETURN_USE_RENEW;
    default: /* none, or one of another key */
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
}

/* --- the context ------------------------------------------------------------------------------------- */

static SSL_CTX *new_context(void) {
    SSL_CTX *context = must(SSL_CTX_new(TLS_server_method()));
    must_hold(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(context, TLS12_CIPHERS) == 1); /* else OpenSSL was built without them */
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     /* DICOM tells itself where a message ends, and old peers only close. */
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  /* An idle association has no buffers. */
                                  SSL_MODE_RELEASE_BUFFERS);
    /* One record a call, so that a peer that sends nothing but key updates can't keep the loop. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    /* Tickets let peers resume; sessions kept here would grow with the number of peers. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_session_ticket_cb(context, NULL, on_ticket, NULL) != 1)
        abort();
    /* Resumption without it fails where clients are verified (SSL_CTX_set_session_id_context(3)). */
    must_hold(SSL_CTX_set_session_id_context(context, (const unsigned char *)"oxidicom", 8) == 1);
    return context;
}

static void describe(SSL_CTX *context) {
    X509 *certificate = SSL_CTX_get0_certificate(context);
    char subject[NAME_MAX_BYTES], until[32];
    struct tm tm;
    X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1 ||
        strftime(until, sizeof until, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        strcpy(until, "an unknown time");
    log_info(NULL, "TLS certificate %s, valid until %s UTC", subject, until);
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        log_error(NULL, "the TLS certificate %s has expired: peers will refuse it", subject);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        log_error(NULL, "the TLS certificate %s is not valid yet: peers will refuse it", subject);
}

/* Replaces tls->context by a new one, if all files are good. */
static int load(tls_t *tls) {
    ERR_clear_error();
    SSL_CTX *context = new_context();
    int status = load_certificate(context, tls->settings);
    if (status == 0)
        status = load_ca(context, tls->settings);
    ERR_clear_error();
    if (status != 0) {
        SSL_CTX_free(context);
        return status;
    }
    SSL_CTX_free(tls->context); /* open sessions hold the old one */
    tls->context = context;
    describe(context);
    return 0;
}

/* What the settings table can't say: which settings go together. */
static int check(const settings_t *s) {
    char port[24];
    snprintf(port, sizeof port, "%lld", (long long)s->tls_port);
    if (s->tls_port == 0 && s->listener_port == 0)
        return complain("OXIDICOM_LISTENER_PORT", "0", "OXIDICOM_TLS_PORT is 0, too", "one port at least");
    if (s->tls_port == s->listener_port)
        return complain("OXIDICOM_TLS_PORT", port, "it is OXIDICOM_LISTENER_PORT, too", "a port of its own");
    if (s->tls_port != 0 && !s->tls_certificate)
        return complain("OXIDICOM_TLS_PORT", port, "OXIDICOM_TLS_CERTIFICATE is not set", "a certificate");
    if (s->tls_port == 0 && s->tls_certificate)
        return complain("OXIDICOM_TLS_CERTIFICATE", s->tls_certificate, "OXIDICOM_TLS_PORT is 0",
                        "a port for TLS, 2762 by custom");
    return 0;
}

/* Certificates that everybody can do without by another port protect nothing. */
static void warn_of_plain_port(const settings_t *s) {
    if (s->tls_port != 0 && s->tls_ca && s->listener_port != 0 && !s->allow_peers)
        log_warn(NULL,
                 "OXIDICOM_TLS_CA is set, but anybody may send without TLS on port %lld: set "
                 "OXIDICOM_LISTENER_PORT=0, or OXIDICOM_ALLOW_PEERS",
                 (long long)s->listener_port);
}

int tls_start(tls_t *tls, const settings_t *settings) {
    *tls = (tls_t){.settings = settings};
    int status = check(settings);
    if (status == 0)
        warn_of_plain_port(settings);
    return status || settings->tls_port == 0 ? status : load(tls);
}

void tls_clear(tls_t *tls) {
    SSL_CTX_free(tls->context);
    tls->context = NULL;
}

void tls_reload(tls_t *tls) {
    if (!tls->context)
        return;
    if (load(tls) == 0)
        log_info(NULL, "TLS certificates are read again");
    else
        log_error(NULL, "the TLS certificates from before stay in use");
}
