/* What stages and the launcher say to a supervisor that listens on NOTIFY_SOCKET, and sockets that it hands over.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/deploy/tree.h"

/* --- datagrams --------------------------------------------------------------------------------------------- */

/* A socket such as systemd's; with `name` "@…" in the abstract namespace. */
static int listen_for_notes(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = 0;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0, "%s", name);
    return fd;
}

/* The next note; free it. Fails the test where none comes. */
static char *next_note(int fd) {
    char note[256];
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1, "nothing is said");
    ssize_t size = recv(fd, note, sizeof note - 1, 0);
    cr_assert_gt(size, 0);
    return strndup(note, (size_t)size);
}

static void expect_note(int fd, const char *expected) {
    char *note = next_note(fd);
    cr_assert_str_eq(note, expected);
    free(note);
}

static void start_stage(receiver_t *receiver, const char *stage, const char *const *environment) {
    char *path = text_of("%s/%s", binaries(), stage);
    receiver_launch_as(receiver, environment, (const char *const[]){path, NULL});
    free(path);
}

static void expect_life(const char *stage, const char *stopping) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *name = text_of("%s/notes", receiver.folder);
    int notes = listen_for_notes(name);
    start_stage(&receiver, stage,
                (const char *const[]){"NOTIFY_SOCKET", name, "OXIDICOM_DRAIN_TIMEOUT", "7s", NULL});
    expect_note(notes, "READY=1");
    cr_assert_eq(kill(receiver.launcher, SIGTERM), 0);
    expect_note(notes, stopping);
    int status;
    cr_assert(process_wait(receiver.launcher, PATIENCE_MS, &status), "it does not end");
    receiver.launcher = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char rest[64];
    cr_assert_eq(recv(notes, rest, sizeof rest, MSG_DONTWAIT), -1, "one READY, one STOPPING, and no watchdog");
    close(notes);
    free(name);
    receiver_clear(&receiver);
}

Test(notify, each_stage_says_ready_and_stopping_with_the_time_that_its_drain_may_take, .timeout = PATIENCE_S) {
    expect_life("oxidicom-listener", "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000");
    expect_life("oxidicom-writer", "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000");
    expect_life("oxidicom-notifier", "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000");
}

Test(notify, the_launcher_speaks_for_all_its_stages_once, .timeout = PATIENCE_S) {
    expect_life("oxidicom", "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000");
}

Test(notify, a_socket_in_the_abstract_namespace_is_reached_and_one_that_is_gone_ends_nothing,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *name = text_of("@oxidicom-test-%d", (int)getpid());
    int notes = listen_for_notes(name);
    start_stage(&receiver, "oxidicom-notifier", (const char *const[]){"NOTIFY_SOCKET", name, NULL});
    expect_note(notes, "READY=1");
    close(notes);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(tree_has_said(&receiver, "can't tell NOTIFY_SOCKET STOPPING=1"));
    free(name);
    receiver_clear(&receiver);
}

/* --- the watchdog -------------------------------------------------------------------------------------------- */

static void expect_beats(const char *stage) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *name = text_of("%s/notes", receiver.folder);
    int notes = listen_for_notes(name);
    start_stage(&receiver, stage, (const char *const[]){"NOTIFY_SOCKET", name, "WATCHDOG_USEC", "1000000", NULL});
    expect_note(notes, "READY=1");
    expect_note(notes, "WATCHDOG=1");
    expect_note(notes, "WATCHDOG=1");
    cr_assert_eq(receiver_stop(&receiver), 0);
    close(notes);
    free(name);
    receiver_clear(&receiver);
}

Test(notify, each_stage_feeds_the_watchdog_from_its_loop, .timeout = PATIENCE_S) {
    expect_beats("oxidicom-listener");
    expect_beats("oxidicom-writer");
    expect_beats("oxidicom-notifier");
}

/* --- sockets ---------------------------------------------------------------------------------------------------
 */

