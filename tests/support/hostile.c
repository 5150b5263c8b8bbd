#include "tests/support/hostile.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/receiver.h"

/* Sessions that are open at the same time. */
#define OPEN_SESSIONS 16
/* After so many sessions memory has its final size. */
#define WARM_SESSIONS 1000
#define GROWTH_KIB    1024
/* Memory that has not shrunk for so long will not shrink by itself. */
#define SETTLED_MS 3000
/* Longer than any deadline of the receiver for a session after the peer's FIN. */

#if defined(SANITIZED)
#define MEMORY_COUNTS false /* freed memory stays with the sanitizer for a while */
#else
#define MEMORY_COUNTS true
#endif

static const char *const STAGES[] = {"listener", "writer", "notifier"};

typedef struct open_session {
    scu_t scu;
    session_t session;
    uint64_t number;
    bool open;
} open_session_t;

typedef struct run {
    const hostile_t *hostile;
    receiver_t receiver;
    open_session_t slots[OPEN_SESSIONS];
    pid_t pids[3];
    size_t descriptors[3];
    long warm_kib;
    FILE *report;
    bool failed;
} run_t;

#define COMPLAIN(run, ...)                                                                                         \
    do {                                                                                                           \
        fprintf((run)->report, __VA_ARGS__);                                                                       \
        (run)->failed = true;                                                                                      \
    } while (0)

/* --- one session ------------------------------------------------------------------------------------------- */

/* All local ports may be waiting for their TIME-WAIT to end; there is no event for that. */
static bool connect_patiently(scu_t *scu, int port) {
    for (int64_t until = clock_ms() + PATIENCE_MS; !scu_connect(scu, port); usleep(10000))
        if (errno != EADDRNOTAVAIL || clock_ms() > until)
            return false;
    return true;
}

static void begin_session(run_t *run, open_session_t *slot, uint64_t number) {
    *slot = (open_session_t){.number = number, .session = run->hostile->session(number)};
    slot->scu.timeout_ms = PATIENCE_MS;
    slot->open = connect_patiently(&slot->scu, run->receiver.port);
    if (!slot->open)
        COMPLAIN(run, "session %llu: can't connect: %s\n", (unsigned long long)number, strerror(errno));
    else if (slot->session.pause_at > 0) /* the receiver may have ended it, or do so while it is sent to */
        (void)!scu_send(&slot->scu, slot->session.sent.at, slot->session.pause_at);
}

/* Whether the receiver ends its half, in order or not, before the timeout. */
static bool drain(scu_t *scu) {
    char bytes[4096];
    for (;;) {
        struct pollfd p = {.fd = scu->fd, .events = POLLIN};
        if (poll(&p, 1, scu->timeout_ms) <= 0)
            return false;
        if (recv(scu->fd, bytes, sizeof bytes, 0) <= 0)
            return true;
    }
}

static void end_session(run_t *run, open_session_t *slot) {
    const session_t *s = &slot->session;
    if (slot->open) {
        if (s->sent.size > s->pause_at)
            (void)!scu_send(&slot->scu, s->sent.at + s->pause_at, s->sent.size - s->pause_at);
        for (int i = 0; i < s->answers; i++)
            (void)!scu_read(&slot->scu);
        if (s->end == END_HALF_CLOSE) {
            scu_finish(&slot->scu);
            if (!drain(&slot->scu))
                COMPLAIN(run, "session %llu: the receiver does not end it\n", (unsigned long long)slot->number);
        }
        if (s->end == END_RESET)
            scu_reset(&slot->scu);
        else
            scu_close(&slot->scu);
    }
    session_clear(&slot->session);
    *slot = (open_session_t){0};
}

/* --- the receiver ------------------------------------------------------------------------------------------ */

static bool serves(const run_t *run) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    bytes_t set = dataset_instance(EXPLICIT_LE, "1.2.3.4", "1.2.3.4.5", 1, 2000);
    bool served = scu_associate_mr(&scu, run->receiver.port, "HONEST", EXPLICIT_LE) &&
                  scu_store(&scu, 1, MR_STORAGE, "1.2.3.4.5", &set) == 0 && scu_release(&scu);
    bytes_free(&set);
    return served;
}

