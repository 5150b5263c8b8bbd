/* A NATS that is down, hangs or means no good: reception and registrations do not notice, memory is bounded, and
 * each series' last count and done arrive when it is back. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/clock.h"
#include "notifier/progress/nats_options.h"
#include "tests/notifier/site.h"
#include "tests/support/fake_server.h"
#include "tests/support/receiver.h"
#include "tests/support/relay.h"
#include "tests/support/servers.h"
#include "tests/support/tap.h"

#define SERIES_COUNT 40
#define FILES        3

static site_t site;
static nats_server_t server;
static tap_t *tap;
static relay_t *relay;
static fake_server_t *fake;
static uint64_t objects;
static const char *root_subject = "oxidicom";

static void set_up(void) {
    site_set_up(&site);
}

static void tear_down(void) {
    site_tear_down(&site);
    if (tap)
        tap_destroy(&tap);
    relay_destroy(&relay);
    fake_server_destroy(&fake);
    if (server.pid)
        nats_server_stop(&server);
}

TestSuite(nats_trouble, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* A real server that the notifier reaches through the relay, and the test without. */
static void start_behind_the_relay(void) {
    nats_server_start(&server, 0);
    tap = tap_new(server.port);
    relay = relay_new(server.port);
    site.nats = text_of("127.0.0.1:%d", relay_port(relay));
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to NATS", PATIENCE_MS));
}

static void send_files(int series, int count) {
    char uid[32], folder[64];
    snprintf(uid, sizeof uid, "1.%d", series);
    snprintf(folder, sizeof folder, "SERVICES/PACS/RAWSCU/p/s/%d", series);
    for (int i = 0; i < count; i++) {
        objects++;
        site_send_event(&site,
                        EVENT(.association = (uint64_t)series, .object = objects, .series = uid, .folder = folder));
    }
}

static void end_series(int series) {
    char item[32];
    site_send_end(&site, 1, (uint64_t)series);
    snprintf(item, sizeof item, "ended:%d", series);
    cr_assert(site_await_told(&site, item));
}

static void send_series(int from, int to) {
    for (int i = from; i <= to; i++) {
        send_files(i, FILES);
        end_series(i);
    }
}

static void send_all_series(void) {
    send_series(1, SERIES_COUNT);
}

/* Returns how many dones came in all. */
static int expect_done(int series, int64_t ms) {
    int dones = 0;
    char subject[256];
    for (int i = 1; i <= series; i++) {
        snprintf(subject, sizeof subject, "%s.RAWSCU.1_%d", root_subject, i);
        cr_assert(tap_await_done(tap, subject, 1, ms), "no done for %s", subject);
        lonk_summary_t summary = tap_summary_of(tap, subject);
        cr_expect_eq(summary.last_count, FILES, "%s: %d", subject, (int)summary.last_count);
        dones += summary.dones;
    }
    return dones;
}

static int expect_all_done(int64_t ms) {
    return expect_done(SERIES_COUNT, ms);
}

/* How long a server stays away, in seconds; OXIDICOM_TEST_OUTAGE for more. */
static int64_t outage_ms(void) {
    const char *wanted = getenv("OXIDICOM_TEST_OUTAGE");
    return 1000 * (wanted ? strtoll(wanted, NULL, 10) : 3);
}

Test(nats_trouble, dones_of_an_outage_arrive_when_it_is_over) {
    start_behind_the_relay();
    send_files(1, 1);
    send_files(2, FILES);
    relay_refuse(relay);
    cr_assert(site_await_log(&site, "the connection to NATS is lost", PATIENCE_MS));
    send_files(1, FILES - 1);
    end_series(1);
    end_series(2);
    send_series(3, SERIES_COUNT);
    cr_expect(site_await_tasks(&site, SERIES_COUNT, PATIENCE_MS), "registrations wait for NATS");
    site_listen(&site, outage_ms());
    relay_pass(relay);
    cr_expect_eq(expect_all_done(PATIENCE_MS), SERIES_COUNT, "said twice without need");
}

Test(nats_trouble, a_hang_holds_nothing_up_and_every_done_arrives_once_it_goes_on) {
    start_behind_the_relay();
    relay_hang(relay);
    send_all_series();
    cr_expect(site_await_tasks(&site, SERIES_COUNT, PATIENCE_MS), "registrations wait for NATS");
    relay_pass(relay);
    int dones = expect_all_done(PATIENCE_MS);
    /* A test that takes long is a hang that lasts. */
    cr_expect(dones == SERIES_COUNT || site_await_log(&site, "the connection to NATS is lost", 0),
              "%d dones: said twice without need", dones);
}

Test(nats_trouble, a_hang_that_lasts_is_a_lost_connection_and_dones_come_over_the_next) {
    start_behind_the_relay();
    relay_hang(relay);
    send_all_series();
    cr_expect(site_await_tasks(&site, SERIES_COUNT, PATIENCE_MS), "registrations wait for NATS");
    cr_assert(site_await_log(&site, "the connection to NATS is lost", PATIENCE_MS));
    relay_refuse(relay); /* what the hung connection holds is never heard */
    cr_assert(site_await_log(&site, "NATS is not there yet", PATIENCE_MS));
    relay_pass(relay);
    cr_expect_geq(expect_all_done(PATIENCE_MS), SERIES_COUNT);
}

