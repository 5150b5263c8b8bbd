/* The effect of each setting of the listener, on the wire. None of these tests needs a server: registrations go
 * into a folder. */
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/ring/ring.h"
#include "tests/support/patience.h"

#define SERIES       "1.2.826.0.1.3680043.9.9999.3.90"
#define VERIFICATION "1.2.840.10008.1.1"
#define JPEG         "1.2.840.10008.1.2.4.50"
#define PDU_REJECT   3
#define PDU_ABORT    7

/* A receiver with one setting, or none, and up to two more. */
static void start_with(receiver_t *receiver, const char *const *settings) {
    receiver_prepare(receiver);
    receiver_start(receiver, settings);
}

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

static void end(receiver_t *receiver) {
    cr_assert_eq(receiver_stop(receiver), 0);
    receiver_clear(receiver);
}

static bytes_t instance(int number, size_t pixels) {
    return dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, number), number, pixels);
}

/* --- strict, maximum PDU length ---------------------------------------------------------------------------- */

/* Sends an object in fragments of 8000 bytes to a receiver that advertises 4096; the status, or -1. */
static int store_in_long_pdus(const char *strict, uint8_t *answer) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_SCP_STRICT", strict, "OXIDICOM_SCP_MAX_PDU_LENGTH", "4096"));
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "LONG", EXPLICIT_LE));
    cr_assert_eq(scu.peer_max, 4096);
    bytes_t set = instance(1, 20000);
    (void)scu_send_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 1), &set, 8000);
    int status = scu_status(&scu);
    *answer = scu.type;
    scu_close(&scu);
    bytes_free(&set);
    end(&receiver);
    return status;
}

Test(settings, take_pdus_longer_than_advertised_when_not_strict, .timeout = PATIENCE_S) {
    uint8_t answer;
    cr_assert_eq(store_in_long_pdus("false", &answer), 0);
}

Test(settings, abort_at_pdus_longer_than_advertised_when_strict, .timeout = PATIENCE_S) {
    uint8_t answer;
    cr_assert_eq(store_in_long_pdus("true", &answer), -1);
    cr_assert_eq(answer, PDU_ABORT);
}

Test(settings, advertise_a_pdu_length_of_131072_unless_told_otherwise, .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_with(&receiver, NULL);
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "DEFAULT", EXPLICIT_LE));
    cr_assert_eq(scu.peer_max, 131072);
    cr_assert(scu_release(&scu));
    end(&receiver);
}

/* --- acceptance ------------------------------------------------------------------------------------------ */

/* How a context is answered by a receiver with this setting: PS3.8 table 9-18. */
static int answer_to(const char *abstract_syntax, const char *transfer_syntax, const char *const *settings) {
    receiver_t receiver;
    start_with(&receiver, settings);
    const scu_context_t context = {5, abstract_syntax, {transfer_syntax}};
    scu_t scu = {0};
    cr_assert(scu_associate(&scu, receiver.port, &(scu_request_t){.contexts = &context, .contexts_count = 1}));
    int result = scu.answered[5].result;
    cr_assert(scu_release(&scu));
    end(&receiver);
    return result;
}

Test(settings, accept_unknown_sop_classes_only_when_promiscuous, .timeout = PATIENCE_S) {
    cr_assert_eq(answer_to("1.2.3.4.5", EXPLICIT_LE, NULL), 3);
    cr_assert_eq(answer_to("1.2.3.4.5", EXPLICIT_LE, WITH("OXIDICOM_SCP_PROMISCUOUS", "true")), 0);
}

Test(settings, accept_compressed_objects_unless_uncompressed_only, .timeout = PATIENCE_S) {
    cr_assert_eq(answer_to(MR_STORAGE, JPEG, NULL), 0);
    cr_assert_eq(answer_to(MR_STORAGE, JPEG, WITH("OXIDICOM_SCP_UNCOMPRESSED_ONLY", "true")), 4);
    cr_assert_eq(answer_to(MR_STORAGE, EXPLICIT_LE, WITH("OXIDICOM_SCP_UNCOMPRESSED_ONLY", "true")), 0);
}

