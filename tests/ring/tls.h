/* What the suites about TLS share: a folder of certificates and a receiver that serves TLS with them. */
#ifndef RING_TLS_H
#define RING_TLS_H

#include "tests/ring/upper_layer.h"

typedef struct tls_site {
    site_t site; /* its receiver.port: with TLS */
    int plain_port;
    char *folder; /* "ca" has issued "site", the receiver's, and "client"; "stranger" is of "other-ca" */
} tls_site_t;

/* With the CA, so that clients need a certificate, unless `more` says otherwise: up to eight name-value pairs,
 * NULL-terminated, or NULL. */
tls_site_t tls_site_start(const char *const *more);
void tls_site_end(tls_site_t *tls);

/* A file of the folder, valid until the eighth call after it. */
const char *pem(const tls_site_t *tls, const char *name);
/* Connections of this process use TLS with that certificate, NULL: none. The receiver's is checked against "ca". */
SSL_CTX *use_certificate(const tls_site_t *tls, const char *name);

/* Whether an association stores an instance now. */
bool stores(const tls_site_t *tls, int number);

#endif
