/* The names of this machine under which browsers may see the page: under a stranger's name that leads here, his
 * own page could read ours (DNS rebinding). */
#ifndef NOTIFIER_HTTP_HOSTS_H
#define NOTIFIER_HTTP_HOSTS_H

#include <stdbool.h>

/* Whether a request with this Host header (RFC 9110 7.2; NULL: none), or with an absolute target that goes on with
 * this, may see it: by an address, as localhost, by the machine's name or by one in `list` (OXIDICOM_HTTP_HOSTS:
 * names between commas, `*`: any; NULL: none). */
bool hosts_allow(const char *header, const char *list);

#endif
