#include "listener/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"

#define EVENTS_AT_ONCE 64

/* --- listening --------------------------------------------------------------------------------------- */

static int bind_socket(int fd, int family, int port) {
    int on = 1, off = 0;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_any};
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -1;
    if (family == AF_INET6) {
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
            return -1;
        return bind(fd, (struct sockaddr *)&v6, sizeof v6);
    }
    return bind(fd, (struct sockaddr *)&v4, sizeof v4);
}

static int listen_on(server_t *server, int family, int64_t port, bool tls) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* NULL tells a listening socket from an association in epoll_event.data. */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (bind_socket(fd, family, (int)port) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    server->listening[server->listening_count++] = (listening_t){fd, tls};
    return 0;
}

/* One socket for both families; where the kernel has no IPv6, IPv4 alone. Port 0: none. */
static int open_port(server_t *server, int64_t port, bool tls) {
    if (port == 0)
        return 0;
    if (listen_on(server, AF_INET6, port, tls) != 0 &&
        (errno == EADDRINUSE || listen_on(server, AF_INET, port, tls) != 0)) {
        log_error(NULL, "can't listen on port %lld: %s", (long long)port, strerror(errno));
        return EX_OSERR;
    }
    log_info(NULL, "%s listens on port %lld%s", server->stage->settings.scp_aet, (long long)port,
             tls ? " with TLS" : "");
    return 0;
}

int server_start(server_t *server, stage_t *stage, custody_t *custody) {
    server->stage = stage;
    server->custody = custody;
    server->policy = (negotiation_policy_t){stage->settings.scp_promiscuous, stage->settings.scp_uncompressed_only};
    TAILQ_INIT(&server->associations);
    server->input = malloc(RECEIVE_BYTES);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!server->input || server->epoll < 0)
        return EX_OSERR;
    int status = tls_start(&server->tls, &stage->settings);
    if (status == 0)
        status = open_port(server, stage->settings.listener_port, false);
    if (status == 0)
        status = open_port(server, stage->settings.tls_port, true);
    return status;
}

static void stop_listening(server_t *server) {
    while (server->listening_count > 0)
        close(server->listening[--server->listening_count].fd);
}

void server_clear(server_t *server) {
    stop_listening(server);
    for (association_t *a; (a = TAILQ_FIRST(&server->associations));) {
        TAILQ_REMOVE(&server->associations, a, next);
        association_destroy(&a);
    }
    if (server->epoll > 0)
        close(server->epoll);
    tls_clear(&server->tls);
    free(server->input);
}

/* --- events ------------------------------------------------------------------------------------------ */

static void name_peer(const struct sockaddr_storage *address, socklen_t size, char *name, size_t room) {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo((const struct sockaddr *)address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(name, room, "unknown");
    else if (strncmp(host, "::ffff:", 7) == 0) /* IPv4 on the socket of both families */
        snprintf(name, room, "%s:%s", host + 7, port);
    else
        snprintf(name, room, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void accept_connections(server_t *server) {
    for (size_t i = 0; i < server->listening_count; i++)
        for (;;) {
            struct sockaddr_storage address;
            socklen_t size = sizeof address;
            int fd =
                accept4(server->listening[i].fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                break;
            char peer[NI_MAXHOST + NI_MAXSERV + 4];
            name_peer(&address, size, peer, sizeof peer);
            association_t *a = association_new(server, fd, ++server->accepted_count, peer);
            if (!a)
                continue;
            if (server->listening[i].tls)
                connection_use_tls(&a->connection, &server->tls);
            TAILQ_INSERT_TAIL(&server->associations, a, next);
        }
}

void server_on_events(server_t *server) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(server->epoll, events, EVENTS_AT_ONCE, 0);
    for (int i = 0; i < count; i++) {
        association_t *a = events[i].data.ptr;
        if (!a) {
            accept_connections(server);
            continue;
        }
        if (events[i].events & EPOLLOUT)
            association_on_writable(a);
        if (a->connection.reading && (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
            association_on_readable(a);
        if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            association_on_hangup(a);
    }
    server_tick(server);
}

/* --- who is served ------------------------------------------------------------------------------------ */

bool server_has_place(const server_t *server, const association_t *association) {
    return association->only_verification ||
           server->served_count < (size_t)server->stage->settings.associations_max;
}

/* The list is in the order of arrival, so the longest waiting comes first. */
static void admit(server_t *server, association_t *a, int64_t now_ms) {
    if (server->draining)
        association_reject(a, REJECTED_TRANSIENT, SOURCE_PRESENTATION, PRESENTATION_LOCAL_LIMIT_EXCEEDED,
                           "oxidicom ends");
    else if (server_has_place(server, a))
        association_accept(a);
    else if (now_ms - a->since_ms >= server->stage->settings.association_wait_ms)
        association_reject(a, REJECTED_TRANSIENT, SOURCE_PRESENTATION, PRESENTATION_LOCAL_LIMIT_EXCEEDED,
                           "OXIDICOM_LISTENER_THREADS associations are open");
}

static void forget(server_t *server, association_t *a) {
    if (a->used_custody)
        custody_association_ended(server->custody, a->context.association);
    TAILQ_REMOVE(&server->associations, a, next);
    association_destroy(&a);
}

/* The end waits for associations that are served, and for nobody else: those that came too late are told so while
 * there are any, and who has not said what it wants by then is not waited for. */
static void drain_on(server_t *server, int64_t now_ms) {
    bool over = now_ms >= server->drained_at_ms;
    size_t served = 0;
    association_t *a;
    TAILQ_FOREACH(a, &server->associations, next) {
        if (over && association_is_served(a->state))
            association_abort(a, ABORT_PROVIDER, ABORT_NOT_SPECIFIED, "oxidicom ends");
        served += association_is_served(a->state) || a->unanswered_count > 0;
    }
    if (served > 0 && !over)
        return;
    stop_listening(server);
    TAILQ_FOREACH(a, &server->associations, next)
    if (a->state == STA2_AWAITING_ASSOCIATE_RQ && (over || now_ms - a->since_ms >= DRAIN_HANDSHAKE_MS))
        association_abort(a, ABORT_PROVIDER, ABORT_NOT_SPECIFIED, "oxidicom ends");
}

void server_tick(server_t *server) {
    int64_t now = clock_ms();
    if (server->draining)
        drain_on(server, now);
    association_t *a, *following;
    for (a = TAILQ_FIRST(&server->associations); a; a = following) {
        following = TAILQ_NEXT(a, next);
        if (a->state == STA3_AWAITING_LOCAL_RESPONSE)
            admit(server, a, now);
        else if (a->paused)
            association_resume(a);
        association_tick(a, now);
        if (association_over(a))
            forget(server, a);
    }
}

/* --- the end ------------------------------------------------------------------------------------------ */

void server_drain(server_t *server) {
    /* Asked twice: at once. */
    server->drained_at_ms = clock_ms() + (server->draining ? 0 : server->stage->settings.drain_timeout_ms);
    server->draining = true;
    server_tick(server);
}

void server_reload(server_t *server) {
    tls_reload(&server->tls);
}

bool server_idle(const server_t *server) {
    return TAILQ_EMPTY(&server->associations);
}