static void start(run_t *run) {
    receiver_prepare(&run->receiver);
    receiver_start(&run->receiver, (const char *const[]){"OXIDICOM_FSYNC", "false", NULL});
    if (!serves(run))
        COMPLAIN(run, "an honest association is not served at the begin\n");
    for (size_t i = 0; i < 3; i++) {
        run->pids[i] = receiver_stage(&run->receiver, STAGES[i], 0);
        run->descriptors[i] = process_steady_descriptors(run->pids[i]);
    }
}

/* The listener's memory once it has given back malloc's reserves, which it does some time after its work. */
static long steady_kib(const run_t *run) {
    long least = process_anonymous_kib(run->pids[0]);
    for (int64_t since_ms = clock_ms(); clock_ms() - since_ms < SETTLED_MS; usleep(50000)) {
        long kib = process_anonymous_kib(run->pids[0]);
        if (kib < least) {
            least = kib;
            since_ms = clock_ms();
        }
    }
    return least;
}

static bool is_quiet(void *argument) {
    const run_t *run = argument;
    for (size_t i = 0; i < 3; i++)
        if (process_descriptors(run->pids[i]) > run->descriptors[i])
            return false;
    return true;
}

static void look_at_stages(run_t *run) {
    for (size_t i = 0; i < 3; i++)
        if (receiver_stage(&run->receiver, STAGES[i], 0) != run->pids[i])
            COMPLAIN(run, "the %s has died\n", STAGES[i]);
    if (!await(is_quiet, run, PATIENCE_MS))
        COMPLAIN(run, "descriptors stay open: %zu, %zu and %zu; at the begin %zu, %zu and %zu\n",
                 process_descriptors(run->pids[0]), process_descriptors(run->pids[1]),
                 process_descriptors(run->pids[2]), run->descriptors[0], run->descriptors[1], run->descriptors[2]);
    long kib = steady_kib(run);
    fprintf(run->report, "anonymous memory of the listener: %ld KiB, warm %ld KiB\n", kib, run->warm_kib);
    if (MEMORY_COUNTS && run->hostile->sessions > WARM_SESSIONS && kib > run->warm_kib + GROWTH_KIB)
        COMPLAIN(run, "the listener's memory grows\n");
}

/* What a sanitizer says, where it was not told to say it elsewhere. */
static void look_at_log(run_t *run) {
    static const char *const reports[] = {"runtime error:", "Sanitizer:"};
    size_t size;
    char *log = file_content(run->receiver.log, &size);
    for (size_t i = 0; log && i < 2; i++) {
        const char *found = strstr(log, reports[i]);
        if (found)
            COMPLAIN(run, "the receiver's log has a report:\n%.3000s\n",
                     found - (found - log < 200 ? found - log : 200));
    }
    free(log);
}

static void stop(run_t *run) {
    if (!serves(run))
        COMPLAIN(run, "an honest association is not served at the end\n");
    look_at_stages(run);
    int status = receiver_stop(&run->receiver);
    if (status != 0)
        COMPLAIN(run, "the receiver ends with status %d\n", status);
    look_at_log(run);
    receiver_clear(&run->receiver);
}

/* From `first` to before `end`, so many of them open at any time. */
static void hold_sessions(run_t *run, size_t first, size_t end) {
    for (size_t i = first; i < end + OPEN_SESSIONS; i++) {
        open_session_t *slot = &run->slots[i % OPEN_SESSIONS];
        if (i >= first + OPEN_SESSIONS)
            end_session(run, slot);
        if (i < end)
            begin_session(run, slot, run->hostile->seed + i);
    }
}

bool hostile_run(const hostile_t *hostile, FILE *report) {
    run_t run = {.hostile = hostile, .report = report};
    int64_t begin_ms = clock_ms();
    size_t warm = hostile->sessions < WARM_SESSIONS ? hostile->sessions : WARM_SESSIONS;
    start(&run);
    hold_sessions(&run, 0, warm);
    if (MEMORY_COUNTS)
        run.warm_kib = steady_kib(&run);
    hold_sessions(&run, warm, hostile->sessions);
    stop(&run);
    fprintf(report, "%zu sessions from %llu on in %lld s: %s\n", hostile->sessions,
            (unsigned long long)hostile->seed, (long long)(clock_ms() - begin_ms) / 1000,
            run.failed ? "FAILED" : "all held");
    return !run.failed;
}
