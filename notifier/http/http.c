#include "notifier/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "notifier/metrics/exposition.h"

/* A viewer whose network has gone without a word is given up after this. */
#define HTTP_UNACKNOWLEDGED_MS 20000

/* A connection, while it is there. */
typedef struct client {
    bool used;
    int fd;
    int64_t since_ms;  /* of the request that is being read, or of the answer */
    bool is_answering; /* the request is there */
    bool is_viewer;    /* its answer has no end */
} client_t;

struct http {
    const settings_t *settings;
    health_t *health;
    live_t *live;
    struct MHD_Daemon *daemon; /* NULL: can't be bound */
    int64_t tried_ms;
    log_limit_t said;
    pthread_mutex_t lock; /* of the clients */
    client_t clients[HTTP_CONNECTIONS_MAX];
};

/* --- who asks ---------------------------------------------------------------------------------------------- */

static client_t *client_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* One who has gone without a word is noticed by what he does not acknowledge. */
static void become_viewer(http_t *http, struct MHD_Connection *connection) {
    client_t *client = client_of(connection);
    unsigned most_ms = HTTP_UNACKNOWLEDGED_MS;
    if (!client)
        return;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms, sizeof most_ms); /* later, then */
    pthread_mutex_lock(&http->lock);
    client->is_viewer = true;
    pthread_mutex_unlock(&http->lock);
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
        exposition_wants_openmetrics(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"));
    answer_t answer = {.status = MHD_HTTP_OK, .type = openmetrics ? OPENMETRICS_FORMAT : TEXT_FORMAT};
    answer.body = exposition_of(http->health->board, openmetrics, clock_ms(), &answer.size);
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
} ROUTES[] = {
    {"/", on_page}, {"/events", on_events}, {"/livez", on_livez}, {"/readyz", on_readyz}, {"/metrics", on_metrics}};

static answer_t answer_of(http_t *http, struct MHD_Connection *connection, const char *path, const char *method) {
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
        if (strcmp(path, ROUTES[i].path) != 0)
            continue;
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
            return answer_text(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD", "");
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

static void begin(http_t *http, client_t *client, bool is_answering) {
    pthread_mutex_lock(&http->lock);
    client->since_ms = clock_ms();
    client->is_answering = is_answering;
    client->is_viewer = false;
    pthread_mutex_unlock(&http->lock);
}

static client_t *add_client(http_t *http, int fd) {
    client_t *free_one = NULL;
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX && !free_one; i++)
        if (!http->clients[i].used)
            free_one = &http->clients[i];
    if (free_one)
        *free_one = (client_t){.used = true, .fd = fd, .since_ms = clock_ms()};
    pthread_mutex_unlock(&http->lock);
    return free_one;
}

/* The library tells of the end before it closes the descriptor, so that no other connection is ever hit. */
static void on_connection(void *self, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
    http_t *http = self;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? add_client(http, info->connect_fd) : NULL;
    } else if (*context) {
        pthread_mutex_lock(&http->lock);
        ((client_t *)*context)->used = false;
        pthread_mutex_unlock(&http->lock);
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

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload, size_t *upload_size,
                                  void **request) {
    (void)version;
    (void)upload;
    (void)upload_size;
    http_t *http = self;
    client_t *client = client_of(connection);
    if (client && !*request)
        begin(http, client, true);
    answer_t answer;
    if (*request) {
        answer = found(request);
    } else if (strcmp(path, "/series") == 0 && strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        *request = search_ask(http->live->search, connection,
                              MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "q"));
        if (*request)
            return MHD_YES; /* comes again when the loop has answered */
        answer = answer_text(MHD_HTTP_BAD_REQUEST, "looks for ?q=, or too many look for something", "");
    } else {
        answer = answer_of(http, connection, path, method);
    }
    return send_answer(connection, &answer);
}

static void on_answered(void *self, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode how) {
    (void)how;
    if (*request)
        search_give_up(*request);
    *request = NULL;
    client_t *client = client_of(connection);
    if (client)
        begin(self, client, false);
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
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
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
    pthread_mutex_init(&http->lock, NULL);
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
    pthread_mutex_destroy(&http->lock);
    free(http);
    *self_p = NULL;
}

/* The library's own timeout begins anew with each byte, so that somebody who sends one now and then would keep his
 * place for ever, and with a few more all places. */
void http_tick(http_t *http, int64_t now_ms) {
    if (!http)
        return;
    if (!http->daemon && now_ms - http->tried_ms >= HTTP_RETRY_MS)
        serve(http);
    pthread_mutex_lock(&http->lock);
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        client_t *client = &http->clients[i];
        int64_t most_ms = client->is_answering ? HTTP_ANSWER_MAX_MS : HTTP_REQUEST_MAX_MS;
        if (client->used && !client->is_viewer && now_ms - client->since_ms >= most_ms)
            (void)shutdown(client->fd, SHUT_RDWR); /* fails where the client has gone by itself */
    }
    pthread_mutex_unlock(&http->lock);
}
