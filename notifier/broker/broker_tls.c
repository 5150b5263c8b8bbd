#include "notifier/broker/broker_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Why the peer's certificate was not taken: rabbitmq-c throws the session that knows away. */
static _Thread_local const char *refusal;

broker_tls_t broker_tls_of(const settings_t *settings) {
    return (broker_tls_t){settings->broker_tls_ca, settings->broker_tls_certificate, settings->broker_tls_key,
                          settings->broker_tls_verify};
}

void broker_tls_forget_reason(void) {
    refusal = NULL;
    ERR_clear_error();
}

const char *broker_tls_reason(void) {
    unsigned long error = ERR_peek_error();
    if (refusal)
        return refusal;
    if (ERR_SYSTEM_ERROR(error))
        return strerror(ERR_GET_REASON(error));
    return error ? ERR_reason_error_string(error) : NULL;
}

static int unusable(failure_t *failure, const char *what, const char *path) {
    const char *reason = broker_tls_reason();
    failure_set(failure, "can't use %s %.150s: %s", what, path, reason ? reason : "unknown reason");
    broker_tls_forget_reason();
    return -1;
}

/* A key with a passphrase must fail rather than ask on a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *argument) {
    (void)buffer;
    (void)size;
    (void)writing;
    (void)argument;
    return -1;
}

static int on_verified(int good, X509_STORE_CTX *store) {
    if (!good)
        refusal = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
    return good;
}

static int show_certificate(SSL_CTX *context, const broker_tls_t *tls, failure_t *failure) {
    const char *key = tls->key ? tls->key : tls->certificate;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1)
        return unusable(failure, "the certificate", tls->certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return unusable(failure, "the private key", key);
    return 0;
}

static int set_trust(SSL_CTX *context, const broker_tls_t *tls, const char *host, failure_t *failure) {
    SSL_CTX_set_verify(context, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, tls->verify ? on_verified : NULL);
    if (!tls->verify)
        return 0;
    if (tls->ca && SSL_CTX_load_verify_file(context, tls->ca) != 1)
        return unusable(failure, "the CA", tls->ca);
    if (!tls->ca && SSL_CTX_set_default_verify_paths(context) != 1)
        return unusable(failure, "the CAs of", "the system");
    X509_VERIFY_PARAM *wanted = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) != 1 && X509_VERIFY_PARAM_set1_host(wanted, host, 0) != 1)
        return unusable(failure, "the host", host);
    return 0;
}

int broker_tls_configure(SSL_CTX *context, const broker_tls_t *tls, const char *host, failure_t *failure) {
    broker_tls_forget_reason();
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        return unusable(failure, "TLS", "1.2");
    if (tls->certificate && show_certificate(context, tls, failure) != 0)
        return -1;
    return set_trust(context, tls, host, failure);
}
