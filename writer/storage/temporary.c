/* Temporary files lie outside the series' folders, since CUBE registers every file that it finds there, but on the
 * same file system, since they are renamed. Each run of each writer of each host has its own folder, so that a
 * file's owner is known to be alive or dead. */
#include "writer/storage/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/host.h"
#include "common/log.h"
#include "writer/dicom/path.h"

/* How often a writer that starts tries to get its own folder before those who tidy up. */
#define FOLDER_TRIES 10

/* Opens the folder `name` in `parent`, which is closed, and makes it if it is missing. Returns a descriptor, or -1
 * with errno. */
static int enter(int parent, const char *name, mode_t mode) {
    int folder = -1;
    if (parent < 0)
        return -1;
    if (mkdirat(parent, name, mode) == 0 || errno == EEXIST)
        folder = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
    int reason = errno;
    close(parent);
    errno = reason;
    return folder;
}

char *host_folder(void) {
    char host[HOST_NAME_MAX + 1];
    host_read_name(host);
    char *clean = path_sanitize(host), *name = path_component(clean, "");
    free(clean);
    return name;
}

void run_name(uint64_t incarnation, char name[RUN_NAME_BYTES + 1]) {
    snprintf(name, RUN_NAME_BYTES + 1, "%016llx", (unsigned long long)incarnation);
}

bool is_run_name(const char *name) {
    return strlen(name) == RUN_NAME_BYTES && strspn(name, "0123456789abcdef") == RUN_NAME_BYTES;
}

static int open_writer_folder(int root, const char *id) {
    char *host = host_folder();
    int folder = fcntl(root, F_DUPFD_CLOEXEC, 0);
    folder = enter(folder, ".oxidicom", 0755);
    folder = enter(folder, "tmp", 0755);
    folder = enter(folder, host, 0755);
    folder = enter(folder, id, 0755);
    free(host);
    return folder;
}

/* Somebody who tidies up may have taken an empty folder for a dead one's between two of these steps, or hold its
 * lock just now: then its entry is gone afterwards. */
static int open_locked(int root, const char *id, const char *name) {
    int writer = open_writer_folder(root, id);
    int folder = writer < 0 ? -1 : enter(writer, name, 0700);
    if (folder < 0)
        return -1;
    if (flock(folder, LOCK_EX) != 0)
        log_debug(NULL, "no lock on the temporary folder: %s", strerror(errno));
    struct stat s;
    if (fstat(folder, &s) == 0 && s.st_nlink > 0)
        return folder;
    close(folder);
    errno = ENOENT;
    return -1;
}

int temporary_open(int root, const char *id, uint64_t incarnation) {
    char name[RUN_NAME_BYTES + 1];
    run_name(incarnation, name);
    int folder = -1;
    for (int try = 0; folder < 0 && try < FOLDER_TRIES && (try == 0 || errno == ENOENT); try++)
        folder = open_locked(root, id, name);
    return folder;
}

/* Unlike files: their names begin with a digit there. */
static void spread_name(unsigned i, char name[2]) {
    name[0] = (char)('a' + i);
    name[1] = 0;
}

bool is_spread_name(const char *name) {
    return name[0] >= 'a' && name[0] < 'a' + TEMPORARY_SPREAD && !name[1];
}

/* A kernel lets one call at a time change a folder, and on NFS that takes the call's whole round trip. */
int temporary_spread(int folder) {
    char name[2];
    for (unsigned i = 0; i < TEMPORARY_SPREAD; i++) {
        spread_name(i, name);
        if (mkdirat(folder, name, 0700) != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

static void remove_spread(int folder) {
    char name[2];
    for (unsigned i = 0; i < TEMPORARY_SPREAD; i++) {
        spread_name(i, name);
        if (unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
            log_debug(NULL, "the folder %s for temporary files stays: %s", name, strerror(errno));
    }
}

void temporary_name(uint64_t number, bool is_spread, char name[TEMPORARY_NAME_BYTES]) {
    char folder[2];
    spread_name((unsigned)(number % TEMPORARY_SPREAD), folder);
    snprintf(name, TEMPORARY_NAME_BYTES, "%s%s%llu", is_spread ? folder : "", is_spread ? "/" : "",
             (unsigned long long)number);
}

/* O_EXCL says of any storage that a file is new. On NFS it costs one round trip more, a SETATTR, for the server
 * keeps the request's number in the times of the file. There the name alone has to do: nobody else has this run's
 * folder (a random number of 63 bits, and its lock), and the number of a file is never given twice.
 *
 * - Two writers: each has its run's folder. Where both have the same host, id and no locks, the number tells them
 *   apart.
 * - A file of a dead writer lies in that one's folder. Should there be one here nevertheless, from a snapshot of
 * this folder that was brought back, it has bytes or another name, and is not taken. The server has answered both
 * with the OPEN, so looking at them is no call of its own.
 * - Not O_TRUNC either: a server that has forgotten a request and gets it again (NFSv3 after a lost connection, or
 *   from a network that had kept it) would cut off later bytes, perhaps acknowledged. Without O_TRUNC
 * the late one changes nothing, or makes an empty file under a name that is never used again.
 * - A crash at any instant leaves the same as with O_EXCL: a file that the next sweep removes. */
int temporary_create(int folder, const char *name, bool is_nfs, mode_t mode) {
    struct statx what = {0};
    const int how = O_WRONLY | O_CREAT | (is_nfs ? O_NONBLOCK : O_EXCL); /* a pipe there is nothing to wait at */
    const unsigned wanted = STATX_TYPE | STATX_NLINK | STATX_SIZE;
    int file = open_beneath(folder, name, how, mode);
    if (file < 0 || !is_nfs)
        return file;
    if (statx(file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted, &what) == 0 && S_ISREG(what.stx_mode) &&
        what.stx_nlink == 1 && what.stx_size == 0)
        return file;
    close(file);
    errno = EEXIST;
    return -1;
}

void temporary_close(int root, int folder, const char *id, uint64_t incarnation) {
    char name[RUN_NAME_BYTES + 1];
    run_name(incarnation, name);
    remove_spread(folder);
    close(folder);
    int writer_folder = open_writer_folder(root, id);
    if (writer_folder < 0)
        return;
    /* Not there or not empty: the next sweep looks after it. */
    if (unlinkat(writer_folder, name, AT_REMOVEDIR) != 0)
        log_debug(NULL, "the temporary folder %s stays: %s", name, strerror(errno));
    close(writer_folder);
}
