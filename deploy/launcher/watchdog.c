#include "deploy/launcher/watchdog.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

int watchdog_socket(void) {
    int on = 1, s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    /* An address without a name gets one (unix(7), autobind). */
    if (s >= 0 && bind(s, (const struct sockaddr *)&any, sizeof any.sun_family) == 0 &&
        setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0)
        return s;
    log_warn(NULL, "no stage is watched: %s", strerror(errno));
    if (s >= 0)
        close(s);
    return -1;
}

void watchdog_introduce(int socket, int64_t silence_ms) {
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    char name[sizeof address.sun_path + 1], microseconds[32];
    if (socket < 0 || getsockname(socket, (struct sockaddr *)&address, &size) != 0)
        return;
    int length = (int)(size - offsetof(struct sockaddr_un, sun_path)) - 1;
    snprintf(name, sizeof name, "@%.*s", length, address.sun_path + 1);
    snprintf(microseconds, sizeof microseconds, "%lld", (long long)silence_ms * 1000);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", microseconds, 1);
}

/* The kernel vouches for who sent it. */
static pid_t sender_of(struct msghdr *message) {
    struct ucred who;
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len < CMSG_LEN(sizeof who))
        return 0;
    memcpy(&who, CMSG_DATA(c), sizeof who);
    return who.pid;
}

pid_t watchdog_next(int socket) {
    char text[256];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    for (;;) {
        struct iovec into = {text, sizeof text - 1};
        struct msghdr message = {
            .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t got = recvmsg(socket, &message, 0);
        if (got < 0)
            return 0;
        text[got] = 0;
        pid_t sender = sender_of(&message);
        if (sender > 0 && strstr(text, "WATCHDOG=1"))
            return sender;
    }
}
