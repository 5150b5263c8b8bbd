/* TLS towards a broker: its trusted CAs, our certificate. */
#ifndef NOTIFIER_BROKER_BROKER_TLS_H
#define NOTIFIER_BROKER_BROKER_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/settings.h"
#include "notifier/broker/failure.h"

/* Paths of PEM files, or NULL. They belong to the settings or to an address. */
typedef struct broker_tls {
    const char *ca, *certificate, *key;
    bool verify;
} broker_tls_t;

broker_tls_t broker_tls_of(const settings_t *settings);

/* Makes a client's context, of one connection: TLS 1.2 or later, the files read now, so that they can be replaced
 * while the process runs; the peer's certificate must name `host`, a DNS name or an IP address (RFC 6125). -1: with
 * the failure. */
int broker_tls_configure(SSL_CTX *context, const broker_tls_t *tls, const char *host, failure_t *failure);

/* Why the last handshake or call of OpenSSL in this thread failed; NULL: OpenSSL does not say. Valid until the next
 * call of OpenSSL. */
const char *broker_tls_reason(void);
/* Forgets reasons of before. */
void broker_tls_forget_reason(void);

#endif
