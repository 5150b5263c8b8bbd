#include "notifier/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "notifier/http/clients.h"
#include "notifier/http/hosts.h"
#include "notifier/metrics/metrics_text.h"

struct http {
    const settings_t *settings;
    health_t *health;
    live_t *live;
    struct MHD_Daemon *daemon; /* NULL: can't be bound */
    int64_t tried_ms;
    log_limit_t said;
    clients_t clients;
};

/* --- who asks ---------------------------------------------------------------------------------------------- */

static client_t *client_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void become_viewer(http_t *http, struct MHD_Connection *connection) {
    client_t *client = client_of(connection);
    if (client)
        clients_become_viewer(&http->clients, client);
}

/* --- answers --------------------------------------------------------------------------------------------- */

typedef struct answer {
    unsigned status;
    const char *type;
    char *body; /* owned */
    size_t size;
    struct MHD_Response *response; /* in place of a body */
    const char *policy;            /* of the page; NULL: another answer */
} answer_t;

static answer_t answer_text(unsigned status, const char *what, const char *detail) {
    answer_t answer = {.status = status, .type = "text/plain; charset=utf-8"};
    answer.body = format_text("%s%s\n", what, detail);
    answer.size = strlen(answer.body);
    return answer;
}

static answer_t answer_json(unsigned status, char *json) {
    return (answer_t){.status = status, .type = "application/json", .body = json, .size = strlen(json)};
}

static bool is_verbose(struct MHD_Connection *connection) {
    return MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, "verbose", strlen("verbose"), NULL,
                                         NULL) == MHD_YES;
}

static answer_t on_livez(http_t *http, struct MHD_Connection *connection) {
    bool alive = health_alive(http->health, clock_ms());
    unsigned status = alive ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    if (is_verbose(connection))
        return answer_json(status, health_json(http->health, clock_ms()));
    return answer_text(status, alive ? "alive" : "held up", "");
}

static answer_t on_readyz(http_t *http, struct MHD_Connection *connection) {
    static const char *const states[] = {
        [UNREADY] = "not ready: ", [DEGRADED] = "ready, but degraded: ", [READY] = "ready"};
    char why[HEALTH_WHY_BYTES];
    readiness_t readiness = health_ready(http->health, clock_ms(), why);
    unsigned status = readiness == UNREADY ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
    if (is_verbose(connection))
        return answer_json(status, health_json(http->health, clock_ms()));
    return answer_text(status, states[readiness], why);
}

static answer_t on_metrics(http_t *http, struct MHD_Connection *connection) {
    bool openmetrics =
        metrics_text_wants_openmetrics(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"));
    answer_t answer = {.status = MHD_HTTP_OK, .type = openmetrics ? OPENMETRICS_FORMAT : TEXT_FORMAT};
    answer.body = metrics_text_of(http->health->metrics, openmetrics, clock_ms(), &answer.size);
    return answer;
}

static answer_t on_page(http_t *http, struct MHD_Connection *connection) {
    (void)http;
    (void)connection;
    answer_t answer = {.status = MHD_HTTP_OK, .type = "text/html; charset=utf-8", .policy = live_page_policy()};
    const char *page = live_page(&answer.size);
    answer.response = MHD_create_response_from_buffer(answer.size, (void *)(uintptr_t)page, MHD_RESPMEM_PERSISTENT);
    return answer;
}

static answer_t on_events(http_t *http, struct MHD_Connection *connection) {
    answer_t answer = {.status = MHD_HTTP_OK, .type = "text/event-stream"};
    answer.response = viewers_response(http->live->stream, connection);
    if (!answer.response)
        return answer_text(MHD_HTTP_SERVICE_UNAVAILABLE, "too many look already", "");
    become_viewer(http, connection);
    return answer;
}

static const struct route {
    const char *path;
    answer_t (*answer)(http_t *http, struct MHD_Connection *connection);
    bool for_browsers; /* only under names of ours */
} ROUTES[] = {{"/", on_page, true},
              {"/events", on_events, true},
              {"/livez", on_livez, false},
              {"/readyz", on_readyz, false},
              {"/metrics", on_metrics, false}};

/* What is asked for, and under which name. */
typedef struct target {
    const char *path, *host; /* NULL: under none */
} target_t;

/* A target in absolute form has a host of its own, which counts instead of the header's (RFC 9112 3.2.2). */
static target_t target_of(struct MHD_Connection *connection, const char *text) {
    static const char scheme[] = "http://";
    const char *host = strncasecmp(text, scheme, strlen(scheme)) == 0 ? text + strlen(scheme) : "";
    if (strcspn(host, "/") == 0)
        return (target_t){text, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)};
    const char *path = strchr(host, '/');
    return (target_t){path ? path : "/", host};
}

static bool is_under_our_name(const http_t *http, const target_t *target) {
    return hosts_allow(target->host, http->settings->http_hosts);
}

static answer_t answer_stranger(void) {
    return answer_text(MHD_HTTP_MISDIRECTED_REQUEST,
                       "this receiver is not known by that name: ask by its address, or add the name to "
                       "OXIDICOM_HTTP_HOSTS",
                       "");
}