Test(settings, name_the_receiver_and_calls_to_another_name_are_answered, .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_SCP_AET", "RADIOLOGY"));
    cr_assert(receiver_logged(&receiver, "RADIOLOGY listens on port", PATIENCE_MS));
    for (int i = 0; i < 2; i++) {
        const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE}};
        const char *called = i == 0 ? "RADIOLOGY" : "SOMEBODY_ELSE";
        scu_t scu = {0};
        cr_assert(scu_associate(&scu, receiver.port,
                                &(scu_request_t){.called = called, .contexts = &context, .contexts_count = 1}));
        cr_assert_eq(memcmp(scu.body.at + 4, called, strlen(called)), 0, "the title comes back, PS3.8 9.3.3");
        cr_assert(scu_release(&scu));
    }
    end(&receiver);
}

/* --- how many at once -------------------------------------------------------------------------------------- */

static bool associate_for(scu_t *scu, int port, const char *abstract_syntax) {
    const scu_context_t context = {1, abstract_syntax, {IMPLICIT_LE}};
    return scu_associate(scu, port, &(scu_request_t){.contexts = &context, .contexts_count = 1});
}

Test(settings, reject_an_association_too_many_after_a_wait_and_always_serve_verification, .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_LISTENER_THREADS", "1", "OXIDICOM_ASSOCIATION_WAIT", "700ms"));
    scu_t first = {0}, second = {0}, asking = {0};
    cr_assert(associate_for(&first, receiver.port, MR_STORAGE));
    cr_assert(associate_for(&asking, receiver.port, VERIFICATION));
    cr_assert_eq(scu_echo(&asking, 1), 0);
    cr_assert(scu_release(&asking));
    int64_t asked_ms = clock_ms();
    cr_assert_not(associate_for(&second, receiver.port, MR_STORAGE));
    cr_assert_geq(clock_ms() - asked_ms, 700);
    cr_assert_eq(second.type, PDU_REJECT);
    cr_assert_eq(second.body.size, 4);
    cr_assert_eq(memcmp(second.body.at, "\0\2\3\2", 4), 0, "transient, presentation, local limit exceeded");
    scu_close(&second);
    cr_assert(scu_release(&first));
    end(&receiver);
}

Test(settings, let_an_association_wait_until_another_ends, .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_LISTENER_THREADS", "1", "OXIDICOM_ASSOCIATION_WAIT", "10m"));
    scu_t first = {0}, second = {.timeout_ms = 300};
    cr_assert(associate_for(&first, receiver.port, MR_STORAGE));
    cr_assert_not(associate_for(&second, receiver.port, MR_STORAGE));
    cr_assert(scu_release(&first));
    second.timeout_ms = PATIENCE_MS;
    cr_assert(scu_read(&second), "it is still asked for, and answered now");
    cr_assert_eq(second.type, 2);
    cr_assert(scu_release(&second));
    end(&receiver);
}

/* The holder of the place is gone, and its objects still hold one association's share of the buffer. */
Test(settings, let_an_association_in_and_serve_it_where_another_has_taken_its_share_of_the_buffer,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_LISTENER_THREADS", "1", "OXIDICOM_BUFFER_SIZE", "4MiB",
                               "OXIDICOM_ASSOCIATION_WAIT", "10m"));
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    scu_t first = {0}, second = {.timeout_ms = 1000};
    cr_assert(scu_associate_mr(&first, receiver.port, "FIRST", EXPLICIT_LE));
    kill(notifier, SIGSTOP);
    bytes_t set = instance(1, 100000);
    for (int i = 0; i < 45; i++)
        cr_assert(scu_send_store(&first, 1, MR_STORAGE, "1.2.3", &set, 0));
    cr_assert_not(associate_for(&second, receiver.port, MR_STORAGE));
    scu_reset(&first);
    second.timeout_ms = PATIENCE_MS;
    cr_assert(scu_read(&second) && second.type == 2);
    bytes_t echo = scu_echo_command(1);
    cr_assert(scu_p_data(&second, 1, 3, echo.at, echo.size));
    cr_assert_eq(scu_status(&second), 0, "although nothing is acknowledged");
    kill(notifier, SIGCONT);
    cr_assert(scu_release(&second));
    bytes_free(&set);
    bytes_free(&echo);
    end(&receiver);
}

