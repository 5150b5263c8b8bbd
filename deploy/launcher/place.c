#include "deploy/launcher/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

bool place_own_folder(char folder[PATH_MAX]) {
    ssize_t size = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (size < 0)
        return false;
    folder[size] = 0;
    *strrchr(folder, '/') = 0;
    return true;
}

/* --- the run folder ------------------------------------------------------------------------------------ */

static char *in_temporary_folder(const char *name) {
    const char *temporary = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/%s", temporary && *temporary ? temporary : "/tmp", name) < 0)
        abort();
    return path;
}

char *place_private_run_dir(void) {
    char name[64];
    snprintf(name, sizeof name, "oxidicom-%u", (unsigned)geteuid());
    return in_temporary_folder(name);
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

char *place_make_run_dir(int *lock) {
    char *path = place_private_run_dir();
    *lock = -1;
    if ((mkdir(path, 0700) == 0 || errno == EEXIST) && place_is_private(path))
        *lock = hold(path);
    if (*lock >= 0)
        return path;
    bool taken = access(path, F_OK) == 0;
    char *other = in_temporary_folder("oxidicom-XXXXXX");
    char *made = mkdtemp(other);
    if (!made)
        log_error(NULL, "can't make a run folder %s: %s", other, strerror(errno));
    else if (taken)
        log_warn(NULL, "%s is another's: the run folder is %s, which has to be named to `oxidicom status`", path,
                 made);
    if (made)
        *lock = hold(made);
    else
        free(other);
    free(path);
    return made;
}

static bool is_of_the_ring(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".sock") == 0 || strcmp(dot, ".lock") == 0);
}

void place_remove_run_dir(const char *path, int lock) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (is_of_the_ring(entry->d_name) && unlinkat(dirfd(folder), entry->d_name, 0) != 0)
            log_debug(NULL, "can't remove %s: %s", entry->d_name, strerror(errno));
    if (folder)
        closedir(folder);
    if (rmdir(path) != 0)
        log_warn(NULL, "can't remove the run folder %s: %s", path, strerror(errno));
    if (lock >= 0)
        close(lock);
}