static answer_t answer_of(http_t *http, struct MHD_Connection *connection, const target_t *target,
                          const char *method) {
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
        if (strcmp(target->path, ROUTES[i].path) != 0)
            continue;
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
            return answer_text(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD", "");
        if (ROUTES[i].for_browsers && !is_under_our_name(http, target))
            return answer_stranger();
        return ROUTES[i].answer(http, connection);
    }
    return answer_text(MHD_HTTP_NOT_FOUND, "there are /, /metrics, /livez and /readyz", "");
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const answer_t *answer) {
    struct MHD_Response *response = answer->response;
    if (!response)
        response = MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer->body);
        return MHD_NO;
    }
    bool made = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type) == MHD_YES &&
                MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
                MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
                MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin") == MHD_YES;
    if (made && answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        made = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES;
    if (made && answer->policy)
        made = MHD_add_response_header(response, "Content-Security-Policy", answer->policy) == MHD_YES &&
               MHD_add_response_header(response, "Referrer-Policy", "no-referrer") == MHD_YES;
    enum MHD_Result queued = made ? MHD_queue_response(connection, answer->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return queued;
}

/* --- clients --------------------------------------------------------------------------------------------- */

/* The library tells of the end before it closes the descriptor, so that no other connection is ever hit. */
static void on_connection(void *self, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
    http_t *http = self;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? clients_add(&http->clients, info->connect_fd) : NULL;
    } else if (*context) {
        clients_remove(&http->clients, *context);
        *context = NULL;
    }
}

/* --- requests -------------------------------------------------------------------------------------------- */

static answer_t found(void **request) {
    char *json = search_take_answer(*request);
    *request = NULL;
    return json ? answer_json(MHD_HTTP_OK, json)
                : answer_text(MHD_HTTP_SERVICE_UNAVAILABLE, "the notifier ends", "");
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *wanted,
                                  const char *method, const char *version, const char *upload, size_t *upload_size,
                                  void **request) {
    (void)version;
    (void)upload;
    (void)upload_size;
    http_t *http = self;
    target_t target = target_of(connection, wanted);
    bool searches = strcmp(target.path, "/series") == 0;
    client_t *client = client_of(connection);
    if (client && !*request)
        clients_begin(&http->clients, client, true);
    answer_t answer;
    if (*request) {
        answer = found(request);
    } else if (searches && !is_under_our_name(http, &target)) {
        answer = answer_stranger();
    } else if (searches && strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        *request = search_ask(http->live->search, connection,
                              MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "q"));
        if (*request)
            return MHD_YES; /* comes again when the loop has answered */
        answer = answer_text(MHD_HTTP_BAD_REQUEST, "looks for ?q=, or too many look for something", "");
    } else {
        answer = answer_of(http, connection, &target, method);
    }
    return send_answer(connection, &answer);
}

static void on_answered(void *self, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode how) {
    http_t *http = self;
    (void)how;
    if (*request)
        search_give_up(*request);
    *request = NULL;
    client_t *client = client_of(connection);
    if (client)
        clients_begin(&http->clients, client, false);
}

/* --- life ------------------------------------------------------------------------------------------------ */

static bool address_of(const settings_t *settings, struct sockaddr_storage *address) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    *address = (struct sockaddr_storage){0};
    v4->sin_port = v6->sin6_port = htons((uint16_t)settings->http_port);
    if (inet_pton(AF_INET, settings->http_address, &v4->sin_addr) == 1) {
        address->ss_family = AF_INET;
        return true;
    }
    *address = (struct sockaddr_storage){.ss_family = AF_INET6};
    v6->sin6_port = htons((uint16_t)settings->http_port);
    return inet_pton(AF_INET6, settings->http_address, &v6->sin6_addr) == 1;
}

__attribute__((format(printf, 2, 0))) static void on_library_complaint(void *self, const char *format,
                                                                       va_list arguments) {
    (void)self;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = 0;
    log_debug(NULL, "HTTP: %s", text); /* clients can cause any number of them */
}

static void serve(http_t *http) {
    struct sockaddr_storage address;
    uint64_t left_out = 0;
    http->tried_ms = clock_ms();
    bool known = address_of(http->settings, &address);
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME;
    if (address.ss_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK;
    if (known)
        http->daemon = MHD_start_daemon(
            flags, (uint16_t)http->settings->http_port, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER,
            on_library_complaint, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
            (unsigned)HTTP_IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_MAX_BYTES,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_answered, http,
            MHD_OPTION_END);
    if (http->daemon)
        log_info(NULL, "the live page, health and metrics are served on %s port %lld", http->settings->http_address,
                 (long long)http->settings->http_port);
    else if (log_rarely(&http->said, &left_out))
        log_error(NULL, "can't serve health and metrics on %s port %lld: %s; this is tried again",
                  http->settings->http_address, (long long)http->settings->http_port, strerror(errno));
}

http_t *http_new(const settings_t *settings, health_t *health, live_t *live) {
    if (settings->http_port == 0)
        return NULL;
    http_t *http = must(calloc(1, sizeof *http));
    http->settings = settings;
    http->health = health;
    http->live = live;
    clients_init(&http->clients);
    serve(http);
    return http;
}

void http_destroy(http_t **self_p) {
    http_t *http = *self_p;
    if (!http)
        return;
    live_end(http->live);
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    clients_clear(&http->clients);
    free(http);
    *self_p = NULL;
}

void http_tick(http_t *http, int64_t now_ms) {
    if (!http)
        return;
    if (!http->daemon && now_ms - http->tried_ms >= HTTP_RETRY_MS)
        serve(http);
    clients_tick(&http->clients, now_ms);
}