/* --- where ------------------------------------------------------------------------------------------------- */

Test(settings, listen_on_the_port_over_ipv4_and_ipv6, .timeout = PATIENCE_S) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    scu_t scu = {.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), .timeout_ms = PATIENCE_MS};
    if (scu.fd < 0 || bind(scu.fd, (struct sockaddr *)&address, sizeof address) != 0)
        cr_skip_test("this machine has no IPv6");
    receiver_t receiver;
    start_with(&receiver, NULL);
    cr_assert(await_port(receiver.port, PATIENCE_MS), "IPv4");
    address.sin6_port = htons((uint16_t)receiver.port);
    cr_assert_eq(connect(scu.fd, (struct sockaddr *)&address, sizeof address), 0);
    const scu_context_t context = {1, VERIFICATION, {IMPLICIT_LE}};
    bytes_t rq = scu_associate_rq(&(scu_request_t){.contexts = &context, .contexts_count = 1});
    cr_assert(scu_send(&scu, rq.at, rq.size) && scu_read(&scu));
    cr_assert_eq(scu.type, 2);
    cr_assert(scu_release(&scu));
    bytes_free(&rq);
    end(&receiver);
}

/* Whether anybody listens there. */
static bool listens_at(const char *address, int port) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    char *service = text_of("%d", port);
    cr_assert_eq(getaddrinfo(address, service, &hints, &found), 0);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listens = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    free(service);
    return listens;
}

/* On a receiver that has that address; "port of ADDRESS" is in its log. */
static void expect_at(const char *address, const char *there, const char *const *not_there) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_LISTENER_ADDRESS", address));
    cr_expect(listens_at(there, receiver.port), "%s: not at %s", address, there);
    for (; *not_there; not_there++)
        cr_expect_not(listens_at(*not_there, receiver.port), "%s: at %s, too", address, *not_there);
    end(&receiver);
}

Test(settings, listen_at_the_one_address_that_is_named, .timeout = PATIENCE_S) {
    expect_at("127.0.0.2", "127.0.0.2", (const char *const[]){"127.0.0.1", "127.0.0.3", NULL});
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_LISTENER_ADDRESS", ""));
    bool has_v6 = listens_at("::1", receiver.port);
    cr_expect(listens_at("127.0.0.2", receiver.port), "empty is all");
    end(&receiver);
    if (has_v6)
        expect_at("::1", "::1", (const char *const[]){"127.0.0.1", NULL});
}

/* --- patience ---------------------------------------------------------------------------------------------- */

Test(settings, give_up_an_object_after_the_store_timeout_and_keep_the_association, .timeout = PATIENCE_S) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_STORE_TIMEOUT", "500ms"));
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "PATIENT", EXPLICIT_LE));
    bytes_t set = instance(1, 1000);
    kill(notifier, SIGSTOP); /* nothing is acknowledged */
    int64_t sent_ms = clock_ms();
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 1), &set), 0xA700);
    cr_assert_geq(clock_ms() - sent_ms, 500);
    kill(notifier, SIGCONT);
    expect_stored_in_the_end(&scu, instance_of(SERIES, 1), &set);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    end(&receiver);
}

/* Whether an object that is under way when the receiver is told to end can be finished. `in_time`: no stage had to
 * be killed. */
