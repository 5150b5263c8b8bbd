/* What nsc would make: an operator, an account and a user of NATS, with keys of their own.
 * https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt */
#ifndef SUPPORT_NKEYS_H
#define SUPPORT_NKEYS_H

/* Writes the user's credentials, <folder>/user.creds, and a configuration for nats-server that lets only users of
 * the account in. Returns the path of that; free it. */
char *nkeys_write(const char *folder);

#endif
