#include "common/stage.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/environment.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/portability.h"
#include "common/run_folder.h"
#include "common/supervision.h"
#include "common/version.h"
#include "common/watch.h"

char *stage_endpoint(const char *run_dir, const char *id) {
    char *endpoint = zsys_sprintf("ipc://%s/%s.sock", run_dir, id);
    if (strlen(endpoint) - strlen("ipc://") <= SOCKET_PATH_MAX_BYTES)
        return endpoint;
    log_error(NULL, "OXIDICOM_RUN_DIR is \"%s\": the socket path %s has %zu bytes; allowed are %d", run_dir,
              endpoint + strlen("ipc://"), strlen(endpoint) - strlen("ipc://"), SOCKET_PATH_MAX_BYTES);
    freen(endpoint);
    return NULL;
}

mode_t stage_inbox_umask(const char *run_dir) {
    struct stat folder;
    return stat(run_dir, &folder) == 0 && (folder.st_mode & S_IWGRP) ? 0117 : 0177;
}

/* ZeroMQ takes over a socket file without asking, so a lock keeps two processes from one inbox. The kernel drops
 * it however the holder dies. */
static int lock_id(stage_t *stage) {
    char *path = zsys_sprintf("%s/%s.lock", stage->settings.run_dir, stage->id);
    stage->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int status = 0;
    if (stage->lock < 0) {
        log_error(NULL, "can't open %s: %s", path, strerror(errno));
        status = EX_CANTCREAT;
    } else if (flock(stage->lock, LOCK_EX | LOCK_NB) != 0) {
        log_error(NULL, "another %s runs in %s already", stage->id, stage->settings.run_dir);
        status = EX_TEMPFAIL;
    }
    freen(path);
    return status;
}

static int make_run_dir(const stage_t *stage) {
    if (mkdir(stage->settings.run_dir, 0700) == 0 || errno == EEXIST)
        return 0;
    log_error(NULL, "can't make the run folder %s: %s", stage->settings.run_dir, strerror(errno));
    return EX_CANTCREAT;
}

static int bind_inbox(stage_t *stage) {
    char *endpoint = stage_endpoint(stage->settings.run_dir, stage->id);
    if (!endpoint)
        return EXIT_SETTINGS;
    int status = lock_id(stage);
    if (status == 0) {
        stage->inbox = zsock_new(ZMQ_PULL);
        /* The senders bound the waiting messages (PROTOCOL.md, flow control). */
        zsock_set_rcvhwm(stage->inbox, 0);
        mode_t old = umask(stage_inbox_umask(stage->settings.run_dir));
        if (zsock_bind(stage->inbox, "%s", endpoint) < 0) {
            log_error(NULL, "can't bind %s: %s", endpoint, strerror(errno));
            status = EX_CANTCREAT;
        }
        umask(old);
        /* Behind the bind, which removes a dead stage's socket. */
        stage->run_folder = run_folder_watch(stage->settings.run_dir);
        if (stage->run_folder < 0)
            log_debug(NULL, "can't watch the run folder: %s", strerror(errno));
    }
    freen(endpoint);
    return status;
}

/* An orderly end leaves no socket behind, which would look like a dead stage. The lock is still held, so this is
 * not the next one's socket. The lock's file stays: a waiting process holds that very file. */
static void remove_socket(const stage_t *stage) {
    char *endpoint = stage_endpoint(stage->settings.run_dir, stage->id);
    const char *path = endpoint ? endpoint + strlen("ipc://") : "";
    if (endpoint && unlink(path) != 0 && errno != ENOENT)
        log_warn(NULL, "can't remove %s: %s", path, strerror(errno));
    freen(endpoint);
}

static int block_signals(stage_t *stage) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    /* Before any thread exists, so that all inherit it and only the loop hears of signals. */
    if (supervision_take_signals(&set) != 0)
        return -1;
    stage->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return stage->signals < 0 ? -1 : 0;
}

/* Ctrl-C and a signal to a group reach the launcher and its stages, and then the launcher tells each of them. That
 * is no second wish: the supervisor's signals and all others are counted apart. */
static bool is_said_twice(stage_t *stage, const struct signalfd_siginfo *info) {
    bool by_parent = info->ssi_pid == (uint32_t)getppid();
    return stage->told[by_parent]++ == 0 && stage->told[!by_parent] > 0;
}

static int on_signal(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    stage_t *stage = argument;
    struct signalfd_siginfo info;
    while (!stage->ended && read(item->fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            if (is_said_twice(stage, &info))
                continue;
            supervision_stopping(stage->settings.drain_timeout_ms + END_MARGIN_MS);
            stage->spec->on_terminate(stage);
        } else if (stage->spec->on_hangup) {
            stage->spec->on_hangup(stage);
        }
    }
    return stage->ended ? -1 : 0;
}

