/* Who may open an association, and how many may at once. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/ring/upper_layer.h"

static const scu_context_t MR = {1, MR_STORAGE, {EXPLICIT_LE}};

/* How a request is answered: "" accepted, else result, source and reason of the A-ASSOCIATE-RJ. */
static const char *answer_to(const site_t *site, const char *calling, const char *called) {
    static char answer[4];
    scu_t scu = {0};
    if (scu_associate(
            &scu, site->receiver.port,
            &(scu_request_t){.calling = calling, .called = called, .contexts = &MR, .contexts_count = 1})) {
        cr_assert(scu_release(&scu));
        return "";
    }
    cr_assert_eq(scu.type, ASSOCIATE_RJ);
    memcpy(answer, scu.body.at + 1, 3);
    cr_assert(scu_at_end(&scu), "no reset before it is read");
    scu_close(&scu);
    return answer;
}

Test(who_may, is_told_by_title_and_the_refused_hear_why, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_ALLOW_CALLING_AETS", "CT_1,MR 2", "OXIDICOM_REQUIRE_CALLED_AET", "true",
                            "OXIDICOM_SCP_AET", "ARCHIVE");
    cr_assert_str_eq(answer_to(&site, "CT_1", "ARCHIVE"), "");
    cr_assert_str_eq(answer_to(&site, "MR 2", "ARCHIVE"), "");
    cr_assert_str_eq(answer_to(&site, "MR", "ARCHIVE"), "\1\1\3", "calling AE title not recognized");
    cr_assert_str_eq(answer_to(&site, "CT_1", "ARCHIVES"), "\1\1\7", "called AE title not recognized");
    site_end(&site);
}

Test(who_may, is_told_by_address, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_ALLOW_PEERS", "10.0.0.0/8,fd00::/8");
    scu_t scu = {0};
    cr_assert_not(scu_associate(&scu, site.receiver.port, &(scu_request_t){.contexts = &MR, .contexts_count = 1}));
    cr_assert_eq(scu.type, 0, "who may not is told nothing");
    scu_close(&scu);
    site_end(&site);
    site = SITE_WITH("OXIDICOM_ALLOW_PEERS", "10.0.0.0/8,127.0.0.0/8");
    cr_assert_str_eq(answer_to(&site, "SCU", "SCP"), "", "also where it comes to a socket of both families");
    site_end(&site);
}

/* How many refusals the log tells of, in lines of their own or as a number. */
static size_t refusals_told(const site_t *site, size_t *lines) {
    size_t size, told = 0;
    char *log = file_content(site->receiver.log, &size);
    *lines = 0;
    for (char *at = log; (at = strstr(at, "A-ASSOCIATE-RJ to")); at++) {
        char *end = strchr(at, '\n'), *more = strstr(at, "; ");
        told += 1 + (more && end && more < end ? strtoul(more + 2, NULL, 10) : 0);
        ++*lines;
    }
    free(log);
    return told;
}

Test(who_may, is_refused_a_hundred_times_and_the_log_counts_them, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_ALLOW_CALLING_AETS", "SOMEBODY");
    int64_t begin_ms = clock_ms();
    for (int i = 0; i < 100; i++)
        cr_assert_str_eq(answer_to(&site, "SCU", "SCP"), "\1\1\3");
    size_t lines, told, sent = 100;
    do { /* the next line, a second after the last, has the number */
        cr_assert_str_eq(answer_to(&site, "SCU", "SCP"), "\1\1\3");
        sent++;
        poll(NULL, 0, 100);
        told = refusals_told(&site, &lines);
    } while (told < 101 && sent < 300);
    cr_assert_geq(told, 101);
    cr_assert_leq(told, sent);
    cr_assert_leq((int64_t)lines, 2 + (clock_ms() - begin_ms) / 1000, "%zu lines, one a second", lines);
    site_end(&site);
}

/* --- how many ---------------------------------------------------------------------------------------------- */