/* So many series are more than a connection takes up that nobody reads, where their subjects are long. */
#define TOO_MANY 800
#define LONG_ROOT_SUBJECT                                                                                          \
    "hospital.department-of-diagnostic-radiology.building-of-the-new-clinic.second-floor.research-data."           \
    "receivers-of-dicom.number-one-of-several.oxidicom"

Test(nats_trouble, a_hang_in_which_too_much_was_said_loses_no_done) {
    site.more = (const char *const[]){"OXIDICOM_ROOT_SUBJECT", root_subject = LONG_ROOT_SUBJECT, NULL};
    start_behind_the_relay();
    relay_hang(relay);
    send_series(1, TOO_MANY);
    site_await_log(&site, "the connection to NATS is lost", 5 * NATS_WRITE_TIMEOUT_MS);
    relay_pass(relay);
    cr_expect_geq(expect_done(TOO_MANY, PATIENCE_MS), TOO_MANY);
}

Test(nats_trouble, connections_that_are_cut_anywhere_lose_no_done) {
    unsigned seed = test_seed();
    start_behind_the_relay();
    relay_refuse(relay);
    cr_assert(site_await_log(&site, "the connection to NATS is lost", PATIENCE_MS));
    relay_cut(relay, seed, 400, 2000);
    int series = 0;
    while (series < TOO_MANY && (series < SERIES_COUNT || relay_cuts(relay) < 4)) {
        series++;
        send_series(series, series);
    }
    cr_assert_geq(relay_cuts(relay), 4, "seed %u", seed);
    relay_pass(relay);
    int dones = expect_done(series, PATIENCE_MS);
    fprintf(stderr, "seed %u: %d cuts, %d series, %d dones\n", seed, relay_cuts(relay), series, dones);
}

/* --- servers that mean no good --------------------------------------------------------------------------- */

/* What NATS may cost at most while it sends as much as it likes. */
#define MEMORY_KIB 65536

static bool has_sent(void *wanted) {
    return fake_server_sent_bytes(fake) >= *(uint64_t *)wanted;
}

/* Everything but progress goes on with such a server, for as long as it takes to hear so many bytes of it. */
static void expect_unimpressed(const char *greeting, const char *filler, uint64_t bytes) {
    fake = fake_server_new(greeting, filler);
    site.nats = text_of("127.0.0.1:%d", fake_server_port(fake));
    site_start(&site);
    send_files(SERIES_COUNT + 1, 1);
    end_series(SERIES_COUNT + 1);
    long before_kib = process_anonymous_kib(site.notifier);
    cr_expect(await(has_sent, &bytes, PATIENCE_MS), "only %llu bytes",
              (unsigned long long)fake_server_sent_bytes(fake));
    send_all_series();
    cr_expect(site_await_tasks(&site, SERIES_COUNT + 1, PATIENCE_MS));
    cr_expect_lt(process_anonymous_kib(site.notifier) - before_kib, MEMORY_KIB);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
}

/* What nats-server says first; the PONG answers the client's PING. */
#define INFO                                                                                                       \
    "INFO {\"server_id\":\"X\",\"version\":\"2.9.0\",\"proto\":1,\"host\":\"127.0.0.1\",\"port\":1,"               \
    "\"headers\":true,\"max_payload\":1048576}\r\n"
#define WELCOME INFO "PONG\r\n"

static bool has_clients(void *wanted) {
    return fake_server_clients(fake) >= *(int *)wanted;
}

Test(nats_trouble, a_server_that_accepts_and_never_speaks_is_tried_again) {
    int wanted = 3; /* more than its starts */
    expect_unimpressed("", "", 0);
    site_start(&site);
    cr_expect(await(has_clients, &wanted, PATIENCE_MS));
}

/* cnats 3.4 waits for its PONG without a deadline, 3.10 with one. */
Test(nats_trouble, a_server_that_falls_silent_while_it_is_connected_to_keeps_no_notifier_from_ending) {
    expect_unimpressed(INFO, NULL, 1);
}

Test(nats_trouble, a_server_that_speaks_something_else_is_tried_again) {
    int wanted = 3;
    expect_unimpressed("HTTP/1.1 400 Bad Request\r\n\r\n", "<html>\r\n", 100);
    site_start(&site);
    cr_expect(await(has_clients, &wanted, PATIENCE_MS));
}

Test(nats_trouble, a_first_line_without_end_costs_no_memory) {
    expect_unimpressed("INFO {\"server_id\":\"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                       30000);
}

Test(nats_trouble, a_line_without_end_after_the_welcome_costs_no_memory) {
    expect_unimpressed(WELCOME "MSG ", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 30000);
}

Test(nats_trouble, a_message_of_gigabytes_after_the_welcome_costs_no_memory) {
    expect_unimpressed(WELCOME "MSG a 1 2000000000\r\n",
                       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 3000000);
}

Test(nats_trouble, a_server_that_welcomes_and_then_reads_nothing_holds_nothing_up) {
    expect_unimpressed(WELCOME, "", 0);
}