static int take_inbox(zloop_t *loop, int timer, void *argument) {
    (void)timer;
    stage_t *stage = argument;
    bool more = stage->spec->on_inbox(stage);
    /* The other sources have their turn, then it goes on: nothing else tells of the rest. */
    if (more && !stage->ended && zloop_timer(loop, 0, 1, take_inbox, stage) < 0)
        stage_end(stage, EX_OSERR);
    return stage->ended ? -1 : 0;
}

static int on_inbox(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)item;
    return take_inbox(loop, 0, argument);
}

/* The sandbox knows the old folder alone, so this stage can't bind in another. */
static int on_run_folder(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    (void)loop;
    stage_t *stage = argument;
    char *name = zsys_sprintf("%s.sock", stage->id);
    if (!stage->ended && run_folder_lost(item->fd, name)) {
        log_warn(NULL, "the run folder %s, or %s in it, was moved or removed: ends for another %s",
                 stage->settings.run_dir, name, stage->spec->name);
        stage_end(stage, EX_TEMPFAIL);
    }
    freen(name);
    return stage->ended ? -1 : 0;
}

static int on_beat(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    stage_t *stage = argument;
    supervision_beat((int)stage->settings.beat_fd, stage->settings.watchdog_ms);
    stage->spec->on_beat(stage);
    log_say_left_out(false);
    return stage->ended ? -1 : 0;
}

static void run_loop(stage_t *stage) {
    zmq_pollitem_t signals = {.fd = stage->signals, .events = ZMQ_POLLIN};
    zmq_pollitem_t run_folder = {.fd = stage->run_folder, .events = ZMQ_POLLIN};
    zloop_set_nonstop(stage->loop, true);
    int failed = zloop_poller(stage->loop, &signals, on_signal, stage) |
                 watch_begin(stage->loop, stage->inbox, on_inbox, stage);
    if (stage->run_folder >= 0)
        failed |= zloop_poller(stage->loop, &run_folder, on_run_folder, stage);
    if (failed || zloop_timer(stage->loop, ALIVE_INTERVAL_MS, 0, on_beat, stage) < 0) {
        stage_end(stage, EX_OSERR);
        return;
    }
    stage->spec->on_beat(stage);
    log_info(NULL, "%s %s is ready, process %d", stage->id, OXIDICOM_VERSION, (int)getpid());
    supervision_ready((int)stage->settings.ready_fd);
    while (!stage->ended && zloop_start(stage->loop) == 0)
        ;
}

/* Returns -1 to go on, or an exit status. */
static int read_options(const stage_spec_t *spec, int argc, char **argv) {
    const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                     {"version", no_argument, NULL, 'v'},
                                     /* without a name it ends the list */
                                     {spec->print_conformance ? "conformance" : NULL, no_argument, NULL, 'c'},
                                     {0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            printf("oxidicom-%s: %s\n\nOptions: --help, --version%s. Settings are environment variables:\n\n",
                   spec->name, spec->summary, spec->print_conformance ? ", --conformance" : "");
            settings_print_help(stdout, spec->settings);
        } else if (option == 'v') {
            printf("oxidicom-%s %s\n", spec->name, OXIDICOM_VERSION);
            if (spec->print_libraries)
                spec->print_libraries(stdout);
        } else if (option == 'c' && spec->print_conformance) {
            spec->print_conformance(stdout);
        } else {
            return EX_USAGE;
        }
        return 0;
    }
    if (optind < argc) {
        fprintf(stderr, "oxidicom-%s: unknown argument \"%s\"; see --help\n", spec->name, argv[optind]);
        return EX_USAGE;
    }
    return -1;
}

int stage_renew(stage_t *stage) {
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -1;
    /* SQLite and people read it as a signed number; 0 stands for "any". */
    stage->incarnation = (random >> 1) | 1;
    return 0;
}

/* Where the kernel lacks one half of the sandbox, the other is better than nothing, unless the operator insists. */
static int demand_sandbox(const stage_t *stage, const char *what, int reason) {
    if (reason == 0 || strcmp(stage->settings.sandbox, "true") != 0)
        return 0;
    log_error(NULL, "OXIDICOM_SANDBOX is true, but %s can't be restricted: %s", what, sandbox_refused_by(reason));
    return EX_UNAVAILABLE;
}

