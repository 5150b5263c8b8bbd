#include "common/supervision.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* --- messages to the supervisor ------------------------------------------------------------------------- */

/* The address of NOTIFY_SOCKET; a name that begins with @ is in the abstract namespace. 0: there is none. */
static socklen_t notify_address(struct sockaddr_un *address) {
    const char *path = getenv("NOTIFY_SOCKET");
    size_t size = path ? strlen(path) : 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (size < 2 || (path[0] != '/' && path[0] != '@') || size >= sizeof address->sun_path)
        return 0;
    memcpy(address->sun_path, path, size);
    if (path[0] == '@')
        address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

/* One datagram, never waited for. */
static void notify(const char *state) {
    static log_limit_t complained;
    struct sockaddr_un address;
    socklen_t size = notify_address(&address);
    if (size == 0)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0) {
        int reason = errno;
        if (log_seldom(&complained, NULL))
            log_warn(NULL, "can't tell NOTIFY_SOCKET %s: %s", state, strerror(reason));
    }
    if (fd >= 0)
        close(fd);
}

void supervision_ready(int ready_fd) {
    if (ready_fd >= 0 && (write(ready_fd, "\n", 1) != 1 || close(ready_fd) != 0))
        log_warn(NULL, "can't say ready on OXIDICOM_READY_FD %d: %s", ready_fd, strerror(errno));
    notify("READY=1");
}

void supervision_stopping(int64_t may_take_ms) {
    char state[80];
    snprintf(state, sizeof state, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld", (long long)may_take_ms * 1000);
    notify(state);
}

/* --- the watchdog ------------------------------------------------------------------------------------------ */

/* A whole positive number, or 0. */
static long long number_of(const char *name) {
    const char *text = getenv(name);
    char *end;
    errno = 0;
    long long value = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && errno == 0 && value > 0 ? value : 0;
}

/* Whether the variable names this process; a parent's variable in the environment is not ours. */
static bool is_meant_for_us(const char *name) {
    return number_of(name) == getpid();
}

/* How often WATCHDOG=1 must be said at least; 0: nobody watches. */
static int64_t watchdog_ms_of_systemd(void) {
    if (getenv("WATCHDOG_PID") && !is_meant_for_us("WATCHDOG_PID"))
        return 0;
    return number_of("WATCHDOG_USEC") / 1000;
}

/* Whether a quarter of the time has gone by since this was true last; not where that is 0. */
static bool is_due(int64_t *said_ms, int64_t every_ms) {
    int64_t now = clock_ms();
    if (every_ms == 0 || now - *said_ms < every_ms / 4)
        return false;
    *said_ms = now;
    return true;
}

void supervision_beat(int beat_fd, int64_t watchdog_ms) {
    static int64_t notified_ms, written_ms;
    if (is_due(&notified_ms, watchdog_ms_of_systemd()))
        notify("WATCHDOG=1");
    /* A full pipe has beats enough in it; one without a reader is noticed otherwise. */
    if (beat_fd >= 0 && is_due(&written_ms, watchdog_ms) && write(beat_fd, "\n", 1) < 0 && errno != EAGAIN)
        log_debug(NULL, "can't say on OXIDICOM_BEAT_FD that the loop turns: %s", strerror(errno));
}

/* --- sockets ------------------------------------------------------------------------------------------------ */

int supervision_sockets(void) {
    long long count = is_meant_for_us("LISTEN_PID") ? number_of("LISTEN_FDS") : 0;
    if (count > SUPERVISION_SOCKETS_MAX) {
        log_warn(NULL, "LISTEN_FDS is %lld: the first %d are used", count, SUPERVISION_SOCKETS_MAX);
        count = SUPERVISION_SOCKETS_MAX;
    }
    for (int i = 0; i < count; i++)
        if (fcntl(SUPERVISION_FIRST_SOCKET + i, F_SETFD, FD_CLOEXEC) != 0)
            return i;
    return (int)count;
}

bool supervision_socket_is(int index, const char *name) {
    const char *at = getenv("LISTEN_FDNAMES");
    for (; at && index > 0; index--)
        at = (at = strchr(at, ':')) ? at + 1 : NULL;
    return at && strcspn(at, ":") == strlen(name) && strncmp(at, name, strlen(name)) == 0;
}

int supervision_take_signals(const sigset_t *signals) {
    if (sigprocmask(SIG_BLOCK, signals, NULL) != 0)
        return -1;
    for (int number = 1; number < NSIG; number++)
        if (sigismember(signals, number) == 1 && signal(number, SIG_DFL) == SIG_ERR)
            return -1;
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0;
}

void supervision_keep_to_oneself(void) {
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}
