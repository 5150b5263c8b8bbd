#include "listener/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_peers.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "listener/dimse/operations.h"
#include "listener/intake.h"
#include "listener/ul/crowd.h"
#include "listener/ul/deadlines.h"
#include "listener/ul/establishment.h"
#include "listener/ul/placement.h"
#include "listener/ul/tracing.h"

#define EVENTS_AT_ONCE 1024
/* Connections accepted before the loop looks at its other sources again. */
#define ACCEPT_BURST_CONNECTIONS 64
/* Descriptors that connections must leave: the ring takes a few for each writer. */
#define DESCRIPTORS_RESERVED 1024
/* From the TCP accept to the end of an A-ASSOCIATE-RQ once the listener was told to end and nobody is served any
 * more: a request under way is rejected in form. */
#define DRAIN_HANDSHAKE_MS 1000
/* An association on which nothing has been under way for so long is not between two objects, nor before its first:
 * told to end, the listener aborts it. */
#define DRAIN_IDLE_MS 1000

/* --- its life ---------------------------------------------------------------------------------------- */

/* As many as OXIDICOM_CONNECTIONS, or as the limit of descriptors allows, which is raised as far as it goes. */
static size_t connections_allowed(size_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    rlim_t reserved = limit.rlim_max / 2 < DESCRIPTORS_RESERVED ? limit.rlim_max / 2 : DESCRIPTORS_RESERVED;
    if (limit.rlim_max - reserved < wanted) {
        wanted = (size_t)(limit.rlim_max - reserved);
        log_warn(NULL, "at most %zu %s: RLIMIT_NOFILE allows no more descriptors", wanted,
                 plural(wanted, "connection", "connections"));
    }
    if (limit.rlim_cur < wanted + reserved) {
        limit.rlim_cur = wanted + reserved;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            log_warn(NULL, "can't raise RLIMIT_NOFILE: %s", strerror(errno));
    }
    return wanted;
}

void server_init(server_t *server) {
    server->site.epoll = -1;
    roster_start(&server->site.roster);
    peers_start(&server->site.peers);
}

int server_start(server_t *server, stage_t *stage, custody_t *custody) {
    server->site.stage = stage;
    server->site.custody = custody;
    server->connections_max = connections_allowed((size_t)stage->settings.connections_max);
    server->site.input = malloc(RECEIVE_BUFFER_BYTES);
    server->site.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!server->site.input || server->site.epoll < 0)
        return EX_OSERR;
    int status = tls_start(&server->tls, &stage->settings);
    if (status == 0)
        status = ports_open(&server->ports, server->site.epoll, &stage->settings);
    server->accepting = status == 0;
    return status;
}

static void stop_listening(server_t *server) {
    ports_close(&server->ports);
    server->accepting = false;
}

void server_clear(server_t *server) {
    stop_listening(server);
    for (association_t *a; (a = TAILQ_FIRST(&server->site.roster.all));) {
        operations_clear(a);
        association_destroy(&a);
    }
    if (server->site.epoll >= 0)
        close(server->site.epoll);
    tls_clear(&server->tls);
    peers_clear(&server->site.peers);
    free(server->site.input);
}

/* --- accepting --------------------------------------------------------------------------------------- */

static void set_accepting(server_t *server, bool accepting) {
    ports_watch(&server->ports, accepting);
    server->accepting = accepting;
}

static void pause_accepting(server_t *server, const char *why) {
    uint64_t left_out;
    if (log_seldom(&server->full, &left_out))
        log_warn(NULL, "accepts no connection for now, %zu %s open: %s", server->site.peers.connections,
                 plural(server->site.peers.connections, "is", "are"), why);
    set_accepting(server, false);
}

