/* The record, a text line for each change or promise, of all processes in one file:
 *
 *     create FOLDER INODE NAME       mkdir FOLDER INODE NAME       unlink FOLDER NAME
 *     rename FOLDER NAME FOLDER NAME INODE
 *     write INODE OFFSET SIZE        followed by SIZE bytes and a newline
 *     truncate INODE SIZE
 *     sync INODE POSITION            the file or folder was forced to the disk, with all that stands before
 * POSITION stored LISTENER OBJECT PATH                    a writer is about to tell the notifier written LISTENER
 * OBJECT ASSOCIATION TOKEN      a writer is about to tell the listener opened LISTENER ASSOCIATION TOKEN the
 * notifier is about to tell the listener
 *
 * A change stands here after it has happened, a sync after its end, a promise before it is given. So in any order
 * of two processes, the record never calls a change durable too early, nor a promise given too late. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/preload/preload.h"

static int record_fd(void) {
    static int fd = -1;
    const char *path = getenv("OXIDICOM_TEST_RECORD");
    if (fd < 0 && path)
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return fd;
}

bool record_wanted(void) {
    return record_fd() >= 0;
}

static void put(const char *line, const void *bytes, size_t size) {
    char end = '\n';
    struct iovec parts[] = {{(void *)(uintptr_t)line, strlen(line)}, {(void *)(uintptr_t)bytes, size}, {&end, 1}};
    ssize_t whole = (ssize_t)(parts[0].iov_len + size + 1);
    if (REAL(writev)(record_fd(), parts, 3) != whole) /* one call: other processes append, too */
        abort();
}

/* Whether the file lies below the folder of the record; fills in its status. */
static bool is_watched(int fd, struct stat *status) {
    char link[64], path[PATH_MAX] = "";
    const char *record = getenv("OXIDICOM_TEST_RECORD");
    size_t folder = record ? (size_t)(strrchr(record, '/') - record) + 1 : 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return record && fd > STDERR_FILENO && readlink(link, path, sizeof path - 2) > 0 &&
           strncmp(strcat(path, "/"), record, folder) == 0 && fstat(fd, status) == 0 &&
           (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode));
}

void record_write(int fd, int64_t offset, const void *bytes, size_t size) {
    struct stat status;
    char line[128];
    int reason = errno;
    if (record_wanted() && is_watched(fd, &status)) {
        snprintf(line, sizeof line, "write %lu %ld %zu\n", status.st_ino, (long)offset, size);
        put(line, bytes, size);
    }
    errno = reason;
}

void record_truncate(int fd, int64_t size) {
    struct stat status;
    char line[128];
    if (record_wanted() && is_watched(fd, &status)) {
        snprintf(line, sizeof line, "truncate %lu %ld", status.st_ino, (long)size);
        put(line, "", 0);
    }
}

int64_t record_position(void) {
    struct stat status;
    return record_wanted() && fstat(record_fd(), &status) == 0 ? status.st_size : 0;
}

void record_sync(int fd, int64_t began_at) {
    struct stat status;
    char line[128];
    if (record_wanted() && is_watched(fd, &status)) {
        snprintf(line, sizeof line, "sync %lu %ld", status.st_ino, (long)began_at);
        put(line, "", 0);
    }
}

/* The inode of the folder that the path's last component lies in; 0: it is not watched. */
static ino_t folder_of(int at, const char *path, const char **name) {
    char parent[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    struct stat status;
    if (slash)
        snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    *name = slash ? slash + 1 : path;
    int folder = (int)syscall(SYS_openat, at, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    bool watched = folder >= 0 && is_watched(folder, &status);
    if (folder >= 0)
        close(folder);
    return watched ? status.st_ino : 0;
}

static ino_t inode_of(int at, const char *path) {
    struct stat status;
    return fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_ino : 0;
}

void record_entry(const char *what, int at, const char *path) {
    const char *name;
    char line[PATH_MAX];
    int reason = errno;
    ino_t folder = record_wanted() ? folder_of(at, path, &name) : 0;
    if (folder && strcmp(what, "unlink") == 0)
        snprintf(line, sizeof line, "unlink %lu %s", folder, name);
    else if (folder)
        snprintf(line, sizeof line, "%s %lu %lu %s", what, folder, inode_of(at, path), name);
    if (folder)
        put(line, "", 0);
    errno = reason;
}

void record_rename(int from_at, const char *from, int to_at, const char *to) {
    const char *from_name, *to_name;
    char line[PATH_MAX];
    ino_t from_folder = record_wanted() ? folder_of(from_at, from, &from_name) : 0;
    ino_t to_folder = record_wanted() ? folder_of(to_at, to, &to_name) : 0;
    if (!from_folder || !to_folder)
        return;
    snprintf(line, sizeof line, "rename %lu %s %lu %s %lu", from_folder, from_name, to_folder, to_name,
             inode_of(to_at, to));
    put(line, "", 0);
}

void record_promise(const char *format, ...) {
    char line[PATH_MAX];
    va_list arguments;
    if (!record_wanted())
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    put(line, "", 0);
}
