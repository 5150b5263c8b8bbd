/* Peers that are slow, silent or do not let go: each deadline, and that bytes that trickle in move none. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "tests/ring/upper_layer.h"

#define TIMED_OUT 0x200 /* A-ABORT of the provider, reason not specified */

/* Whether there is something to read, an end included, within `ms`. */
static bool readable(const scu_t *scu, int ms) {
    struct pollfd p = {.fd = scu->fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static size_t times_logged(const site_t *site, const char *text) {
    size_t size, count = 0;
    char *log = file_content(site->receiver.log, &size);
    for (const char *at = log; (at = strstr(at, text)); at++)
        count++;
    free(log);
    return count;
}

/* --- before an association --------------------------------------------------------------------------------- */

Test(deadlines, of_the_handshake_are_not_moved_by_bytes_that_trickle_in, .timeout = PATIENCE_S) {
    static const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE}};
    /* Its line about a peer without a first byte is for RUST_LOG=debug. */
    site_t site = SITE_WITH("OXIDICOM_HANDSHAKE_TIMEOUT", "600ms", "RUST_LOG", "debug");
    bytes_t rq = scu_associate_rq(&(scu_request_t){.contexts = &context, .contexts_count = 1});
    scu_t scu = {0};
    int64_t begin_ms = clock_ms();
    cr_assert(scu_connect(&scu, site.receiver.port));
    size_t sent = 0;
    while (sent < rq.size && !readable(&scu, 100))
        (void)scu_send(&scu, rq.at + sent++, 1);
    cr_assert_lt(sent, rq.size, "it was closed before the request was whole");
    cr_assert_geq(clock_ms() - begin_ms, 600);
    /* A byte that was on its way has the kernel reset the connection. */
    char byte;
    ssize_t received = recv(scu.fd, &byte, 1, 0);
    cr_assert(received == 0 || (received < 0 && errno == ECONNRESET), "closed, with no A-ABORT");
    scu_close(&scu);
    cr_assert(receiver_logged(&site.receiver, "within OXIDICOM_HANDSHAKE_TIMEOUT", PATIENCE_MS));
    cr_assert_eq(times_logged(&site, "within OXIDICOM_HANDSHAKE_TIMEOUT"), 1);
    bytes_free(&rq);
    site_end(&site);
}

/* --- between messages -------------------------------------------------------------------------------------- */

Test(deadlines, between_messages_are_moved_by_messages_alone, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_IDLE_TIMEOUT", "5s");
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500);
    int64_t begin_ms = clock_ms(), last_ms = begin_ms;
    while (clock_ms() - begin_ms < 7000) {
        last_ms = clock_ms();
        cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set), 0);
        cr_assert_not(readable(&scu, 200));
    }
    /* Legal, and nothing. */
    while (clock_ms() - last_ms < PATIENCE_MS && !readable(&scu, 200))
        (void)scu_send_pdu(&scu, P_DATA, "", 0);
    cr_assert(readable(&scu, 0), "nothing but empty PDUs");
    cr_assert_eq(scu_aborted(&scu), TIMED_OUT);
    cr_assert_geq(clock_ms() - last_ms, 5000);
    scu_close(&scu);
    cr_assert(receiver_logged(&site.receiver, "no message within OXIDICOM_IDLE_TIMEOUT", PATIENCE_MS));
    cr_assert_eq(times_logged(&site, "OXIDICOM_IDLE_TIMEOUT"), 1);
    bytes_free(&set);
    site_end(&site);
}

/* The peer has nothing to say while it waits for an answer. */
Test(deadlines, between_messages_do_not_run_while_an_answer_is_owed, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_IDLE_TIMEOUT", "4s");
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500);
    site_hold(&site, "notifier");
    cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
    cr_assert_not(readable(&scu, 5000));
    int64_t unanswered_ms = clock_ms();
    site_go_on(&site, "notifier");
    expect_response(&scu, 0, 0x0001, 1);
    cr_assert_eq(scu_aborted(&scu), TIMED_OUT, "now it is idle");
    cr_assert_geq(clock_ms() - unanswered_ms, 4000, "since the answer, not since the object");
    scu_close(&scu);
    bytes_free(&set);
    site_end(&site);
}

