#include "notifier/broker/amqp_address.h"

#include <stdlib.h>
#include <string.h>

#include "common/broker_schemes.h"
#include "common/memory.h"

/* A host that is left out behind a user was forgotten: rabbitmq-c would take this machine. */
static bool lacks_host(const char *address) {
    const char *authority = broker_scheme_rest(address), *end = authority + strcspn(authority, "/?");
    const char *at = memrchr(authority, '@', (size_t)(end - authority));
    return at && (at + 1 == end || at[1] == ':');
}

/* kombu writes the virtual host `/` as `//`, as nothing after the slash, or as %2F, and takes options behind a `?`;
 * rabbitmq-c knows only the third. Cuts the text to what rabbitmq-c reads. */
static void normalize(char *address) {
    char *authority = strstr(address, "://") + strlen("://");
    authority[strcspn(authority, "?")] = 0;
    char *path = strchr(authority, '/');
    if (path && (strcmp(path, "/") == 0 || strcmp(path, "//") == 0))
        *path = 0;
}

bool amqp_address_parse(amqp_address_t *address, const char *text) {
    address->text = copy_text(text);
    normalize(address->text);
    amqp_default_connection_info(&address->info); /* guest, guest, / */
    return !lacks_host(text) && amqp_parse_url(address->text, &address->info) == AMQP_STATUS_OK &&
           address->info.port > 0;
}

void amqp_address_clear(amqp_address_t *address) {
    free(address->text);
    address->text = NULL;
}
