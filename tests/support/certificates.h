/* CAs and certificates for tests, made by the openssl program: <folder>/<name>.crt and <name>.key, PEM. */
#ifndef SUPPORT_CERTIFICATES_H
#define SUPPORT_CERTIFICATES_H

#include <time.h>

#define KEY_RSA "rsa:2048"
#define KEY_EC  "ec"

void certificates_ca(const char *folder, const char *name);
/* A certificate for servers and clients, issued by the CA of that name. Replaces an existing one. `key_type`:
 * KEY_RSA, which takes a while to make, or KEY_EC. */
void certificates_issue(const char *folder, const char *ca, const char *name, const char *key_type);
/* Signs the certificate of that name anew: it ends so many seconds from now. Returns when. */
time_t certificates_shorten(const char *folder, const char *ca, const char *name, long seconds);

#endif
