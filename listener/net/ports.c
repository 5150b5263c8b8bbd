#include "listener/net/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

#define LISTEN_BACKLOG 512

/* `address` NULL: all of the family; for IPv6, IPv4's, too. */
static int bind_socket(int fd, int family, const char *address, int port) {
    int on = 1, off = 0;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_any};
    void *field = family == AF_INET6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (address && inet_pton(family, address, field) != 1))
        return -1;
    if (family == AF_INET6) {
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
            return -1;
        return bind(fd, (struct sockaddr *)&v6, sizeof v6);
    }
    return bind(fd, (struct sockaddr *)&v4, sizeof v4);
}

static int add(ports_t *self, int fd, bool tls) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return -1;
    self->all[self->count++] = (port_t){fd, tls};
    return 0;
}

static int listen_on(ports_t *self, int family, const char *address, int64_t port, bool tls) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind_socket(fd, family, address, (int)port) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        add(self, fd, tls) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return 0;
}

/* Whether it is a TCP socket that listens; others would be mistaken for one with every event. */
static bool is_listening(int fd) {
    int domain = 0, listens = 0;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* Sockets that the supervisor listens on take the place of a port: "tls" is the name of OXIDICOM_TLS_PORT's, all
 * others are OXIDICOM_LISTENER_PORT's. Peers that connect while no listener runs wait in them for the next. */
static int take_over(ports_t *self, const settings_t *settings, bool *plain, bool *tls) {
    int count = supervision_sockets();
    for (int i = 0; i < count; i++) {
        int fd = SUPERVISION_FIRST_SOCKET + i;
        bool is_tls = supervision_socket_is(i, "tls");
        if (is_tls && settings->tls_port == 0) {
            log_error(NULL, "OXIDICOM_TLS_PORT is 0, but a socket for TLS was handed over; needed is another port");
            return EXIT_SETTINGS;
        }
        if (!is_listening(fd) || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || add(self, fd, is_tls) != 0) {
            log_error(NULL, "descriptor %d was handed over and is no TCP socket that listens", fd);
            return EX_UNAVAILABLE;
        }
        log_info(NULL, "%s listens on a socket that was handed over%s", settings->scp_aet,
                 is_tls ? ", with TLS" : "");
        *(is_tls ? tls : plain) = true;
    }
    return 0;
}

/* One socket for both families, or for the one address; where the kernel has no IPv6, IPv4 alone. */
static int listen_on_any(ports_t *self, const char *address, int64_t port, bool tls) {
    if (address)
        return listen_on(self, strchr(address, ':') ? AF_INET6 : AF_INET, address, port, tls);
    int status = listen_on(self, AF_INET6, NULL, port, tls);
    return status == 0 || errno == EADDRINUSE ? status : listen_on(self, AF_INET, NULL, port, tls);
}

/* Port 0: none. */
static int open_port(ports_t *self, const settings_t *settings, int64_t port, bool tls) {
    const char *address = settings->listener_address;
    if (port == 0)
        return 0;
    if (listen_on_any(self, address, port, tls) != 0) {
        log_error(NULL, "can't listen on port %lld%s%s: %s", (long long)port, address ? " of " : "",
                  address ? address : "", strerror(errno));
        return EX_OSERR;
    }
    log_info(NULL, "%s listens on port %lld%s%s%s", settings->scp_aet, (long long)port, address ? " of " : "",
             address ? address : "", tls ? " with TLS" : "");
    return 0;
}

int ports_open(ports_t *self, int epoll, const settings_t *settings) {
    self->epoll = epoll;
    bool has_plain = false, has_tls = false;
    int status = take_over(self, settings, &has_plain, &has_tls);
    if (status == 0 && !has_plain)
        status = open_port(self, settings, settings->listener_port, false);
    if (status == 0 && !has_tls)
        status = open_port(self, settings, settings->tls_port, true);
    return status;
}

void ports_watch(ports_t *self, bool accepting) {
    struct epoll_event event = {.events = accepting ? EPOLLIN : 0, .data.ptr = NULL};
    for (size_t i = 0; i < self->count; i++)
        /* The descriptor is ours and in the set. */
        must_hold(epoll_ctl(self->epoll, EPOLL_CTL_MOD, self->all[i].fd, &event) == 0);
}

void ports_close(ports_t *self) {
    while (self->count > 0) {
        int fd = self->all[--self->count].fd;
        /* A socket of the supervisor stays open elsewhere, and would wake the loop for good. */
        (void)epoll_ctl(self->epoll, EPOLL_CTL_DEL, fd, NULL);
        close(fd);
    }
}