/* --- within a message -------------------------------------------------------------------------------------- */

/* Sends a data set in parts of `step` bytes, one each 50 ms; whether all of it could be sent. */
static bool trickle(scu_t *scu, const bytes_t *set, size_t step) {
    bytes_t command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    bytes_free(&command);
    size_t at = 0;
    while (at < set->size && !readable(scu, 50)) {
        size_t part = set->size - at < step ? set->size - at : step;
        (void)scu_p_data(scu, MR_CONTEXT, at + part == set->size ? LAST_DATA : DATA, set->at + at, part);
        at += part;
    }
    return at == set->size;
}

/* A peer that the machine holds up for long is slow, too, and deserves another try. */
static bool is_held_up(site_t *site) {
    bool slow = receiver_times_logged(&site->receiver, "slower than OXIDICOM_MIN_RATE") > 0;
    if (slow)
        site_end(site);
    return slow;
}

static bool tells_slow_peers_from_trickling_ones(void) {
    site_t site = SITE_WITH("OXIDICOM_MIN_RATE", "1500", "OXIDICOM_STALL_TIMEOUT", "2s");
    bytes_t set = instance(1, 60000);
    scu_t scu = site_associate(&site);
    /* It takes three times OXIDICOM_STALL_TIMEOUT, and may. */
    bool stored = trickle(&scu, &set, 500) && scu_status(&scu) == 0 && scu_release(&scu);
    if (!stored && is_held_up(&site)) {
        scu_close(&scu);
        bytes_free(&set);
        return false;
    }
    cr_assert(stored);
    scu = site_associate(&site);
    cr_assert_not(trickle(&scu, &set, 1), "each PDU is whole, and so is each PDV");
    cr_assert_eq(scu_aborted(&scu), TIMED_OUT);
    scu_close(&scu);
    expect_files(&site, 1);
    cr_assert(receiver_logged(&site.receiver, "slower than OXIDICOM_MIN_RATE", PATIENCE_MS));
    cr_assert_eq(times_logged(&site, "OXIDICOM_MIN_RATE"), 1);
    bytes_free(&set);
    site_end(&site);
    return true;
}

Test(deadlines, within_a_message_are_a_rate_that_slow_peers_keep_and_trickling_ones_do_not, .timeout = PATIENCE_S) {
    cr_expect(try_again(tells_slow_peers_from_trickling_ones), "a peer that kept the rate was aborted");
}

Test(deadlines, within_a_message_end_it_when_nothing_comes_any_more, .timeout = PATIENCE_S) {
    static const struct {
        const char *bytes;
        size_t size;
    } begins[] = {{"\4", 1}, {"\4\0\0\0\1\0", 6}, {"\4\0\0\0\1\0\0\0\0\x40\1\1ab", 14}, {"\5\0\0\0\0\4", 6}};
    site_t site = SITE_WITH("OXIDICOM_STALL_TIMEOUT", "300ms");
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        scu_t scu = site_associate(&site);
        cr_assert(scu_send(&scu, begins[i].bytes, begins[i].size));
        cr_assert_eq(scu_aborted(&scu), TIMED_OUT, "%zu", i);
        scu_close(&scu);
    }
    site_end(&site);
}

/* Back-pressure is not the peer's fault: bytes before the pause are not to be shared out over it. */
static bool outlives_back_pressure(void) {
    site_t site = SITE_WITH("OXIDICOM_STALL_TIMEOUT", "1s", "OXIDICOM_MIN_RATE", "700000");
    site_hold(&site, "writer");
    pid_t sender = fork();
    cr_assert_geq(sender, 0);
    if (sender == 0) { /* more than the listener and the kernel hold, so it blocks */
        scu_t scu = site_associate(&site);
        bytes_t set = instance(1, 32 * 1024 * 1024);
        scu.timeout_ms = PATIENCE_MS;
        _exit(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set) != 0);
    }
    int status;
    bool early = process_wait(sender, 5000, &status); /* nothing answers it yet */
    site_go_on(&site, "writer");
    if (!early)
        cr_assert(process_wait(sender, PATIENCE_MS, &status));
    bool stored = !early && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!stored && is_held_up(&site))
        return false;
    cr_assert(stored);
    site_end(&site);
    return true;
}

