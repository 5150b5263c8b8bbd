#include "notifier/broker/redis_address.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/network.h"
#include "common/percent.h"

/* The database is a number; kombu takes nothing for 0. */
static bool set_database(redis_address_t *address, const char *text) {
    address->database = *text ? text : "0";
    return strlen(text) <= 9 && strspn(text, "0123456789") == strlen(text);
}

/* none, optional or required, as kombu and Python's ssl have them. */
static bool set_verification(redis_address_t *address, const char *value) {
    bool none = strcmp(value, "none") == 0 || strcmp(value, "CERT_NONE") == 0;
    bool some = strcmp(value, "required") == 0 || strcmp(value, "CERT_REQUIRED") == 0 ||
                strcmp(value, "optional") == 0 || strcmp(value, "CERT_OPTIONAL") == 0;
    address->trust.verify = !none;
    return none || some;
}

static bool set_option(redis_address_t *address, const char *name, char *value) {
    if (percent_decode(value) < 0)
        return false;
    if (strcmp(name, "virtual_host") == 0 || strcmp(name, "db") == 0)
        return set_database(address, value[0] == '/' ? value + 1 : value);
    if (strcmp(name, "ssl_cert_reqs") == 0)
        return set_verification(address, value);
    if (strcmp(name, "ssl_ca_certs") == 0)
        address->trust.ca = value;
    if (strcmp(name, "ssl_certfile") == 0)
        address->trust.certificate = value;
    if (strcmp(name, "ssl_keyfile") == 0)
        address->trust.key = value;
    return true;
}

static bool set_options(redis_address_t *address, char *query) {
    for (char *option; (option = strsep(&query, "&"));) {
        char *value = strchr(option, '=');
        if (!value)
            continue;
        *value = 0;
        if (!set_option(address, option, value + 1))
            return false;
    }
    return true;
}

/* [user]:password, or a user alone. */
static bool set_user(redis_address_t *address, char *user) {
    char *password = strchr(user, ':');
    if (password)
        *password++ = 0;
    if (percent_decode(user) < 0 || (password && percent_decode(password) < 0))
        return false;
    address->user = *user ? user : NULL;
    address->password = password && *password ? password : NULL;
    return true;
}

/* host[:port]; a host in brackets is an IPv6 address (RFC 3986 3.2.2). */
static bool set_host(redis_address_t *address, char *host) {
    char *end = host[0] == '[' ? strchr(++host, ']') : NULL;
    if (end)
        *end++ = 0;
    else
        end = host + strcspn(host, ":");
    if (*end && *end != ':')
        return false;
    bool port = *end == ':' && end[1];
    *end = 0;
    address->host = *host ? host : "127.0.0.1";
    address->port = port ? end + 1 : "6379";
    return percent_decode(host) >= 0 && network_is_port(address->port, strlen(address->port));
}

bool redis_address_parse(redis_address_t *address, const char *text, const broker_tls_t *trust) {
    *address = (redis_address_t){.text = copy_text(text), .database = "0", .trust = *trust};
    char *authority = strstr(address->text, "://");
    if (!authority)
        return false;
    *authority = 0;
    authority += strlen("://");
    bool is_unix = strcmp(address->text, "unix") == 0 || strcmp(address->text, "redis+socket") == 0;
    address->tls = strcmp(address->text, "rediss") == 0;
    char *query = authority + strcspn(authority, "?");
    bool has_query = *query == '?';
    *query = 0;
    char *path = strchr(authority, '/');
    if (path)
        *path++ = 0;
    char *at = strrchr(authority, '@');
    if (at) {
        *at = 0;
        if (!set_user(address, authority))
            return false;
        authority = at + 1;
    }
    if (is_unix) {
        if (!path || *authority || percent_decode(path) < 0)
            return false;
        *--path = '/';
        address->path = path;
    } else if ((at && strcspn(authority, ":") == 0) || !set_host(address, authority) ||
               (path && (percent_decode(path) < 0 || !set_database(address, path)))) {
        return false;
    }
    return !has_query || set_options(address, query + 1);
}

void redis_address_clear(redis_address_t *address) {
    free(address->text);
    *address = (redis_address_t){0};
}
