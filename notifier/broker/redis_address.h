/* Addresses of Redis as kombu and redis-py have them:
 *   redis[s]://[[user]:password@]host[:port][/database]
 *   redis+socket://[[user]:password@]/path, unix://[[user]:password@]/path
 * and behind a `?` virtual_host or db, ssl_cert_reqs, ssl_ca_certs, ssl_certfile and ssl_keyfile; other options are
 * ignored. No host is this machine, but not behind a user or password: there it was forgotten. Every part may be
 * percent-encoded (RFC 3986 2.1). libcurl can't read them: it takes the first folder of unix:///run/socket for a
 * host, and wants no @ in a password and no zone in an IPv6 address. */
#ifndef NOTIFIER_BROKER_REDIS_ADDRESS_H
#define NOTIFIER_BROKER_REDIS_ADDRESS_H

#include <stdbool.h>

#include "notifier/broker/broker_tls.h"

typedef struct redis_address {
    char *text;                  /* owned; the others point into it, or are constants */
    const char *user, *password; /* NULL: none */
    const char *host, *port;     /* NULL: a Unix socket */
    const char *path;            /* of the Unix socket */
    const char *database;        /* digits */
    bool tls;
    broker_tls_t trust; /* as given, and changed by the options */
} redis_address_t;

/* Returns false for another form. Clear it in any case. */
bool redis_address_parse(redis_address_t *address, const char *text, const broker_tls_t *trust);
void redis_address_clear(redis_address_t *address);

#endif
