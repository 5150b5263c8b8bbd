/* Temporary files lie outside the series' folders, since CUBE registers every file that it finds there, but on the
 * same file system, since they are renamed. A folder of its own per host, writer and run means that whatever lies
 * in it belongs to somebody known to be alive or dead. */
#include "writer/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "writer/path.h"

#define RUN_NAME_BYTES 16 /* of the incarnation in hexadecimal */

int open_beneath(int root, const char *path, int flags, unsigned mode) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    long descriptor;
    do
        descriptor = syscall(SYS_openat2, root, path, &how, sizeof how);
    while (descriptor < 0 &&
           (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a folder above was renamed meanwhile */
    return (int)descriptor;
}

/* Opens the folder `name` in `parent`, which is closed, making it where it is missing. */
static int enter(int parent, const char *name) {
    int folder = -1;
    if (parent < 0)
        return -1;
    if (mkdirat(parent, name, 0755) == 0 || errno == EEXIST)
        folder = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
    int reason = errno;
    close(parent);
    errno = reason;
    return folder;
}

/* .oxidicom/tmp/HOST/ID: the host's name tells the pods of a cluster apart, which share the files root. */
static int open_writer_folder(int root, const char *id) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        return -1;
    char *clean = path_sanitize(host), *name = path_component(clean, "");
    int folder = dup(root);
    folder = enter(folder, ".oxidicom");
    folder = enter(folder, "tmp");
    folder = enter(folder, name);
    folder = enter(folder, id);
    free(clean);
    free(name);
    return folder;
}

static void run_name(uint64_t incarnation, char name[RUN_NAME_BYTES + 1]) {
    snprintf(name, RUN_NAME_BYTES + 1, "%016llx", (unsigned long long)incarnation);
}

/* Removes the files in a run's folder. Returns how many there were. */
static size_t remove_files(int folder) {
    size_t removed = 0;
    int own = dup(folder);
    DIR *list = own < 0 ? NULL : fdopendir(own);
    if (!list) {
        if (own >= 0)
            close(own);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(list));)
        if (unlinkat(folder, entry->d_name, 0) == 0)
            removed++;
    closedir(list);
    return removed;
}

/* A run that lives holds its lock. Where the file system has no locks, the lock in the run folder of the stage has
 * already made sure that no other run of this writer lives. */
static void sweep_run(int writer_folder, const char *name) {
    int folder = open_beneath(writer_folder, name, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return;
    if (flock(folder, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        size_t removed = remove_files(folder);
        if (unlinkat(writer_folder, name, AT_REMOVEDIR) == 0)
            log_info(NULL, "removed %zu temporary files that an earlier run of this writer left", removed);
        else
            log_warn(NULL, "can't remove the temporary folder %s of an earlier run: %s", name, strerror(errno));
    }
    close(folder);
}

static bool is_run_name(const char *name) {
    return strlen(name) == RUN_NAME_BYTES && strspn(name, "0123456789abcdef") == RUN_NAME_BYTES;
}

static void sweep(int writer_folder, const char *own_name) {
    int own = dup(writer_folder);
    DIR *list = own < 0 ? NULL : fdopendir(own);
    if (!list) {
        if (own >= 0)
            close(own);
        log_warn(NULL, "can't look for temporary files of earlier runs: %s", strerror(errno));
        return;
    }
    for (struct dirent *entry; (entry = readdir(list));)
        if (is_run_name(entry->d_name) && strcmp(entry->d_name, own_name) != 0)
            sweep_run(writer_folder, entry->d_name);
    closedir(list);
}

int temporary_open(int root, const char *id, uint64_t incarnation) {
    char name[RUN_NAME_BYTES + 1];
    run_name(incarnation, name);
    int writer_folder = open_writer_folder(root, id);
    if (writer_folder < 0)
        return -1;
    sweep(writer_folder, name);
    int folder = enter(writer_folder, name);
    if (folder >= 0 && flock(folder, LOCK_EX | LOCK_NB) != 0)
        log_debug(NULL, "no lock on the temporary folder: %s", strerror(errno));
    return folder;
}

void temporary_close(int root, int folder, const char *id, uint64_t incarnation) {
    char name[RUN_NAME_BYTES + 1];
    run_name(incarnation, name);
    if (folder >= 0)
        close(folder);
    int writer_folder = open_writer_folder(root, id);
    if (writer_folder < 0)
        return;
    /* Not there or not empty: whoever comes next looks after it. */
    if (unlinkat(writer_folder, name, AT_REMOVEDIR) != 0)
        log_debug(NULL, "the temporary folder %s stays: %s", name, strerror(errno));
    close(writer_folder);
}
