/* The functions of the C library that look at files and folders by name, and the one for sockets. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/preload/preload.h"

/* Defines `type name(parameters)` that calls the real one with `arguments`, unless a rule has it fail. */
#define DEFINE_LOOK(type, failed, name, parameters, arguments)                                                     \
    type name parameters {                                                                                         \
        const rule_t *rule;                                                                                        \
        if (!fault_begin("stat", path, NULL, &rule))                                                               \
            return failed;                                                                                         \
        type result = REAL(name) arguments;                                                                        \
        fault_end(rule);                                                                                           \
        return result;                                                                                             \
    }

DEFINE_LOOK(DIR *, NULL, opendir, (const char *path), (path))
DEFINE_LOOK(char *, NULL, realpath, (const char *path, char *real), (path, real))
DEFINE_LOOK(int, -1, access, (const char *path, int mode), (path, mode))
DEFINE_LOOK(int, -1, faccessat, (int at, const char *path, int mode, int flags), (at, path, mode, flags))
DEFINE_LOOK(int, -1, stat, (const char *path, struct stat *s), (path, s))
DEFINE_LOOK(int, -1, lstat, (const char *path, struct stat *s), (path, s))
DEFINE_LOOK(int, -1, fstatat, (int at, const char *path, struct stat *s, int flags), (at, path, s, flags))
DEFINE_LOOK(int, -1, stat64, (const char *path, struct stat64 *s), (path, s))
DEFINE_LOOK(int, -1, lstat64, (const char *path, struct stat64 *s), (path, s))
DEFINE_LOOK(int, -1, statvfs, (const char *path, struct statvfs *s), (path, s))
DEFINE_LOOK(int, -1, statvfs64, (const char *path, struct statvfs64 *s), (path, s))

int connect(int fd, const struct sockaddr *address, socklen_t size) {
    const rule_t *rule = NULL;
    if (address->sa_family == AF_UNIX &&
        !fault_begin("connect", ((const struct sockaddr_un *)address)->sun_path, NULL, &rule))
        return -1;
    int result = REAL(connect)(fd, address, size);
    fault_end(rule);
    return result;
}
