#include "deploy/tool/run_dir.h"

#include <czmq.h>
#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/clock.h"
#include "deploy/tool/place.h"
#include "proto/reply.h"

/* --- one folder ---------------------------------------------------------------------------------------- */

/* Returns 0 or why not. */
static int try_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int reason = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN ? 0 : errno;
    close(fd);
    return reason;
}

bool run_dir_reaches(const char *run_dir, const char *id) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.sock", run_dir, id);
    return try_socket(path) == 0;
}

void run_dir_sweep(const char *run_dir) {
    DIR *folder = opendir(run_dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", run_dir, entry->d_name);
        if (strncmp(entry->d_name, TOOL_INBOX_PREFIX, strlen(TOOL_INBOX_PREFIX)) == 0 &&
            try_socket(path) == ECONNREFUSED)
            (void)unlink(path); /* another tool may have been quicker */
    }
    if (folder)
        closedir(folder);
}

/* --- looking ------------------------------------------------------------------------------------------- */

#define PLACES_MOST (2 + PLACES)

/* Folders, in the order of the search. */
typedef struct search {
    char *folders[PLACES_MOST];
    bool private[PLACES_MOST]; /* a stranger's folder is not ours, with any content */
    size_t count;
} search_t;

/* The finding in a folder. */
typedef struct look {
    bool anybody;
    int reason; /* an errno value, where the folder can't be used */
} folder_look_t;

static void add(search_t *search, char *folder, bool is_private) {
    if (!folder)
        return;
    search->folders[search->count] = folder;
    search->private[search->count++] = is_private;
}

static void add_own_places(search_t *search) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    add(search, strdup("/run/oxidicom"), false);
    add(search, runtime && *runtime ? zsys_sprintf("%s/oxidicom", runtime) : NULL, false);
    for (place_t place = 0; place < PLACES; place++)
        add(search, place_private_run_dir(place, getenv("OXIDICOM_FILES_ROOT")), true);
}

static folder_look_t look_into(const char *folder, bool is_private) {
    if (is_private && !place_is_private(folder))
        return (folder_look_t){.reason = EPERM};
    return (folder_look_t){run_dir_reaches(folder, "listener") || run_dir_reaches(folder, "notifier"),
                           access(folder, W_OK | X_OK) == 0 ? 0 : errno};
}

/* In a process of its own. It keeps nothing open that somebody may wait for the end of, since it may hang in
 * storage for as long as that is away, even when it was killed. Does not return. */
static void look_and_tell(const search_t *search, int out) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(out, STDIN_FILENO) < 0 || close_range(STDIN_FILENO + 1, UINT_MAX, 0) != 0)
        _exit(EXIT_FAILURE);
    for (size_t i = 0; i < search->count; i++) {
        folder_look_t look = look_into(search->folders[i], search->private[i]);
        if (write(STDIN_FILENO, &look, sizeof look) != sizeof look || look.anybody)
            break;
    }
    _exit(EXIT_SUCCESS);
}

/* Waits for the finding in the next folder. Returns 0, or ETIMEDOUT, or why the look failed. */
static int await_look(int in, folder_look_t *look, int64_t deadline_ms) {
    int64_t left_ms = deadline_ms - clock_ms();
    struct pollfd polled = {.fd = in, .events = POLLIN};
    int ready = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
    if (ready <= 0)
        return ready == 0 ? ETIMEDOUT : errno;
    return read(in, look, sizeof *look) == sizeof *look ? 0 : EIO;
}

/* The folder with a listening stage, or NULL after naming a silent one. `last` is the finding in the last
 * folder. */
static const char *hear(const search_t *search, int in, int64_t deadline_ms, folder_look_t *last, bool *said) {
    for (size_t i = 0; i < search->count; i++) {
        int reason = await_look(in, last, deadline_ms);
        if (reason != 0) {
            fprintf(stderr, "oxidicom: %s %s%s\n", search->folders[i],
                    reason == ETIMEDOUT ? "does not answer within --timeout" : "can't be looked into: ",
                    reason == ETIMEDOUT ? ": is its storage away? OXIDICOM_RUN_DIR names another"
                                        : strerror(reason));
            *said = true;
            return NULL;
        }
        if (last->anybody)
            return search->folders[i];
    }
    return NULL;
}

static char *look(const search_t *search, int64_t deadline_ms, folder_look_t *last, bool *said) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    pid_t looker = fork();
    if (looker == 0)
        look_and_tell(search, ends[1]);
    close(ends[1]);
    const char *found = looker < 0 ? NULL : hear(search, ends[0], deadline_ms, last, said);
    char *copy = found ? strdup(found) : NULL;
    close(ends[0]);
    if (looker > 0) {
        kill(looker, SIGKILL);
        (void)waitpid(looker, NULL, WNOHANG); /* a hanging one is left to the kernel */
    }
    return copy;
}

char *run_dir_find(const char *named, int64_t deadline_ms) {
    search_t search = {0};
    folder_look_t last = {0};
    bool said = false;
    if (named)
        add(&search, strdup(named), false);
    else
        add_own_places(&search);
    char *found = look(&search, deadline_ms, &last, &said);
    if (!found && !said && named)
        fprintf(stderr, "oxidicom: nothing runs in OXIDICOM_RUN_DIR %s%s%s\n", named, last.reason ? ": " : "",
                last.reason ? strerror(last.reason) : "");
    else if (!found && !said)
        fputs("oxidicom: nothing runs in /run/oxidicom, $XDG_RUNTIME_DIR/oxidicom, $TMPDIR/oxidicom-<user id>, "
              "/dev/shm/oxidicom-<user id> and $OXIDICOM_FILES_ROOT/" PLACE_BELOW_FILES_ROOT
              "/<host>; is OXIDICOM_RUN_DIR missing, or is this another user?\n",
              stderr);
    for (size_t i = 0; i < search.count; i++)
        free(search.folders[i]);
    return found;
}
