#include "tests/support/process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <envz.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

#define POLL_MS           5

#define FIRST_SERVER_PORT 10240

#define SETTLED_MS        2000

const char UNSET[] = "";

static void set_variable(char **envz, size_t *size, const char *name, const char *value) {
    if (value == UNSET)
        envz_remove(envz, size, name);
    else if (value && envz_add(envz, size, name, value) != 0)
        abort();
}

/* Series are registered at once, unless the test or its environment says otherwise. */
static void set_quiet(char **envz, size_t *size) {
    static const char *const names[] = {"OXIDICOM_SERIES_QUIET", "OXIDICOM_ABORT_QUIET"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!envz_get(*envz, *size, names[i]))
            set_variable(envz, size, names[i], "0s");
}

/* Our variables with the pairs on top; free the list and *envz, which its texts lie in. */
static char **environment_with(const char *const *pairs, char **envz) {
    size_t size;
    if (argz_create(environ, envz, &size) != 0)
        abort();
    set_quiet(envz, &size);
    /* The preloaded library writes files where a stage in its sandbox may not. */
    for (const char *const *pair = pairs; pair && *pair; pair += 2)
        if (strcmp(pair[0], "LD_PRELOAD") == 0)
            set_variable(envz, &size, "OXIDICOM_SANDBOX", "false");
    for (; pairs && *pairs; pairs += 2)
        set_variable(envz, &size, pairs[0], pairs[1]);
    char **list = calloc(argz_count(*envz, size) + 1, sizeof *list);
    if (!list)
        abort();
    argz_extract(*envz, size, list);
    return list;
}

/* Between fork and exec only safe calls: other threads may have held locks, malloc's among them. */
static void become(const char *log, char *const *environment, const char *const *argv,
                   void (*enter)(const void *argument), const void *argument) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    int output = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close_range(3, UINT_MAX, 0); /* Criterion's, above all */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (enter)
        enter(argument);
    execvpe(argv[0], (char *const *)(uintptr_t)argv, environment);
    dprintf(STDERR_FILENO, "%s: can't be started (error %d)\n", argv[0], errno);
    _exit(127);
}

pid_t process_start(const char *log, const char *const *environment, const char *const *argv) {
    return process_start_entering(log, environment, argv, NULL, NULL);
}

pid_t process_start_entering(const char *log, const char *const *environment, const char *const *argv,
                             void (*enter)(const void *argument), const void *argument) {
    char *envz, **variables = environment_with(environment, &envz);
    pid_t pid = fork();
    if (pid == 0)
        become(log, variables, argv, enter, argument);
    if (pid < 0)
        abort();
    free(variables);
    free(envz);
    return pid;
}

typedef struct waited {
    pid_t pid;
    int status;
} waited_t;

static bool has_ended(void *argument) {
    waited_t *waited = argument;
    pid_t got = waitpid(waited->pid, &waited->status, WNOHANG);
    return got == waited->pid || (got < 0 && errno == ECHILD);
}

bool process_wait(pid_t pid, int64_t ms, int *status) {
    waited_t waited = {.pid = pid};
    bool ended = await(has_ended, &waited, ms);
    *status = waited.status;
    return ended;
}

int process_stop(pid_t pid, int signal_number, int64_t ms) {
    int status = 0;
    if (pid <= 0)
        return 0;
    kill(pid, signal_number);
    if (!process_wait(pid, ms, &status)) {
        kill(-pid, SIGKILL);
        process_wait(pid, PATIENCE_MS, &status);
    }
    return status;
}

int process_run(const char *log, const char *const *environment, const char *const *argv, int64_t ms) {
    pid_t pid = process_start(log, environment, argv);
    int status;
    if (!process_wait(pid, ms, &status))
        status = process_stop(pid, SIGKILL, PATIENCE_MS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool await(bool (*condition)(void *argument), void *argument, int64_t ms) {
    int64_t end = clock_ms() + ms;
    do {
        if (condition(argument))
            return true;
        poll(NULL, 0, POLL_MS);
    } while (clock_ms() < end);
    return condition(argument);
}

bool try_again(bool (*scene)(void)) {
    bool done = false;
    for (int tries = 0; tries < 5 && !done; tries++)
        done = scene();
    return done;
}

char *temporary_folder(const char *name) {
    char *path = text_of("/tmp/oxi-%s-XXXXXX", name);
    if (!mkdtemp(path))
        abort();
    return path;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_folder(const char *path) {
    nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

char *text_of(const char *format, ...) {
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* The first port that the kernel gives to those who connect. A server that is started again may find its own port
 * taken by one of them, where it lies beyond. */
static unsigned first_port_of_clients(void) {
    unsigned first = 0;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (!range || fscanf(range, "%u", &first) != 1)
        first = 32768;
    if (range)
        fclose(range);
    return first;
}

/* Whether no process of the tests has this port, nor had it: a server that is away for a while keeps its place. The
 * descriptor stays open until this process ends, and the lock with it. */
static bool is_reserved_for_us(unsigned port) {
    char *path = text_of("/tmp/oxidicom-test-ports-%d", (int)getuid());
    struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = port, .l_len = 1};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    bool ours = fcntl(fd, F_OFD_SETLK, &byte) == 0;
    if (!ours)
        close(fd);
    free(path);
    return ours;
}

static bool is_free(unsigned port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback((int)port);
    bool bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return bound;
}

int free_port(void) {
    unsigned end = first_port_of_clients();
    if (end <= FIRST_SERVER_PORT) /* they get all of them */
        end = 65536;
    for (int tries = 0; tries < 1000; tries++) {
        unsigned number, port;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            break;
        port = FIRST_SERVER_PORT + number % (end - FIRST_SERVER_PORT);
        if (is_reserved_for_us(port) && is_free(port))
            return (int)port;
    }
    abort();
}

static bool accepts(void *argument) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(*(int *)argument);
    bool accepted = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return accepted;
}

bool await_port(int port, int64_t ms) {
    return await(accepts, &port, ms);
}

unsigned test_seed(void) {
    const char *given = getenv("OXIDICOM_TEST_SEED");
    return given ? (unsigned)strtoul(given, NULL, 10) : arc4random();
}

long process_anonymous_kib(pid_t pid) {
    char *path = text_of("/proc/%d/status", (int)pid), line[256];
    long kib = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    free(path);
    return kib;
}

size_t process_descriptors(pid_t pid) {
    char *path = text_of("/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += *entry->d_name != '.';
    if (folder)
        closedir(folder);
    free(path);
    return count;
}

size_t process_steady_descriptors(pid_t pid) {
    size_t steady = process_descriptors(pid);
    for (int64_t since_ms = clock_ms(); clock_ms() - since_ms < SETTLED_MS; poll(NULL, 0, POLL_MS)) {
        size_t count = process_descriptors(pid);
        if (count != steady)
            since_ms = clock_ms();
        steady = count;
    }
    return steady;
}
