/* The functions of the C library that only look at files, and the one that knocks at a socket. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/preload/preload.h"

#define DEFINE_STAT(name)                                                                                          \
    int name(const char *path, struct stat *s) {                                                                   \
        const rule_t *rule;                                                                                        \
        if (!fault_begin("stat", path, NULL, &rule))                                                               \
            return -1;                                                                                             \
        int result = REAL(name)(path, s);                                                                          \
        fault_end(rule);                                                                                           \
        return result;                                                                                             \
    }
DEFINE_STAT(stat)
DEFINE_STAT(lstat)

int access(const char *path, int mode) {
    const rule_t *rule;
    if (!fault_begin("stat", path, NULL, &rule))
        return -1;
    int result = REAL(access)(path, mode);
    fault_end(rule);
    return result;
}

int connect(int fd, const struct sockaddr *address, socklen_t size) {
    const rule_t *rule = NULL;
    if (address->sa_family == AF_UNIX &&
        !fault_begin("connect", ((const struct sockaddr_un *)address)->sun_path, NULL, &rule))
        return -1;
    int result = REAL(connect)(fd, address, size);
    fault_end(rule);
    return result;
}
