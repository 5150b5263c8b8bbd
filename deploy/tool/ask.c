#include "deploy/tool/ask.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/stage.h"
#include "deploy/tool/place.h"

/* --- where it runs ------------------------------------------------------------------------------------- */

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

bool ask_reaches(const char *run_dir, const char *id) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.sock", run_dir, id);
    return try_socket(path) == 0;
}

static bool anybody_in(const char *run_dir) {
    return ask_reaches(run_dir, "listener") || ask_reaches(run_dir, "notifier");
}

static char *runtime_folder(void) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    return runtime && *runtime ? zsys_sprintf("%s/oxidicom", runtime) : NULL;
}

/* The first of the launcher's own places in which somebody listens: this shell's environment need not be the
 * service's. Free it; NULL: none. */
static char *find_run_dir(const char *named) {
    char *places[2 + PLACES] = {strdup("/run/oxidicom"), runtime_folder()}, *found = NULL;
    for (place_t place = 0; place < PLACES; place++) {
        places[2 + place] = place_private_run_dir(place, getenv("OXIDICOM_FILES_ROOT"));
        if (places[2 + place] && !place_is_private(places[2 + place]))
            freen(places[2 + place]); /* somebody else's: whatever is in it, it is not ours */
    }
    if (named) {
        found = anybody_in(named) ? strdup(named) : NULL;
        if (!found)
            fprintf(stderr, "oxidicom: nothing runs in OXIDICOM_RUN_DIR %s%s%s\n", named,
                    access(named, W_OK | X_OK) == 0 ? "" : ": ",
                    access(named, W_OK | X_OK) == 0 ? "" : strerror(errno));
    }
    for (size_t i = 0; i < 2 + PLACES; i++) {
        if (!named && !found && places[i] && anybody_in(places[i]))
            found = strdup(places[i]);
        free(places[i]);
    }
    if (!named && !found)
        fputs("oxidicom: nothing runs in /run/oxidicom, $XDG_RUNTIME_DIR/oxidicom, $TMPDIR/oxidicom-<user id>, "
              "/dev/shm/oxidicom-<user id> and $OXIDICOM_FILES_ROOT/" PLACE_BELOW_FILES_ROOT
              "/<host>; is OXIDICOM_RUN_DIR missing, or is this another user?\n",
              stderr);
    return found;
}

/* --- the inbox ----------------------------------------------------------------------------------------- */

/* A tool that was killed leaves its socket behind. */
static void sweep(const char *run_dir) {
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

/* Root asks a service of another user: that one must be able to answer. */
static void hand_over(const char *run_dir, const char *path) {
    struct stat s;
    if (geteuid() == 0 && stat(run_dir, &s) == 0 && s.st_uid != 0 && lchown(path, s.st_uid, s.st_gid) != 0)
        fprintf(stderr, "oxidicom: can't let the user of %s answer: %s\n", run_dir, strerror(errno));
}

static int bind_inbox(ask_t *ask) {
    snprintf(ask->inbox_name, sizeof ask->inbox_name, TOOL_INBOX_PREFIX "%d", (int)getpid());
    char *endpoint = stage_endpoint(ask->run_dir, ask->inbox_name);
    if (!endpoint)
        return EX_UNAVAILABLE;
    ask->inbox = zsock_new(ZMQ_PULL);
    mode_t old = umask(stage_inbox_umask(ask->run_dir));
    int bound = ask->inbox ? zsock_bind(ask->inbox, "%s", endpoint) : -1;
    umask(old);
    if (bound < 0)
        fprintf(stderr, "oxidicom: can't make an inbox in %s: %s\n", ask->run_dir, strerror(errno));
    else
        hand_over(ask->run_dir, endpoint + strlen("ipc://"));
    freen(endpoint);
    return bound < 0 ? EX_UNAVAILABLE : 0;
}

int ask_open(ask_t *ask, const char *run_dir, int64_t timeout_ms) {
    *ask = (ask_t){.run_dir = find_run_dir(run_dir), .timeout_ms = timeout_ms};
    ring__reply_to__init(&ask->reply_to);
    if (!ask->run_dir)
        return EX_UNAVAILABLE;
    zsys_init();
    sweep(ask->run_dir);
    return bind_inbox(ask);
}

void ask_close(ask_t *ask) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.sock", ask->run_dir ? ask->run_dir : "", ask->inbox_name);
    if (ask->inbox)
        (void)unlink(path); /* ZeroMQ may have done so */
    zsock_destroy(&ask->inbox);
    zsys_shutdown();
    freen(ask->run_dir);
}

/* --- questions ----------------------------------------------------------------------------------------- */

Ring__ReplyTo *ask_reply_to(ask_t *ask) {
    ask->reply_to.inbox = ask->inbox_name;
    ask->reply_to.number++;
    return &ask->reply_to;
}

/* The answer in a message, if it is the one; else NULL. */
static Ring__Answer *take_answer(const ask_t *ask, zmsg_t *message) {
    zframe_t *head = zmsg_first(message);
    Ring__Envelope *envelope = head ? ring_unpack(zframe_data(head), zframe_size(head)) : NULL;
    Ring__Answer *answer = NULL;
    if (envelope && envelope->body_case == RING__ENVELOPE__BODY_ANSWER &&
        envelope->answer->number == ask->reply_to.number) {
        answer = envelope->answer;
        envelope->body_case = RING__ENVELOPE__BODY__NOT_SET;
        envelope->answer = NULL;
    }
    ring__envelope__free_unpacked(envelope, NULL);
    return answer;
}

/* Earlier questions may be answered yet; those answers are thrown away. */
static Ring__Answer *await_answer(ask_t *ask) {
    Ring__Answer *answer = NULL;
    zpoller_t *poller = zpoller_new(ask->inbox, NULL);
    int64_t end = clock_ms() + ask->timeout_ms, left;
    while (!answer && (left = end - clock_ms()) > 0 && zpoller_wait(poller, (int)left)) {
        zmsg_t *message = zmsg_recv(ask->inbox);
        answer = message ? take_answer(ask, message) : NULL;
        zmsg_destroy(&message);
    }
    zpoller_destroy(&poller);
    return answer;
}

Ring__Answer *ask_stage(ask_t *ask, const char *stage, const Ring__Envelope *question) {
    if (!ask_reaches(ask->run_dir, stage))
        return NULL;
    zsock_t *outbox = ring_outbox_new(ask->run_dir, stage, 1);
    if (!outbox)
        return NULL;
    zsock_set_linger(outbox, 0);
    Ring__Answer *answer = ring_send(outbox, question) == 0 ? await_answer(ask) : NULL;
    zsock_destroy(&outbox);
    return answer;
}

Ring__Answer *ask_notifier(ask_t *ask, const Ring__Envelope *question) {
    Ring__Answer *answer = ask_stage(ask, "notifier", question);
    if (!answer)
        fprintf(stderr, "oxidicom: the notifier in %s %s\n", ask->run_dir,
                ask_reaches(ask->run_dir, "notifier") ? "does not answer" : "does not run");
    else if (*answer->error)
        fprintf(stderr, "oxidicom: the notifier says: %s\n", answer->error);
    else if (answer->series || answer->registrations)
        return answer;
    else
        fputs("oxidicom: the notifier answers something else; is it of another release?\n", stderr);
    ring__answer__free_unpacked(answer, NULL);
    return NULL;
}