Test(who_may, is_limited_by_address_and_may_again_when_others_have_gone, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_CONNECTIONS_PER_ADDRESS", "2");
    scu_t first = site_associate(&site), second = {0}, third = {0}, fourth = {0}, fifth = {0};
    cr_assert(scu_connect(&second, site.receiver.port));
    cr_assert_str_eq(answer_to(&site, "SCU", "SCP"), "\2\3\2", "transient, local limit exceeded");
    cr_assert(scu_connect(&third, site.receiver.port) && scu_connect(&fourth, site.receiver.port) &&
              scu_connect(&fifth, site.receiver.port));
    cr_assert(scu_at_end(&fifth), "twice the limit: closed at once");
    cr_assert_eq(scu_echo(&first, ECHO_CONTEXT), 0);
    scu_close(&second);
    scu_close(&third);
    scu_close(&fourth);
    scu_close(&fifth);
    scu_t again = site_associate(&site); /* closed before it connected, so noticed before it asks */
    cr_assert(scu_release(&again));
    cr_assert(scu_release(&first));
    site_end(&site);
}

Test(who_may, has_to_wait_while_the_most_connections_are_open, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_CONNECTIONS", "3");
    scu_t open[3] = {0}, waiting = {.timeout_ms = 400};
    for (size_t i = 0; i < 3; i++)
        open[i] = site_associate(&site);
    cr_assert_not(scu_associate_mr(&waiting, site.receiver.port, "WAITS", EXPLICIT_LE));
    cr_assert_eq(waiting.type, 0, "not answered");
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(scu_echo(&open[i], ECHO_CONTEXT), 0, "the others are served");
    cr_assert(scu_release(&open[0]));
    waiting.timeout_ms = PATIENCE_MS;
    cr_assert(scu_read(&waiting));
    cr_assert_eq(waiting.type, ASSOCIATE_AC);
    cr_assert(scu_release(&waiting));
    cr_assert(scu_release(&open[1]) && scu_release(&open[2]));
    site_end(&site);
}

/* The number that a new descriptor would get. */
static rlim_t lowest_free_descriptor(pid_t pid) {
    for (rlim_t fd = 0;; fd++) {
        char *path = text_of("/proc/%d/fd/%d", (int)pid, (int)fd), target[64];
        ssize_t there = readlink(path, target, sizeof target);
        free(path);
        if (there < 0)
            return fd;
    }
}

typedef struct sleeper {
    pid_t pid;
    long before;
} sleeper_t;

/* How often the process has waited for anything but a processor. */
static long times_slept(pid_t pid) {
    static const char name[] = "\nvoluntary_ctxt_switches:";
    char *path = text_of("/proc/%d/status", (int)pid);
    size_t size;
    char *content = file_content(path, &size), *at = content ? strstr(content, name) : NULL;
    cr_assert_not_null(at, "%s", path);
    long times = strtol(at + sizeof name - 1, NULL, 10);
    free(content);
    free(path);
    return times;
}

static bool has_slept(void *argument) {
    const sleeper_t *sleeper = argument;
    return times_slept(sleeper->pid) >= sleeper->before + 10;
}

/* Stages connect to one another when they hear of one another; after this the listener opens no more descriptors
 * for the ring. */
static scu_t associate_with_whole_ring(const site_t *site) {
    scu_t scu = site_associate(site);
    bytes_t set = instance(1, 1000);
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set), 0);
    bytes_free(&set);
    (void)process_steady_descriptors(site->listener);
    return scu;
}

