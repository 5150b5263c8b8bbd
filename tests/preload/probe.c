/* Preloaded into the stages by the tests of the sandbox: at USR2 it tries, in the loop's thread, what
 * OXIDICOM_TEST_PROBE names (`what argument`, separated by `;`), and writes each result to stderr as `probe: what
 * argument: 0` or the errno value, then `probe: end PID`. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBES_MAX 32

struct probe {
    const char *what, *argument;
};

static struct probe probes[PROBES_MAX];
static int probes_count;

static int closed(int fd) {
    if (fd >= 0)
        close(fd);
    return fd;
}

/* -1 with errno if it is refused. */
static int attempt(const char *what, const char *argument) {
    char *const argv[] = {(char *)argument, NULL};
    if (strcmp(what, "read") == 0)
        return closed(open(argument, O_RDONLY));
    if (strcmp(what, "list") == 0)
        return closed(open(argument, O_RDONLY | O_DIRECTORY));
    if (strcmp(what, "write") == 0)
        return closed(open(argument, O_WRONLY));
    if (strcmp(what, "create") == 0)
        return closed(open(argument, O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (strcmp(what, "remove") == 0)
        return unlink(argument);
    if (strcmp(what, "truncate") == 0)
        return truncate(argument, 0);
    if (strcmp(what, "mode") == 0)
        return chmod(argument, 0777);
    if (strcmp(what, "execute") == 0)
        return execv(argument, argv);
    if (strcmp(what, "socket") == 0)
        return closed(socket(atoi(argument), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    errno = ENOTSUP;
    return -1;
}

static void say(const char *what, const char *argument, int value) {
    char line[4300];
    int size = snprintf(line, sizeof line, "probe: %s %s: %d\n", what, argument, value);
    if (write(STDERR_FILENO, line, (size_t)size) != size)
        abort();
}

static void on_usr2(int signal_number) {
    (void)signal_number;
    int reason = errno;
    char pid[24];
    for (int i = 0; i < probes_count; i++)
        say(probes[i].what, probes[i].argument, attempt(probes[i].what, probes[i].argument) < 0 ? errno : 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    say("end", pid, 0);
    errno = reason;
}

__attribute__((constructor)) static void prepare(void) {
    const char *text = getenv("OXIDICOM_TEST_PROBE");
    char *copy = text ? strdup(text) : NULL;
    for (char *entry; copy && probes_count < PROBES_MAX && (entry = strsep(&copy, ";"));) {
        const char *what = strsep(&entry, " ");
        probes[probes_count++] = (struct probe){what, entry ? entry : ""};
    }
    struct sigaction action = {.sa_handler = on_usr2, .sa_flags = SA_RESTART};
    if (probes_count > 0)
        sigaction(SIGUSR2, &action, NULL);
}