static bool survives_the_end(const char *drain_timeout, bool *in_time) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_DRAIN_TIMEOUT", drain_timeout));
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "LATE", EXPLICIT_LE));
    bytes_t set = instance(1, 1000), command = scu_store_command(MR_STORAGE, instance_of(SERIES, 1), 1);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size));
    kill(receiver.launcher, SIGTERM);
    cr_assert(receiver_logged(&receiver, "drains", PATIENCE_MS));
    scu.timeout_ms = 1500;
    bool aborted = scu_read(&scu) && scu.type == PDU_ABORT;
    scu.timeout_ms = PATIENCE_MS;
    bool stored = !aborted && scu_p_data(&scu, 1, 2, set.at, set.size) && scu_status(&scu) == 0;
    scu_close(&scu);
    bytes_free(&set);
    bytes_free(&command);
    int status = receiver_stop(&receiver);
    *in_time = !receiver_was_killed(&receiver, NULL);
    cr_assert(status == 0 || !*in_time, "%d", status);
    receiver_clear(&receiver);
    return stored;
}

static bool an_object_finishes(void) {
    bool in_time;
    cr_assert(survives_the_end("10m", &in_time));
    return in_time;
}

static bool an_object_is_cut_off(void) {
    bool in_time;
    cr_assert_not(survives_the_end("200ms", &in_time));
    return in_time;
}

Test(settings, let_objects_under_way_finish_within_the_drain_timeout, .timeout = PATIENCE_S) {
    cr_assert(try_again(an_object_finishes), "stages had to be killed");
    cr_assert(try_again(an_object_is_cut_off), "stages had to be killed");
}

/* --- memory ------------------------------------------------------------------------------------------------ */

#define SENDERS      12
#define OBJECT_BYTES (4 * 1024 * 1024)

#define WATCHED_MS   3000

typedef struct growth {
    const receiver_t *receiver;
    long before_kib, least_kib;
} growth_t;

static bool has_grown(void *argument) {
    const growth_t *growth = argument;
    return receiver_memory_kib(growth->receiver) - growth->before_kib >= growth->least_kib;
}

/* What the listener grows by, in KiB, when 48 MiB are sent to it and nothing is acknowledged. It takes `least_kib`
 * and is watched for a while: it might go on. */
static long growth_with(const char *buffer_size, long least_kib) {
    receiver_t receiver;
    start_with(&receiver, WITH("OXIDICOM_BUFFER_SIZE", buffer_size));
    growth_t growth = {&receiver, receiver_memory_kib(&receiver), least_kib};
    kill(receiver_stage(&receiver, "notifier", 0), SIGSTOP);
    bytes_t set = instance(1, OBJECT_BYTES);
    pid_t senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = fork();
        cr_assert_geq(senders[i], 0);
        if (senders[i] == 0) {
            scu_t scu = {0};
            bool sent = scu_associate_mr(&scu, receiver.port, "FULL", EXPLICIT_LE) &&
                        scu_send_store(&scu, 1, MR_STORAGE, "1.2.3", &set, 0);
            _exit(!sent);
        }
    }
    cr_assert(await(has_grown, &growth, PATIENCE_MS), "%s are not used", buffer_size);
    long most_kib = 0;
    for (int64_t until_ms = clock_ms() + WATCHED_MS; clock_ms() < until_ms; usleep(20000)) {
        long now_kib = receiver_memory_kib(&receiver);
        most_kib = now_kib > most_kib ? now_kib : most_kib;
    }
    for (int i = 0; i < SENDERS; i++)
        process_stop(senders[i], SIGKILL, PATIENCE_MS);
    kill(receiver_stage(&receiver, "notifier", 0), SIGCONT);
    bytes_free(&set);
    receiver_clear(&receiver);
    return most_kib - growth.before_kib;
}

Test(settings, bound_what_the_listener_holds_by_the_buffer_size, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip_test("memory is measured without sanitizers only");
#endif
    long small_kib = growth_with("8MiB", 4 * 1024);
    cr_assert_leq(small_kib, 24 * 1024, "%ld KiB with 8MiB", small_kib);
    (void)growth_with("64MiB", 40 * 1024);
}
