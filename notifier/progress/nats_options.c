#include "notifier/progress/nats_options.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/percent.h"

/* Servers in OXIDICOM_NATS_ADDRESS; further ones are not tried. */
#define SERVERS_MAX        32
#define CONNECT_TIMEOUT_MS 2000
/* A NATS that leaves so many pings unanswered is taken for gone. */
#define PING_INTERVAL_MS 5000
#define PINGS_MAX        2

static void on_disconnected(natsConnection *connection, void *closure) {
    (void)connection;
    if (link_state_is_ending(closure))
        return;
    link_state_down(closure, "the connection was lost");
    log_warn(NULL, "the connection to NATS is lost; progress is dropped, reception goes on");
}

/* cnats prints errors of the connection on stderr unless somebody takes them. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure) {
    (void)connection;
    (void)subscription;
    (void)closure;
    log_warn(NULL, "NATS: %s", natsStatus_GetText(status));
}

/* cnats takes user and password of an address as they are. Where they are percent-encoded, they are cut out and
 * told it decoded, for all servers that have none of their own. */
static natsStatus take_encoded_user(natsOptions *options, char *address) {
    char *scheme = strstr(address, "://"), *user = scheme ? scheme + strlen("://") : address;
    char *at = strrchr(user, '@');
    if (!at || !memchr(user, '%', (size_t)(at - user)))
        return NATS_OK;
    *at = 0;
    char *copy = copy_text(user), *password;
    memmove(user, at + 1, strlen(at + 1) + 1);
    if ((password = strchr(copy, ':')))
        *password++ = 0;
    natsStatus status = NATS_INVALID_ARG;
    if (percent_decode(copy) >= 0 && (!password || percent_decode(password) >= 0))
        status = password ? natsOptions_SetUserInfo(options, copy, password) : natsOptions_SetToken(options, copy);
    free(copy);
    return status;
}

/* The servers of the address, tried in their order, over TLS where one of them or a CA says so; and who we are. */
static natsStatus set_servers(natsOptions *options, const settings_t *settings) {
    const char *servers[SERVERS_MAX];
    int count = 0;
    bool secure = settings->nats_ca != NULL;
    char *addresses = copy_text(settings->nats_address), *rest = addresses;
    natsStatus status = NATS_OK;
    for (char *address; status == NATS_OK && count < SERVERS_MAX && (address = strsep(&rest, ","));) {
        secure = secure || strncmp(address, "tls://", strlen("tls://")) == 0;
        status = take_encoded_user(options, address);
        servers[count++] = address;
    }
    if (status == NATS_OK)
        status = natsOptions_SetServers(options, servers, count);
    free(addresses);
    if (status == NATS_OK)
        status = natsOptions_SetNoRandomize(options, true);
    if (status == NATS_OK && secure)
        status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && settings->nats_credentials)
        status = natsOptions_SetUserCredentialsFromFiles(options, settings->nats_credentials, NULL);
    return status;
}

/* Never logs the address, which may hold a password. cnats does not reconnect by itself: it would hide unsent
 * messages from us, and give up for good after a refusal. */
static natsStatus set_options(natsOptions *options, const settings_t *settings, link_state_t *state) {
    natsStatus status = set_servers(options, settings);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, "oxidicom-notifier");
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, CONNECT_TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(options, false);
    if (status == NATS_OK)
        status = natsOptions_SetWriteDeadline(options, NATS_WRITE_TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, PING_INTERVAL_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(options, PINGS_MAX);
    if (status == NATS_OK)
        status = natsOptions_SetDisconnectedCB(options, on_disconnected, state);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, on_error, NULL);
    return status;
}

natsOptions *nats_options_new(const settings_t *settings, link_state_t *state) {
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_options(options, settings, state);
    if (status == NATS_OK)
        return options;
    link_state_down(state, natsStatus_GetText(status));
    log_error(NULL, "OXIDICOM_NATS_ADDRESS can't be used: %s; no progress is published",
              natsStatus_GetText(status));
    natsOptions_Destroy(options);
    return NULL;
}
