/* TLS of the listener's second port: certificate, key and CA, and the limits of the negotiation. The profile is
 * PS3.15 B.12, the BCP 195 TLS profile (RFC 8996, RFC 9325). A single session is in tls_session.h. */
#ifndef LISTENER_NET_TLS_H
#define LISTENER_NET_TLS_H

#include <openssl/ssl.h>

#include "common/settings.h"

typedef struct tls {
    const settings_t *settings; /* of the stage */
    SSL_CTX *context;           /* for new sessions; NULL: TLS is off */
} tls_t;

/* Reads the files that OXIDICOM_TLS_* name, when there is an OXIDICOM_TLS_PORT. `settings` must outlive it.
 * Returns 0, or EXIT_SETTINGS after logging the variable, its value and its fault; free with tls_clear in both
 * cases. */
int tls_start(tls_t *tls, const settings_t *settings) __attribute__((warn_unused_result));
void tls_clear(tls_t *tls);

/* Reads the files again. Open sessions keep theirs; if a file is bad, new ones get the old ones, too. */
void tls_reload(tls_t *tls);

#endif