Test(deadlines, within_a_message_stand_still_while_the_listener_does_not_read, .timeout = PATIENCE_S) {
    cr_expect(try_again(outlives_back_pressure), "the sender was aborted");
}

/* --- after the last PDU ------------------------------------------------------------------------------------ */

Test(deadlines, of_the_release_close_a_connection_that_the_peer_keeps_open, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_RELEASE_TIMEOUT", "700ms");
    scu_t scu = site_associate(&site);
    int64_t begin_ms = clock_ms();
    cr_assert(scu_send_release(&scu) && scu_read(&scu));
    cr_assert_eq(scu.type, RELEASE_RP);
    cr_assert(scu_at_end(&scu), "half closed: no reset");
    /* It is read until the connection is closed, then the kernel answers with a reset. */
    bool closed = false;
    while (!closed && clock_ms() - begin_ms < PATIENCE_MS) {
        closed = !scu_send(&scu, "x", 1);
        poll(NULL, 0, 20);
    }
    cr_assert(closed);
    cr_assert_geq(clock_ms() - begin_ms, 650);
    scu_close(&scu);
    site_end(&site);
}

/* --- its series need not wait for the close: after the last PDU nothing more can come ---------------------- */

#define UNCLOSED "1.2.826.0.1.3680043.9.9999.3.97"

/* A receiver whose peer may keep its connection for a minute, and has stored two objects. */
static site_t unclosed_start(const char *queue, scu_t *scu) {
    site_t site = {0};
    ring_start(&site.receiver, queue, (const char *const[]){"OXIDICOM_RELEASE_TIMEOUT", "60s", NULL});
    site.listener = receiver_stage(&site.receiver, "listener", 0);
    store_some(scu, site.receiver.port, "UNCLOSED", UNCLOSED, 1, 2);
    return site;
}

static void expect_series_before_the_close(queue_t *queue, int ndicom, int64_t since_ms) {
    expect_registration(queue, UNCLOSED, ndicom);
    cr_assert_lt(clock_ms() - since_ms, 60000, "the listener may have closed the connection");
}

Test(deadlines, of_the_release_do_not_hold_up_the_series, .timeout = PATIENCE_S) {
    queue_t *queue = queue_new(rabbitmq_port(), "unclosed");
    scu_t scu = {0};
    site_t site = unclosed_start("unclosed", &scu);
    int64_t begin_ms = clock_ms();
    cr_assert(scu_send_release(&scu) && scu_read(&scu));
    cr_assert_eq(scu.type, RELEASE_RP);
    expect_series_before_the_close(queue, 2, begin_ms);
    scu_close(&scu);
    queue_destroy(&queue);
    site_end(&site);
}

Test(deadlines, after_an_abort_do_not_hold_up_what_was_unanswered, .timeout = PATIENCE_S) {
    queue_t *queue = queue_new(rabbitmq_port(), "unclosed-abort");
    scu_t scu = {0};
    site_t site = unclosed_start("unclosed-abort", &scu);
    bytes_t set = dataset_instance(EXPLICIT_LE, UNCLOSED, instance_of(UNCLOSED, 3), 3, 2000);
    site_hold(&site, "writer");
    cr_assert(scu_send_store(&scu, 1, MR_STORAGE, instance_of(UNCLOSED, 3), &set, 0));
    cr_assert(
        scu_send(&scu, (const uint8_t[]){ASSOCIATE_AC, 0, 0, 0, 0, 0}, 6)); /* nothing that a requestor says */
    cr_assert(scu_read(&scu));
    cr_assert_eq(scu.type, ABORT);
    int64_t begin_ms = clock_ms();
    site_go_on(&site, "writer");
    expect_series_before_the_close(queue, 3, begin_ms);
    scu_close(&scu);
    bytes_free(&set);
    queue_destroy(&queue);
    site_end(&site);
}
