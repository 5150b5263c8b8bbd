/* kombu's filesystem transport: a folder with a file per message. The receiver takes every file with
 * `.{queue}.msg` in its name, by name, so a file gets such a name only when it is whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/broker_schemes.h"
#include "common/clock.h"
#include "common/memory.h"
#include "notifier/broker/transport.h"

typedef struct filesystem {
    char *folder;
    const char *queue;
    transport_results_t results;
    int descriptor; /* of the folder; -1: not connected */
} filesystem_t;

static void *create(const char *address, const settings_t *settings, transport_results_t results) {
    const char *folder = broker_scheme_rest(address);
    if (folder[0] != '/')
        return NULL;
    filesystem_t *self = must(calloc(1, sizeof *self));
    self->folder = copy_text(folder);
    self->queue = settings->queue_name;
    self->results = results;
    self->descriptor = -1;
    return self;
}

static void destroy(void *transport) {
    filesystem_t *self = transport;
    free(self->folder);
    free(self);
}

static int connect_to(void *transport, failure_t *failure) {
    filesystem_t *self = transport;
    /* Parents are the operator's: a mistyped path should not grow a tree. */
    if (mkdir(self->folder, 0777) != 0 && errno != EEXIST)
        return failure_set(failure, "can't make the folder %.150s: %s", self->folder, strerror(errno));
    self->descriptor = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->descriptor < 0 || faccessat(self->descriptor, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return failure_set(failure, "can't write into %.150s: %s", self->folder, strerror(errno));
    return 0;
}

static void disconnect(void *transport) {
    filesystem_t *self = transport;
    close(self->descriptor);
    self->descriptor = -1;
}

static int descriptor(void *transport) {
    (void)transport;
    return -1;
}

/* Writes all of the text and forces it to the disk. */
static bool write_whole(int file, const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t written = write(file, text, left);
        if (written < 0)
            return false;
        text += written;
        left -= (size_t)written;
    }
    return fsync(file) == 0;
}

/* The file appears under its final name whole and durable, or not at all. */
static bool put_file(const filesystem_t *self, const char *temporary, const char *final, const char *text) {
    int file = openat(self->descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0)
        return false;
    bool whole = write_whole(file, text);
    whole = close(file) == 0 && whole;
    if (whole && renameat(self->descriptor, temporary, self->descriptor, final) == 0)
        /* Without it, a power cut could take back the name of a registration that the journal calls sent. */
        return fsync(self->descriptor) == 0;
    int reason = errno;
    unlinkat(self->descriptor, temporary, 0);
    errno = reason;
    return false;
}

static int send_message(void *transport, const celery_message_t *message, uint64_t tag, failure_t *failure) {
    filesystem_t *self = transport;
    uuid_t id;
    char name[UUID_STR_LEN], temporary[UUID_STR_LEN + 8];
    uuid_generate(id);
    uuid_unparse_lower(id, name);
    snprintf(temporary, sizeof temporary, ".%s.tmp", name);
    char *final = format_text("%lld_%s.%s.msg", (long long)clock_ms(), name, self->queue);
    char *text = celery_envelope(message, self->queue);
    bool put = put_file(self, temporary, final, text);
    if (put)
        self->results.finished(self->results.self, tag, false, OUTCOME_CONFIRMED, NULL);
    else
        failure_set(failure, "can't put a message into %.150s: %s", self->folder, strerror(errno));
    free(text);
    free(final);
    return put ? 0 : -1;
}

static int service(void *transport, failure_t *failure) {
    (void)transport;
    (void)failure;
    return 0;
}

/* Counts the messages that the receiver has not taken. */
static int look(void *transport, failure_t *failure) {
    (void)failure;
    filesystem_t *self = transport;
    char *end = format_text(".%s.msg", self->queue);
    int again = openat(self->descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = again >= 0 ? fdopendir(again) : NULL;
    int64_t waiting = listing ? 0 : -1;
    for (struct dirent *entry; listing && (entry = readdir(listing));)
        waiting += strstr(entry->d_name, end) != NULL;
    if (listing)
        closedir(listing);
    else if (again >= 0)
        close(again);
    free(end);
    self->results.looked(self->results.self, waiting, -1);
    return 0;
}

const transport_t TRANSPORT_FILESYSTEM = {create,  connect_to, descriptor, send_message,
                                          service, look,       disconnect, destroy};