/* Before any thread exists: capabilities and Landlock are inherited, and can't be put on others. */
static int restrict_files(stage_t *stage) {
    int status = make_run_dir(stage);
    if (status == 0)
        status = stage->spec->confine(stage, &stage->sandbox);
    if (status != 0 || !sandbox_wanted(stage->settings.sandbox))
        return status;
    sandbox_allow(&stage->sandbox, stage->settings.run_dir, SANDBOX_WRITE);
    /* Where a supervisor's filter refuses it, that is the one who gives capabilities. */
    int reason = sandbox_drop_capabilities(&stage->sandbox);
    if (reason != 0)
        log_warn(NULL, "the stage keeps its capabilities: %s", sandbox_refused_by(reason));
    return demand_sandbox(stage, "files", sandbox_restrict_files(&stage->sandbox));
}

static int restrict_calls(stage_t *stage) {
    int status = 0;
    if (sandbox_wanted(stage->settings.sandbox))
        status = demand_sandbox(stage, "system calls", sandbox_restrict_calls(&stage->sandbox));
    if (status == 0)
        sandbox_say(&stage->sandbox, stage->settings.sandbox);
    return status;
}

/* An image of the process' memory would hold patients' data and secrets. A filter of systemd's refuses the call;
 * the units have LimitCORE=. */
static void leave_no_core(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        log_debug(NULL, "core dumps can't be switched off: %s", strerror(errno));
}

static int start(stage_t *stage) {
    leave_no_core();
    stage->started_at = clock_wall_ms();
    if (stage_renew(stage) != 0 || block_signals(stage) != 0)
        return EX_OSERR;
    int status = restrict_files(stage);
    if (status != 0)
        return status;
    zsys_handler_set(NULL);
    zsys_init();
    zsys_set_linger(LINGER_MS);
    stage->loop = zloop_new();
    status = bind_inbox(stage);
    if (status == 0)
        status = stage->spec->start(stage);
    return status ? status : restrict_calls(stage);
}

static void stage_clear(stage_t *stage) {
    if (stage->self)
        stage->spec->destroy(stage);
    zloop_destroy(&stage->loop);
    zsock_destroy(&stage->inbox);
    if (!stage->leaves_threads)
        zsys_shutdown(); /* waits for the sent messages to leave, at most LINGER_MS */
    if (stage->ended && stage->status == 0)
        remove_socket(stage);
    if (stage->leaves_threads)
        return; /* what they may still use ends with the process, right after this */
    if (stage->signals >= 0)
        close(stage->signals);
    if (stage->lock >= 0)
        close(stage->lock);
    if (stage->run_folder >= 0)
        close(stage->run_folder);
    sandbox_clear(&stage->sandbox);
    freen(stage->id);
    settings_clear(&stage->settings);
}

int stage_main(const stage_spec_t *spec, int argc, char **argv) {
    int status = read_options(spec, argc, argv);
    if (status >= 0)
        return status;
    stage_t stage = {.spec = spec, .lock = -1, .signals = -1, .run_folder = -1};
    status = settings_read(&stage.settings, spec->settings, stderr);
    if (status != 0)
        return status;
    stage.id =
        spec->settings == FOR_WRITER ? zsys_sprintf("writer-%s", stage.settings.writer_id) : strdup(spec->name);
    log_start(stage.id, stage.settings.rust_log, stage.settings.log_format);
    if (stage.settings.beat_fd < 0) { /* else the launcher has warned, once for all */
        environment_warn_of_unknown();
        environment_warn_of_idle(&stage.settings);
    }
    environment_wipe();
    /* By default glibc gives the top of the heap back to the kernel after each burst of messages and asks for it
     * again at the next, page by page, and maps each chunk of an object anew. */
    heap_tune(HEAP_MAP_BYTES, HEAP_KEEP_BYTES, HEAP_STEP_BYTES);
    metrics_start(spec->settings);
    status = start(&stage);
    if (status == 0) {
        run_loop(&stage);
        status = stage.status;
        log_info(NULL, "%s ends", stage.id);
    }
    log_say_left_out(true);
    stage_clear(&stage);
    if (stage.leaves_threads)
        _exit(status); /* exit(3) would free memory that they use */
    return status;
}

void stage_end(stage_t *stage, int status) {
    stage->status = status;
    stage->ended = true;
}

void stage_end_locked_out(stage_t *stage) {
    log_warn(NULL,
             "OXIDICOM_FILES_ROOT, or a folder in its .oxidicom/, was replaced, removed or mounted anew, and the "
             "sandbox holds on to the old one: ends for another %s",
             stage->spec->name);
    stage_end(stage, EX_TEMPFAIL);
}
