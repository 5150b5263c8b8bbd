#include "common/valid.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "common/broker_schemes.h"
#include "common/comma_list.h"
#include "common/limits.h"
#include "common/network.h"
#include "common/utf8.h"

#define SHORT_STRING_MAX_BYTES 255 /* AMQP 0-9-1, 4.2.5.3 */

bool valid_path(const char *text) {
    return text[0] == '/';
}

static bool has_control_characters(const char *text) {
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

bool valid_broker(const char *text) {
    if (has_control_characters(text))
        return false;
    for (const char *next; (next = strchr(text, ';')); text = next + 1)
        if (broker_scheme_of(text) < 0)
            return false;
    return broker_scheme_of(text) >= 0;
}

/* RFC 3986 3.2.2, and what stands around hosts in lists; a name may have any other character. */
#define NOT_IN_NAMES "/?#@[]<>\"\\^`{|} ;,"

static bool is_name(const char *name, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (strchr(NOT_IN_NAMES, name[i]))
            return false;
    return size > 0;
}

/* An address of IPv6, perhaps of an interface: fe80::1%eth0. */
static bool is_in_brackets(const char *text, size_t size) {
    char address[INET6_ADDRSTRLEN];
    const char *zone = memchr(text, '%', size);
    size = zone ? (size_t)(zone - text) : size;
    if (size >= sizeof address)
        return false;
    memcpy(address, text, size);
    address[size] = 0;
    return strchr(address, ':') && network_is_address(address);
}

/* Whether a host stands before `end`, and behind it no port or one that there is. */
static bool is_host(const char *host, const char *end) {
    const char *bracket = host < end && *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    const char *colon = bracket ? bracket + 1 : memchr(host, ':', (size_t)(end - host));
    if (bracket ? !is_in_brackets(host + 1, (size_t)(bracket - host - 1))
                : !is_name(host, (size_t)((colon ? colon : end) - host)))
        return false;
    return !colon || colon == end || (*colon == ':' && network_is_port(colon + 1, (size_t)(end - colon - 1)));
}

/* One server, up to a comma or the end. */
static bool is_one_nats(const char *text, size_t length) {
    bool scheme = strncmp(text, "nats://", 7) == 0 || strncmp(text, "tls://", 6) == 0;
    const char *end = text + length, *mark = strstr(text, "://"), *host = scheme ? mark + 3 : text;
    if (host >= end || (!scheme && mark && mark < end))
        return false;
    const char *at = memrchr(host, '@', (size_t)(end - host)), *slash;
    host = at ? at + 1 : host;
    slash = memchr(host, '/', (size_t)(end - host));
    return (!slash || slash + 1 == end) && is_host(host, slash ? slash : end);
}

bool valid_nats(const char *text) {
    if (strchr(text, ' ') || has_control_characters(text))
        return false;
    for (const char *next; (next = strchr(text, ',')); text = next + 1)
        if (!is_one_nats(text, (size_t)(next - text)))
            return false;
    return is_one_nats(text, strlen(text));
}

bool valid_queue_name(const char *text) {
    size_t length = strlen(text);
    return length >= 1 && length <= SHORT_STRING_MAX_BYTES && utf8_valid(text, length) && !strchr(text, '/') &&
           !has_control_characters(text);
}

bool valid_key_prefix(const char *text) {
    size_t length = strlen(text);
    return length <= SHORT_STRING_MAX_BYTES && utf8_valid(text, length) && !has_control_characters(text);
}

bool valid_subject(const char *text) {
    return *text && !strpbrk(text, " *>") && !has_control_characters(text) && text[0] != '.' &&
           text[strlen(text) - 1] != '.' && !strstr(text, "..");
}

bool valid_ae_title(const char *text) {
    size_t length = strlen(text);
    return length >= 1 && length <= AE_TITLE_BYTES && text[0] != ' ' && text[length - 1] != ' ' &&
           !strchr(text, '\\') && !has_control_characters(text);
}

bool valid_ae_titles(const char *text) {
    const char *title;
    size_t size;
    if (has_control_characters(text))
        return false;
    while (comma_list_next(&text, &title, &size))
        if (size == 0 || size > AE_TITLE_BYTES)
            return false;
    return true;
}

bool valid_named_titles(const char *text) {
    const char *item, *mark;
    size_t size;
    while (comma_list_next(&text, &item, &size)) {
        mark = memchr(item, '=', size);
        if (!mark || mark == item || mark + 1 == item + size || size - (size_t)(mark + 1 - item) > AE_TITLE_BYTES)
            return false;
    }
    return true;
}

bool valid_cube_url(const char *text) {
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    return host && is_host(host, host + strcspn(host, "/")) && !strpbrk(host, "@?# \"<>\\") &&
           !has_control_characters(host);
}

bool valid_cube_token(const char *text) {
    return !strchr(text, ' ') && !has_control_characters(text);
}

bool valid_cube_user(const char *text) {
    return !strchr(text, ':') && !has_control_characters(text);
}

bool valid_log_format(const char *text) {
    return strcmp(text, "text") == 0 || strcmp(text, "json") == 0;
}

bool valid_file_mode(const char *text) {
    text += *text == '0';
    return strlen(text) == 3 && strspn(text, "01234567") == 3 && (*text == '6' || *text == '7');
}

bool valid_writer_id(const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return length >= 1 && length <= 64;
}

bool valid_tls_client(const char *text) {
    return strcmp(text, "none") == 0 || strcmp(text, "optional") == 0 || strcmp(text, "required") == 0;
}

bool valid_sandbox(const char *text) {
    return strcmp(text, "auto") == 0 || strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}
