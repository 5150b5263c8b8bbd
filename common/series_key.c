#include "common/series_key.h"

#include <czmq.h>

#include "common/memory.h"

const char *series_key_below_pacs(const char *path) {
    return strncmp(path, SERVICES_PACS "/", strlen(SERVICES_PACS "/")) == 0 ? path + strlen(SERVICES_PACS "/")
                                                                            : NULL;
}

/* Percent-encoded (RFC 3986 2.1): three bytes at most for each. Not isalnum: a locale must not change a name. */
static char *append_encoded(char *to, const char *text) {
    static const char KEPT[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    for (; *text; text++)
        if (strchr(KEPT, *text))
            *to++ = *text;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*text);
    *to = 0;
    return to;
}

/* The mark stands behind a '=', which no key that fits has. */
static void cut(char *key, size_t size) {
    zdigest_t *digest = must(zdigest_new());
    zdigest_update(digest, (const byte *)key, size);
    const char *mark = zdigest_string(digest);
    size_t kept = SERIES_KEY_MAX_BYTES - 1 - strlen(mark);
    key[kept] = '=';
    memcpy(key + kept + 1, mark, strlen(mark) + 1);
    zdigest_destroy(&digest);
}

char *series_key(const char *pacs_name, const char *series_uid) {
    char *key = must(malloc(3 * (strlen(pacs_name) + strlen(series_uid)) + 2));
    char *end = append_encoded(key, pacs_name);
    *end++ = '+';
    end = append_encoded(end, series_uid);
    if (end - key > SERIES_KEY_MAX_BYTES)
        cut(key, (size_t)(end - key));
    return key;
}
