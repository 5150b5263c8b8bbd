/* The functions of the C library that change files. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/preload/preload.h"

/* --- syncing --- */

/* Which call it was, and the file. */
static void note_call(const char *call, int fd) {
    const char *path = getenv("OXIDICOM_TEST_CALLS");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file < 0)
        return;
    char link[64], target[4096], line[sizeof target + 32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, target, sizeof target);
    int length = snprintf(line, sizeof line, "%s %.*s\n", call, (int)(size > 0 ? size : 0), target);
    if (REAL(write)(file, line, (size_t)length) != length)
        abort();
    close(file);
}

static int sync_with(const char *call, int (*real)(int), int fd) {
    const rule_t *rule;
    note_call(call, fd);
    if (!fault_begin_at("fsync", fd, &rule))
        return -1;
    int64_t began_at = record_position();
    int result = real(fd);
    if (result == 0)
        record_sync(fd, began_at);
    fault_end(rule);
    return result;
}

int fsync(int fd) {
    return sync_with("fsync", REAL(fsync), fd);
}

int fdatasync(int fd) {
    return sync_with("fdatasync", REAL(fdatasync), fd);
}

/* --- bytes --- */

static char *gather(const struct iovec *parts, int count, size_t whole) {
    char *bytes = malloc(whole + 1), *at = bytes;
    if (!bytes)
        abort();
    for (int i = 0; i < count; at += parts[i++].iov_len)
        if (parts[i].iov_len)
            memcpy(at, parts[i].iov_base, parts[i].iov_len);
    return bytes;
}

/* Gathered only where it has to be: a short one may end within a part, and the record wants all in one piece. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, const rule_t *rule) {
    size_t whole = 0;
    for (int i = 0; i < count; i++)
        whole += parts[i].iov_len;
    size_t size = fault_size(rule, whole);
    if (size == whole && !record_wanted())
        return REAL(writev)(fd, parts, count);
    char *bytes = gather(parts, count, whole);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = REAL(write)(fd, bytes, size);
    if (written > 0)
        record_write(fd, at, bytes, (size_t)written);
    free(bytes);
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    const rule_t *rule;
    if (!fault_begin_at("write", fd, &rule))
        return -1;
    ssize_t written = write_parts(fd, parts, count, rule);
    fault_end(rule);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    const rule_t *rule;
    if (!fault_begin_at("write", fd, &rule))
        return -1;
    off_t at = record_wanted() ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t written = REAL(write)(fd, bytes, fault_size(rule, size));
    if (written > 0)
        record_write(fd, at, bytes, (size_t)written);
    fault_end(rule);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    const rule_t *rule;
    if (!fault_begin_at("write", fd, &rule))
        return -1;
    ssize_t written = REAL(pwrite64)(fd, bytes, fault_size(rule, size), offset);
    if (written > 0)
        record_write(fd, offset, bytes, (size_t)written);
    fault_end(rule);
    return written;
}

int ftruncate64(int fd, off64_t size) {
    const rule_t *rule;
    if (!fault_begin_at("truncate", fd, &rule))
        return -1;
    int result = REAL(ftruncate64)(fd, size);
    if (result == 0)
        record_truncate(fd, size);
    fault_end(rule);
    return result;
}

/* --- names --- */

/* Opens by `real`, with its arguments in `arguments`. */
static int open_as(int at, const char *path, int flags, int (*real)(int, const char *, int, const void *),
                   const void *arguments) {
    const rule_t *rule = NULL;
    if ((flags & O_EXCL) && !fault_begin("create", path, NULL, &rule))
        return -1;
    if (!rule && !fault_begin("open", path, NULL, &rule))
        return -1;
    bool makes = (flags & O_CREAT) && record_wanted() && faccessat(at, path, F_OK, 0) != 0;
    int fd = real(at, path, flags, arguments);
    if (fd >= 0 && makes)
        record_entry("create", at, path);
    if (fd >= 0 && !makes && (flags & O_TRUNC))
        record_truncate(fd, 0);
    fault_end(rule);
    if (fd >= 0 && fault_loses(rule)) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static int real_openat(int at, const char *path, int flags, const void *mode) {
    return (int)syscall(SYS_openat, at, path, flags, *(const int *)mode, 0, 0);
}

static int open_with_mode(int at, const char *path, int flags, va_list arguments) {
    int mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(arguments, int) : 0;
    return open_as(at, path, flags, real_openat, &mode);
}

#define DEFINE_OPEN(name)                                                                                          \
    int name(const char *path, int flags, ...) {                                                                   \
        va_list arguments;                                                                                         \
        va_start(arguments, flags);                                                                                \
        int fd = open_with_mode(AT_FDCWD, path, flags, arguments);                                                 \
        va_end(arguments);                                                                                         \
        return fd;                                                                                                 \
    }
#define DEFINE_OPENAT(name)                                                                                        \
    int name(int at, const char *path, int flags, ...) {                                                           \
        va_list arguments;                                                                                         \
        va_start(arguments, flags);                                                                                \
        int fd = open_with_mode(at, path, flags, arguments);                                                       \
        va_end(arguments);                                                                                         \
        return fd;                                                                                                 \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

typedef struct how {
    long how, size;
} how_t;

static int real_openat2(int at, const char *path, int flags, const void *arguments) {
    const how_t *how = arguments;
    (void)flags;
    return (int)REAL(syscall)(SYS_openat2, at, path, how->how, how->size, 0, 0);
}

/* glibc has no openat2. Every other number passes, with as many arguments as any can have. */
long syscall(long number, ...) {
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_openat2)
        /* open_how begins with its flags. */
        return open_as((int)a[0], (const char *)a[1], (int)*(const uint64_t *)a[2], real_openat2,
                       &(how_t){a[2], a[3]});
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int mkdirat(int at, const char *path, mode_t mode) {
    const rule_t *rule;
    if (!fault_begin("mkdir", path, NULL, &rule))
        return -1;
    int result = REAL(mkdirat)(at, path, mode);
    if (result == 0)
        record_entry("mkdir", at, path);
    fault_end(rule);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int at, const char *path, int flags) {
    const rule_t *rule;
    if (!fault_begin("unlink", path, NULL, &rule))
        return -1;
    int result = REAL(unlinkat)(at, path, flags);
    if (result == 0)
        record_entry("unlink", at, path);
    fault_end(rule);
    return result;
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    const rule_t *rule;
    if (!fault_begin("rename", to, NULL, &rule))
        return -1;
    int result = REAL(renameat)(from_at, from, to_at, to);
    if (result == 0)
        record_rename(from_at, from, to_at, to);
    fault_end(rule);
    return result;
}

int rename(const char *from, const char *to) {
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
