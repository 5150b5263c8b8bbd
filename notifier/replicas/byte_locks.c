#include "notifier/replicas/byte_locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/comma_list.h"

/* Its name in fcntl(2) is there since Linux 3.15. */
static byte_lock_t set(int file, short type, uint64_t byte) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int result;
    do
        result = fcntl(file, F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return BYTE_LOCK_DONE;
    return errno == EAGAIN || errno == EACCES ? BYTE_LOCK_BUSY : BYTE_LOCK_FAILED;
}

byte_lock_t byte_locks_share(int file, uint64_t byte) {
    return set(file, F_RDLCK, byte);
}

/* Of two that try at once, one gets it; if both only shared it and looked, neither would be alone. */
byte_lock_t byte_locks_try(int file, uint64_t byte) {
    byte_lock_t exclusive = set(file, F_WRLCK, byte);
    return exclusive == BYTE_LOCK_DONE ? set(file, F_RDLCK, byte) : exclusive;
}

byte_lock_t byte_locks_let_go(int file, uint64_t byte) {
    return set(file, F_UNLCK, byte);
}

/* --- mounts ---------------------------------------------------------------------------------------------- */

const char *byte_locks_local_in(const char *options) {
    /* NFS 2 and 3; SMB; Lustre and GFS2. */
    static const char *const LOCAL[] = {"nolock", "local_lock=all", "local_lock=posix",
                                        "nobrl",  "localflocks",    "localflock"};
    size_t size;
    for (const char *option; comma_list_next(&options, &option, &size);)
        for (size_t i = 0; i < sizeof LOCAL / sizeof *LOCAL; i++)
            if (strlen(LOCAL[i]) == size && memcmp(LOCAL[i], option, size) == 0)
                return LOCAL[i];
    return NULL;
}

/* Which mount an open file belongs to, as proc(5) numbers them; -1: that is not known. */
static long mount_of(int file) {
    char path[64], line[256];
    long mount = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", file);
    FILE *info = fopen(path, "re");
    while (info && fgets(line, sizeof line, info))
        if (strncmp(line, "mnt_id:", 7) == 0)
            mount = strtol(line + 7, NULL, 10);
    if (info)
        fclose(info);
    return mount;
}

const char *byte_locks_local_option(int file) {
    long mount = mount_of(file);
    char *line = NULL;
    const char *local = NULL;
    size_t size = 0;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && getline(&line, &size, mounts) > 0) {
        char *options = strrchr(line, ' '); /* the last word: the file system's own */
        if (strtol(line, NULL, 10) != mount || !options)
            continue;
        options[strcspn(options, "\n")] = 0;
        local = byte_locks_local_in(options + 1);
    }
    free(line);
    if (mounts)
        fclose(mounts);
    return local;
}
