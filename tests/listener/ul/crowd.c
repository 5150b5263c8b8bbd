/* Who has to go where there is no room, over socket pairs and without a ring. */
#include "listener/ul/crowd.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "listener/intake.h"
#include "listener/server.h"
#include "listener/ul/placement.h"
#include "tests/listener/custody/custody_rig.h"
#include "tests/listener/ul/request.h"

#define PEERS_MAX  64
#define MR_STORAGE "1.2.840.10008.5.1.4.1.1.4"

static rig_t *rig;
static server_t server;
static association_t *associations[PEERS_MAX];
static int peers[PEERS_MAX];
static size_t count;

static void set_up(void) {
    rig = rig_new();
    settings_t *settings = &rig->stage.settings;
    settings->scp_aet = (char *)"CALLED";
    settings->scp_max_pdu_length = 16384;
    settings->operations_max = 16;
    settings->associations_max = 4;
    settings->association_wait_ms = settings->handshake_timeout_ms = settings->idle_timeout_ms = 600000;
    settings->stall_timeout_ms = settings->release_timeout_ms = 600000;
    server = (server_t){.connections_max = PEERS_MAX, .accepting = true};
    server_init(&server);
    server.site.stage = &rig->stage;
    server.site.custody = &rig->custody;
    server.site.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.site.input = malloc(RECEIVE_BUFFER_BYTES);
}

static void tear_down(void) {
    server_clear(&server);
    while (count > 0)
        close(peers[--count]);
    rig_free(rig);
}

TestSuite(crowd, .init = set_up, .fini = tear_down);

/* A connection from the address; returns its number. */
static size_t come(const char *from) {
    int pair[2];
    struct in6_addr address;
    cr_assert_eq(inet_pton(AF_INET6, from, &address), 1);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    peers_add(&server.site.peers, &address);
    peers[count] = pair[0];
    associations[count] = association_new(&server.site, pair[1], count + 1, &address, from);
    cr_assert_not_null(associations[count]);
    return count++;
}