/* Who is not to be served gets no word, not even of TLS, and holds nothing. */
static void turn_away(int fd, const struct in6_addr *address, const char *name) {
    metric_add(METRIC_ASSOCIATIONS, "not_allowed", 1);
    uint64_t left_out;
    if (log_peer_seldom(peers_number(address), "not allowed", &left_out))
        log_warn(NULL, "%s is not in OXIDICOM_ALLOW_PEERS: closed%s", name, log_more(left_out));
    close(fd);
}

/* An address over its limit is told so in answer to its request; over twice the limit that is too much to ask. */
static void welcome(server_t *server, const port_t *port, int fd, const struct sockaddr_storage *from,
                    socklen_t size) {
    char name[PEER_NAME_BYTES];
    peer_name(from, size, name);
    const struct in6_addr address = network_address_of(from);
    const char *allowed = server->site.stage->settings.allow_peers;
    if (allowed && !networks_contain(allowed, &address)) {
        turn_away(fd, &address, name);
        return;
    }
    size_t limit = (size_t)server->site.stage->settings.connections_per_address,
           count = peers_add(&server->site.peers, &address);
    association_t *a = NULL;
    if (limit && count > 2 * limit) {
        uint64_t left_out;
        if (log_peer_seldom(peers_number(&address), "too many", &left_out))
            log_warn(NULL, "%s has twice OXIDICOM_CONNECTIONS_PER_ADDRESS: closed%s", name, log_more(left_out));
        close(fd);
    } else {
        a = association_new(&server->site, fd, ++server->accepted_count, &address, name);
    }
    if (!a) {
        peers_remove(&server->site.peers, &address);
        return;
    }
    a->address_crowded = limit && count > limit;
    if (port->tls)
        connection_use_tls(&a->connection, &server->tls);
}