/* accept(2) fails while a connection is there: the loop must neither end nor run in circles. */
Test(who_may, has_to_wait_while_there_are_no_descriptors, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t first = associate_with_whole_ring(&site), waiting = {.timeout_ms = 400};
    struct rlimit before, none = {.rlim_cur = lowest_free_descriptor(site.listener)};
    cr_assert_eq(prlimit(site.listener, RLIMIT_NOFILE, NULL, &before), 0);
    none.rlim_max = before.rlim_max;
    cr_assert_eq(prlimit(site.listener, RLIMIT_NOFILE, &none, NULL), 0);
    cr_assert_not(scu_associate_mr(&waiting, site.receiver.port, "WAITS", EXPLICIT_LE));
    cr_assert(receiver_logged(&site.receiver, "accepts no connection for now", PATIENCE_MS));
    sleeper_t sleeper = {site.listener, times_slept(site.listener)};
    cr_assert(await(has_slept, &sleeper, PATIENCE_MS), "it runs in circles");
    cr_assert_eq(scu_echo(&first, ECHO_CONTEXT), 0);
    cr_assert_eq(prlimit(site.listener, RLIMIT_NOFILE, &before, NULL), 0);
    waiting.timeout_ms = PATIENCE_MS;
    cr_assert(scu_read(&waiting));
    cr_assert_eq(waiting.type, ASSOCIATE_AC);
    cr_assert(scu_release(&waiting));
    cr_assert(scu_release(&first));
    site_end(&site);
}

/* --- crowds ------------------------------------------------------------------------------------------------ */

#define CROWD               400
#define CONNECTION_MOST_KIB 64
#define CROWD_HANDSHAKE_S   6
#define CROWD_TRIES         5

typedef struct descriptors_wanted {
    pid_t pid;
    size_t most;
} descriptors_wanted_t;

static bool has_at_most(void *argument) {
    const descriptors_wanted_t *wanted = argument;
    return process_descriptors(wanted->pid) <= wanted->most;
}

/* A third say nothing, a third announce the longest request and say a little of it, a third go on byte by byte.
 * Returns whether they all hung to the last answer: not so where the machine is too slow for the timeout. */
static bool hundreds_hang(int handshake_s) {
    static scu_t crowd[CROWD];
    static const char begin[] = "\1\0\0\4\0\0\0\1\0\0";
    char *handshake = text_of("%ds", handshake_s);
    site_t site = SITE_WITH("OXIDICOM_HANDSHAKE_TIMEOUT", handshake);
    free(handshake);
    scu_t first = associate_with_whole_ring(&site);
    size_t descriptors_before = process_descriptors(site.listener);
    long before_kib = process_anonymous_kib(site.listener);
    int64_t begin_ms = clock_ms();
    for (size_t i = 0; i < CROWD; i++) {
        cr_assert(scu_connect(&crowd[i], site.receiver.port), "%zu", i);
        if (i % 3 != 0)
            cr_assert(scu_send(&crowd[i], begin, i % 3 == 1 ? sizeof begin - 1 : 1));
    }
    int answered = 0;
    for (size_t byte = 1; byte < sizeof begin - 1; byte++) {
        for (size_t i = 2; i < CROWD; i += 3)
            (void)scu_send(&crowd[i], begin + byte, 1);
        scu_t scu = site_associate(&site);
        cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0);
        cr_assert(scu_release(&scu));
        answered++;
    }
    cr_assert_eq(answered, 9);
    size_t descriptors = process_descriptors(site.listener);
    bool in_time = clock_ms() - begin_ms < 1000LL * handshake_s;
    if (in_time)
        cr_assert_geq(descriptors, descriptors_before + CROWD, "they hang all the while");
#ifndef SANITIZED
    long grown_kib = process_anonymous_kib(site.listener) - before_kib;
    cr_assert_lt(grown_kib, (long)CROWD * CONNECTION_MOST_KIB, "%ld KiB", grown_kib);
#endif
    (void)before_kib;
    descriptors_wanted_t wanted = {site.listener, descriptors_before};
    cr_assert(await(has_at_most, &wanted, PATIENCE_MS), "%zu descriptors, %zu before",
              process_descriptors(site.listener), descriptors_before);
    for (size_t i = 0; i < CROWD; i++)
        scu_close(&crowd[i]);
    cr_assert(scu_release(&first));
    site_end(&site);
    return in_time;
}

Test(who_may, is_served_while_hundreds_hang_and_they_cost_little_and_go, .timeout = PATIENCE_S) {
    bool hung = false;
    for (int tries = 0, handshake_s = CROWD_HANDSHAKE_S; tries < CROWD_TRIES && !hung; tries++, handshake_s *= 2)
        hung = hundreds_hang(handshake_s);
    cr_expect(hung, "they were never served in time");
}