/* Sends the bytes; false: the connection is closed before they are taken. */
static bool say(size_t number, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = send(peers[number], bytes, size < 16384 ? size : 16384, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        intake_on_readable(associations[number]);
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Asks for an association with this abstract syntax. */
static size_t ask(const char *from, const char *abstract) {
    size_t number = come(from);
    request_t *r = request_begin();
    request_context(r, 1, abstract, (const char *const[]){ELE, NULL});
    uint8_t header[PDU_HEADER_BYTES] = {PDU_ASSOCIATE_RQ, 0, 0, (uint8_t)(r->size >> 16), (uint8_t)(r->size >> 8),
                                        (uint8_t)r->size};
    cr_assert(say(number, header, sizeof header) && say(number, r->bytes, r->size));
    free(r);
    return number;
}

/* The type of the next PDU that the peer has been sent; 0: none yet. */
static int heard(size_t number) {
    uint8_t pdu[4096] = {0};
    if (recv(peers[number], pdu, PDU_HEADER_BYTES, 0) != PDU_HEADER_BYTES)
        return 0;
    size_t length = (size_t)pdu[4] << 8 | pdu[5];
    cr_assert_eq(recv(peers[number], pdu + PDU_HEADER_BYTES, length, 0), (ssize_t)length);
    return pdu[0];
}

static bool is_closed(size_t number) {
    char byte;
    return recv(peers[number], &byte, 1, MSG_PEEK) == 0;
}

/* Bytes of requests; closed associations that are not freed yet count, too. */
static size_t bytes_held(void) {
    size_t held = 0;
    association_t *a;
    TAILQ_FOREACH(a, &server.site.roster.all, next)
    held += a->stream.body_capacity;
    return held;
}

static void expect_accepted(size_t number) {
    cr_assert_eq(heard(number), PDU_ASSOCIATE_AC);
}

/* --- before they are served ------------------------------------------------------------------------------ */

Test(crowd, holds_so_much_of_unfinished_requests_and_closes_the_eldest) {
    static const uint8_t header[PDU_HEADER_BYTES] = {PDU_ASSOCIATE_RQ, 0, 0, 4, 0, 0};
    static const uint8_t body[200 * 1024];
    for (size_t i = 0; i < 50; i++) {
        size_t number = come("::1");
        cr_assert(say(number, header, sizeof header) && say(number, body, sizeof body), "%zu", i);
        cr_assert_leq(server.site.crowd_bytes, CROWD_MAX_BYTES, "after %zu", i);
        cr_assert_leq(bytes_held(), CROWD_MAX_BYTES, "after %zu", i);
        server_catch_up(&server);
    }
    cr_expect(is_closed(0), "the eldest is still there");
    cr_expect_not(is_closed(49), "the youngest had to go");
    ask("::1", MR_STORAGE);
    cr_expect_eq(heard(50), PDU_ASSOCIATE_AC, "no room for who comes with a whole request");
    cr_expect_leq(server.site.crowd_bytes, CROWD_MAX_BYTES);
}

Test(crowd, makes_room_by_closing_who_has_waited_for_longest_without_a_request) {
    ask("::1", MR_STORAGE);
    come("::1");
    associations[1]->since_ms -= 10;
    come("::1");
    crowd_make_room(&server.site, associations[1]->since_ms + CROWD_REQUEST_MS - 1);
    cr_expect_not(is_closed(1), "it has hardly come");
    crowd_make_room(&server.site, associations[1]->since_ms + CROWD_REQUEST_MS);
    cr_expect(is_closed(1) && !is_closed(2) && !is_closed(0));
    crowd_make_room(&server.site, clock_ms() + CROWD_REQUEST_MS);
    cr_expect(is_closed(2) && !is_closed(0), "who is served stays");
}

/* Handshakes and requests of many take turns with the objects of those that are served. */
Test(crowd, of_the_unserved_is_read_a_few_at_a_time) {
    size_t served = ask("fd00::1", MR_STORAGE), read = 0;
    expect_accepted(served);
    for (size_t i = 0; i < 3 * SERVER_UNSERVED_AT_ONCE; i++)
        cr_assert_eq(send(peers[come("::1")], (uint8_t[]){PDU_ASSOCIATE_RQ}, 1, MSG_NOSIGNAL), 1);
    cr_assert_eq(send(peers[served], (uint8_t[]){PDU_P_DATA}, 1, MSG_NOSIGNAL), 1);
    associations[served]->any_input = false;
    for (int turn = 1; turn <= 3; turn++) {
        server_on_events(&server);
        cr_expect(associations[served]->any_input);
        read = 0;
        for (size_t i = served + 1; i < count; i++)
            read += associations[i]->any_input;
        cr_expect_eq(read, (size_t)turn * SERVER_UNSERVED_AT_ONCE);
    }
}

/* Of verification alone any number is served. */
Test(crowd, of_those_for_verification_is_read_a_few_at_a_time) {
    static const uint8_t begun[64] = {PDU_P_DATA, 0, 0, 0, 0xFF, 0};
    size_t read = 0;
    for (size_t i = 0; i < 2 * SERVER_UNSERVED_AT_ONCE; i++)
        expect_accepted(ask("::1", "1.2.840.10008.1.1"));
    for (size_t i = 0; i < count; i++) {
        associations[i]->any_input = false;
        cr_assert_gt(send(peers[i], begun, sizeof begun, MSG_NOSIGNAL), 0);
    }
    server_on_events(&server);
    for (size_t i = 0; i < count; i++)
        read += associations[i]->any_input;
    cr_expect_eq(read, SERVER_UNSERVED_AT_ONCE);
}

/* --- places ----------------------------------------------------------------------------------------------- */

static void expect_served(size_t first, size_t last) {
    for (size_t i = first; i <= last; i++)
        cr_assert_eq(heard(i), PDU_ASSOCIATE_AC, "%zu", i);
}

Test(crowd, gives_an_address_no_more_than_half_of_the_places_while_others_want_them) {
    for (size_t i = 0; i < 6; i++)
        ask("fd00::1", MR_STORAGE); /* two of them wait */
    expect_served(0, 3);
    ask("fd00:0:0:1::1", MR_STORAGE);
    ask("fd00:0:0:2::1", MR_STORAGE);
    cr_expect_eq(heard(6), 0);
    server_tick(&server);
    server_tick(&server);
    cr_expect_eq(heard(6), PDU_ASSOCIATE_AC);
    cr_expect_eq(heard(7), PDU_ASSOCIATE_AC, "it holds more than half");
    cr_expect_eq(heard(4), 0, "who holds half gets more, while others wait");
    cr_expect_eq(server.site.roster.served_count, 4);
    cr_expect_eq(peers_served(&server.site.peers, &associations[4]->address), 2);
}

Test(crowd, takes_the_place_of_who_has_been_idle_for_longest) {
    for (char from[] = "fd00:0:0:1::1"; from[9] <= '4'; from[9]++)
        ask(from, MR_STORAGE);
    expect_served(0, 3);
    ask("fd00:0:0:5::1", MR_STORAGE);
    server_tick(&server);
    cr_expect_eq(heard(4), 0, "nobody has been idle for long");
    associations[1]->patience.quiet_since_ms -= CROWD_IDLE_MS;
    associations[2]->patience.quiet_since_ms -= CROWD_IDLE_MS + 1000;
    server_tick(&server);
    cr_expect_eq(heard(4), PDU_ASSOCIATE_AC);
    cr_expect_eq(heard(2), PDU_ABORT);
    cr_expect_eq(heard(1), 0);
    cr_expect_eq(server.site.roster.served_count, 4);
}

/* OXIDICOM_STALL_TIMEOUT is longer, but others wait. */
Test(crowd, takes_the_place_of_who_has_stopped_in_a_message) {
    rig->stage.settings.min_rate = 256;
    for (char from[] = "fd00:0:0:1::1"; from[9] <= '4'; from[9]++)
        ask(from, MR_STORAGE);
    expect_served(0, 3);
    ask("fd00:0:0:5::1", MR_STORAGE);
    for (size_t i = 0; i < 4; i++) {
        patience_on_input(&associations[i]->patience, i == 2 ? 100 : 100000, true);
        associations[i]->patience.window_since_ms -= CROWD_IDLE_MS - 1000;
    }
    server_tick(&server);
    cr_expect_eq(heard(4), 0, "it has not stopped for long");
    for (size_t i = 0; i < 4; i++)
        associations[i]->patience.window_since_ms -= 1000;
    server_tick(&server);
    cr_expect_eq(heard(4), PDU_ASSOCIATE_AC);
    cr_expect_eq(heard(2), PDU_ABORT);
    cr_expect_eq(server.site.roster.served_count, 4);
}

Test(crowd, is_no_reason_to_end_anybody_while_there_are_places) {
    ask("fd00::1", MR_STORAGE);
    ask("fd00::1", MR_STORAGE);
    expect_served(0, 1);
    associations[0]->patience.quiet_since_ms -= CROWD_IDLE_MS;
    server_tick(&server);
    cr_expect_eq(heard(0), 0);
}

static void echo(size_t number) {
    uint8_t pdu[512],
        set[] = {0,    0,   0,   0,   4,   0,   0, 0, 56,  0,   0,   0, /* (0000,0000) */
                 0,    0,   2,   0,   18,  0,   0, 0, '1', '.', '2', '.', '8', '4', '0', '.',  '1', '0', '0',
                 '0',  '8', '.', '1', '.', '1', 0, 0, 0,   0,   1,   2,   0,   0,   0,   0x30, 0,   0,   0,
                 0x10, 1,   2,   0,   0,   0,   1, 0, 0,   0,   0,   8,   2,   0,   0,   0,    1,   1};
    uint8_t *to = p_data_header_build(pdu, sizeof set, 1, CONTROL_COMMAND | CONTROL_LAST);
    memcpy(to, set, sizeof set);
    cr_assert(say(number, pdu, (size_t)(to - pdu) + sizeof set));
    cr_assert_eq(heard(number), PDU_P_DATA);
}

Test(crowd, c_echo_keeps_no_place_of_who_came_to_store) {
    size_t storer = ask("fd00::1", MR_STORAGE), verifier = ask("fd00::1", "1.2.840.10008.1.1");
    expect_served(storer, verifier);
    associations[storer]->patience.quiet_since_ms = associations[verifier]->patience.quiet_since_ms = 1;
    echo(storer);
    echo(verifier);
    cr_expect_eq(associations[storer]->patience.quiet_since_ms, 1);
    cr_expect_neq(associations[verifier]->patience.quiet_since_ms, 1);
}