/* A listening socket on 127.0.0.1 at descriptor 3 of a shell that becomes the listener. `more`: variables. */
static int listening_socket(int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Becomes oxidicom-listener with `socket` as descriptor 3, as systemd would start it. */
static pid_t start_with_socket(receiver_t *receiver, int socket, const char *name, const char *listen_pid) {
    char *line = text_of("LISTEN_PID=%s LISTEN_FDS=1 LISTEN_FDNAMES=%s exec %s/oxidicom-listener 3<&0",
                         listen_pid ? listen_pid : "$$", name, binaries());
    int null = dup(STDIN_FILENO);
    cr_assert_eq(dup2(socket, STDIN_FILENO), STDIN_FILENO); /* all others are closed in the new process */
    receiver_launch_as(receiver, NULL, (const char *const[]){"bash", "-c", line, NULL});
    dup2(null, STDIN_FILENO);
    close(null);
    free(line);
    return receiver->launcher;
}

static int echo(int port, int timeout_ms) {
    scu_t scu = {.timeout_ms = timeout_ms};
    scu_context_t context = {1, "1.2.840.10008.1.1", {IMPLICIT_LE}};
    scu_request_t request = {.contexts = &context, .contexts_count = 1};
    int status = -1;
    if (scu_associate(&scu, port, &request)) {
        status = scu_echo(&scu, 1);
        scu_release(&scu);
    }
    return status;
}

Test(notify, a_socket_that_is_handed_over_takes_the_place_of_the_port, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int port, own;
    receiver_prepare(&receiver);
    own = receiver.port;
    int socket = listening_socket(&port);
    start_with_socket(&receiver, socket, "dicom", NULL);
    cr_assert_eq(echo(port, PATIENCE_MS), 0);
    cr_assert_not(await_port(own, 0), "it listens on OXIDICOM_LISTENER_PORT, too");
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(await_port(port, 0), "the supervisor's socket goes on listening");
    close(socket);
    receiver_clear(&receiver);
}

Test(notify, peers_that_connect_while_no_listener_runs_are_served_by_the_next, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int port;
    receiver_prepare(&receiver);
    int socket = listening_socket(&port);
    pid_t peer = fork();
    if (peer == 0)
        _exit(echo(port, 2 * PATIENCE_MS) == 0 ? 0 : 1);
    start_with_socket(&receiver, socket, "dicom", NULL);
    int status;
    cr_assert(process_wait(peer, PATIENCE_MS, &status));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(socket);
    receiver_clear(&receiver);
}

Test(notify, a_socket_for_another_process_is_left_alone, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int port;
    receiver_prepare(&receiver);
    int socket = listening_socket(&port);
    start_with_socket(&receiver, socket, "dicom", "1");
    cr_assert(await_port(receiver.port, PATIENCE_MS));
    cr_assert_eq(echo(receiver.port, PATIENCE_MS), 0);
    close(socket);
    receiver_clear(&receiver);
}

static void expect_refused(int socket, const char *name, int expected, const char *said) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    start_with_socket(&receiver, socket, name, NULL);
    int status;
    cr_assert(process_wait(receiver.launcher, PATIENCE_MS, &status), "it goes on");
    receiver.launcher = 0;
    cr_assert_eq(WEXITSTATUS(status), expected, "%d", WEXITSTATUS(status));
    cr_assert(tree_has_said(&receiver, said));
    close(socket);
    receiver_clear(&receiver);
}

Test(notify, a_descriptor_that_does_not_listen_and_one_for_tls_without_tls_are_refused_by_name,
     .timeout = PATIENCE_S) {
    int port;
    expect_refused(open("/dev/null", O_RDONLY), "dicom", 69, "descriptor 3 was handed over and is no TCP socket");
    expect_refused(socket(AF_INET, SOCK_STREAM, 0), "dicom", 69,
                   "descriptor 3 was handed over and is no TCP socket");
    expect_refused(listening_socket(&port), "tls", 78, "OXIDICOM_TLS_PORT is 0, but a socket for TLS");
}
