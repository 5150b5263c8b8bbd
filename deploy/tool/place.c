#include "deploy/tool/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/host.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"

bool place_own_folder(char folder[PATH_MAX]) {
    ssize_t size = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (size < 0)
        return false;
    folder[size] = 0;
    *strrchr(folder, '/') = 0;
    return true;
}

/* --- the run folder ------------------------------------------------------------------------------------ */

/* Two launchers of one host don't take each other's folder, nor do launchers of two hosts. */
char *place_private_run_dir(place_t place, const char *files_root) {
    const char *temporary = getenv("TMPDIR");
    char host[HOST_NAME_MAX + 1];
    host_read_name(host);
    if (place == PLACE_TEMPORARY)
        return format_text("%s/oxidicom-%u", temporary && *temporary ? temporary : "/tmp", geteuid());
    if (place == PLACE_MEMORY)
        return format_text("/dev/shm/oxidicom-%u", geteuid());
    return files_root ? format_text("%s/" PLACE_BELOW_FILES_ROOT "/%s", files_root, host) : NULL;
}

bool place_is_private(const char *path) {
    struct stat s;
    return lstat(path, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid() && (s.st_mode & 077) == 0;
}

/* -1: another launcher holds it. The kernel drops the lock however the holder dies, so that the next one takes over
 * the folder that it left. */
static int hold(const char *path) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/launcher.lock", path);
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0) {
        close(lock);
        lock = -1;
    }
    return lock;
}

/* Those between the files root and the folder itself. The files root must be there: it is a mounted volume. */
static bool make_parents(const char *files_root) {
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/" PLACE_BELOW_FILES_ROOT, files_root);
    char *last = size < (int)sizeof path ? strrchr(path, '/') : NULL;
    if (!last) {
        errno = ENAMETOOLONG;
        return false;
    }
    *last = 0;
    bool made = mkdir(path, 0755) == 0 || errno == EEXIST;
    *last = '/';
    return made && (mkdir(path, 0755) == 0 || errno == EEXIST);
}

/* The folder of this name; or, where another launcher has it or somebody else has put something in its place, one
 * with a random name. NULL with errno where neither can be made. */
static char *make_run_dir(const char *path, int *lock) {
    char *other;
    if ((mkdir(path, 0700) == 0 || errno == EEXIST) && place_is_private(path) && (*lock = hold(path)) >= 0)
        return strdup(path);
    bool taken = access(path, F_OK) == 0;
    other = format_text("%s-XXXXXX", path);
    char *made = mkdtemp(other);
    if (!made)
        free(other);
    else if (taken)
        log_warn(NULL, "%s is another's: the run folder is %s, which has to be named to `oxidicom status`", path,
                 made);
    if (made)
        *lock = hold(made);
    return made;
}

/* NULL with errno: it can't be had. */
static char *make_at(place_t place, const char *path, const char *files_root, int *lock) {
    errno = ENAMETOOLONG;
    if (strlen(path) + strlen("-XXXXXX/writer-255.sock") > SOCKET_PATH_MAX_BYTES)
        return NULL;
    return place != PLACE_STORAGE || make_parents(files_root) ? make_run_dir(path, lock) : NULL;
}

char *place_make_run_dir(const char *files_root, int *lock) {
    char *made = NULL;
    *lock = -1;
    for (place_t place = 0; place < PLACES && !made; place++) {
        char *path = place_private_run_dir(place, files_root);
        if (path && !(made = make_at(place, path, files_root, lock)))
            log_warn(NULL, "can't make a run folder %s: %s", path, strerror(errno));
        free(path);
    }
    return made;
}

static bool is_of_the_ring(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".sock") == 0 || strcmp(dot, ".lock") == 0);
}

static void remove_run_dir(const char *path) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (is_of_the_ring(entry->d_name) && unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            log_debug(NULL, "can't remove %s: %s", entry->d_name, strerror(errno));
    if (folder)
        closedir(folder);
    if (rmdir(path) != 0)
        log_warn(NULL, "can't remove the run folder %s: %s", path, strerror(errno));
}

/* By a process of its own, which is left behind where it hangs. */
void place_remove_run_dir(const char *path, int lock, int ms) {
    pid_t remover = fork();
    if (remover == 0) {
        remove_run_dir(path);
        _exit(EXIT_SUCCESS);
    }
    struct pollfd ends = {.fd = remover > 0 ? pidfd_open(remover, 0) : -1, .events = POLLIN};
    if (ends.fd < 0 || poll(&ends, 1, ms) != 1) {
        log_warn(NULL, "can't remove the run folder %s: %s", path,
                 ends.fd < 0 ? strerror(errno) : "its storage does not answer");
        if (remover > 0)
            kill(remover, SIGKILL);
    }
    if (ends.fd >= 0)
        close(ends.fd);
    if (lock >= 0)
        close(lock);
}