/* Takes one connection; false where there is none, or none can be taken. */
static bool accept_connection(server_t *server, const port_t *port) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd = accept4(port->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        metric_add(METRIC_CONNECTIONS, NULL, 1);
        welcome(server, port, fd, &address, size);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_accepting(server, strerror(errno));
    /* accept(2): an error of the peer's connection is not one of ours. */
    return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

static void accept_connections(server_t *server) {
    for (size_t i = 0; i < server->ports.count; i++)
        for (int burst = 0; burst < ACCEPT_BURST_CONNECTIONS && server->accepting; burst++) {
            if (!accept_connection(server, &server->ports.all[i]))
                break;
            if (server->site.peers.connections >= server->connections_max)
                pause_accepting(server, "OXIDICOM_CONNECTIONS");
        }
}

/* --- events ------------------------------------------------------------------------------------------ */

/* It holds a place: it does not wait for one, and is not for verification alone, which needs none. */
static bool has_place(const association_t *a) {
    return a->contexts && !a->only_verification;
}

void server_on_events(server_t *server) {
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(server->site.epoll, events, EVENTS_AT_ONCE, 0), unserved = 0;
    for (int i = 0; i < count; i++) {
        association_t *a = events[i].data.ptr;
        if (!a) {
            accept_connections(server);
            continue;
        }
        if (events[i].events & EPOLLOUT)
            intake_on_writable(a);
        if (a->connection.reading && (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) &&
            (has_place(a) || unserved++ < SERVER_UNSERVED_AT_ONCE)) /* epoll reports the others again */
            intake_on_readable(a);
        if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            intake_on_hangup(a);
    }
    server_catch_up(server);
}

/* --- who is served ------------------------------------------------------------------------------------ */

static void accept_waiting(association_t *a) {
    establishment_accept(a);
    if (a->state == STA6_DATA_TRANSFER)
        intake_resume(a);
}

/* Waiting associations get a place, or have waited long enough. */
static void admit(server_t *server) {
    site_t *site = &server->site;
    int64_t due_ms = clock_ms() - site->stage->settings.association_wait_ms,
            most = site->stage->settings.associations_max;
    association_t *a, *following;
    while (!site->draining && (a = crowd_next(site, most)) && roster_has_place(&site->roster, a, most))
        accept_waiting(a);
    for (a = TAILQ_FIRST(&site->roster.attended[ATTENTION_PLACE]); a; a = following) {
        following = TAILQ_NEXT(a, attended);
        if (site->draining)
            establishment_reject_for_now(a, "oxidicom ends");
        else if (a->since_ms <= due_ms)
            establishment_reject_for_now(a, "OXIDICOM_LISTENER_THREADS associations are open");
    }
}

static void resume(server_t *server) {
    association_t *a, *following;
    for (a = TAILQ_FIRST(&server->site.roster.attended[ATTENTION_ROOM]); a; a = following) {
        following = TAILQ_NEXT(a, attended);
        intake_resume(a);
    }
}

/* Nothing more is taken from it. Once all that it has sent is answered its series may go on, though the peer need
 * not have closed yet; it is freed with its connection. */
static void wind_up(server_t *server, association_t *a) {
    roster_attend(&server->site.roster, a, ATTENTION_NONE);
    operations_drop_partial(a);
    if (a->unanswered_count > 0)
        return;
    if (a->owes_end)
        custody_association_ended(server->site.custody, a->share, association_ending(a));
    a->owes_end = false;
    if (a->state == STA1_IDLE)
        association_destroy(&a);
}

/* The end waits for busy associations only: latecomers are rejected in the meantime, and a peer without a whole
 * request by then is not waited for. */
static void drain_on(server_t *server, int64_t now_ms) {
    bool over = now_ms >= server->drained_at_ms;
    size_t served = 0;
    association_t *a;
    TAILQ_FOREACH(a, &server->site.roster.all, next) {
        if (association_is_served(a->state) && (over || deadlines_quiet_ms(a, now_ms) >= DRAIN_IDLE_MS))
            association_abort(a, ABORT_NOT_SPECIFIED, "oxidicom ends");
        served += association_is_served(a->state) || a->unanswered_count > 0;
    }
    if (served > 0 && !over)
        return;
    stop_listening(server);
    TAILQ_FOREACH(a, &server->site.roster.all, next)
    if (a->state == STA2_AWAITING_ASSOCIATE_RQ && (over || now_ms - a->since_ms >= DRAIN_HANDSHAKE_MS))
        association_abort(a, ABORT_NOT_SPECIFIED, "oxidicom ends");
}

void server_catch_up(server_t *server) {
    if (!TAILQ_EMPTY(&server->site.custody->answered))
        operations_answer(&server->site);
    if (!TAILQ_EMPTY(&server->site.roster.attended[ATTENTION_PLACE]))
        admit(server);
    resume(server);
    for (association_t *a; (a = TAILQ_FIRST(&server->site.roster.attended[ATTENTION_ENDED]));)
        wind_up(server, a);
}

void server_tick(server_t *server) {
    int64_t now = clock_ms();
    if (server->site.draining)
        drain_on(server, now);
    else
        crowd_take_places(&server->site, server->site.stage->settings.associations_max, now);
    if (!server->accepting && server->site.peers.connections >= server->connections_max)
        crowd_make_room(&server->site, now);
    association_t *a;
    TAILQ_FOREACH(a, &server->site.roster.all, next)
    deadlines_check(a, now);
    server_catch_up(server);
    if (!server->accepting && server->site.peers.connections < server->connections_max)
        set_accepting(server, true);
}

/* --- the end ------------------------------------------------------------------------------------------ */

void server_drain(server_t *server) {
    /* Asked twice: at once. */
    server->drained_at_ms =
        clock_ms() + (server->site.draining ? 0 : server->site.stage->settings.drain_timeout_ms);
    server->site.draining = true;
    server_tick(server);
}

void server_reload(server_t *server) {
    tls_reload(&server->tls);
}

void server_say_traces_again(server_t *server) {
    association_t *a;
    TAILQ_FOREACH(a, &server->site.roster.all, next)
    tracing_say_again(a);
}

bool server_idle(const server_t *server) {
    return TAILQ_EMPTY(&server->site.roster.all);
}
