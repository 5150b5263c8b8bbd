/* An association against PS3.8's state table (9.2, tables 9-6 to 9-10), over a socket pair and without a ring. */
#include "listener/ul/association.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listener/intake.h"
#include "listener/server.h"
#include "listener/ul/placement.h"
#include "tests/listener/custody/custody_rig.h"
#include "tests/listener/ul/request.h"

/* The acceptor, its site, and the peer at the other end. */
static rig_t *rig;
static server_t server;
static association_t *a;
static int peer;

static void set_up(void) {
    int pair[2];
    rig = rig_new();
    settings_t *settings = &rig->stage.settings;
    settings->scp_aet = (char *)"CALLED";
    settings->scp_max_pdu_length = 16384;
    settings->operations_max = 16;
    settings->associations_max = 1;
    settings->association_wait_ms = settings->handshake_timeout_ms = settings->idle_timeout_ms = 60000;
    settings->stall_timeout_ms = settings->release_timeout_ms = 60000;
    server = (server_t){.connections_max = 10, .accepting = true};
    server_init(&server);
    server.site.stage = &rig->stage;
    server.site.custody = &rig->custody;
    server.site.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.site.input = malloc(RECEIVE_BUFFER_BYTES);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    peer = pair[0];
    peers_add(&server.site.peers, &in6addr_loopback);
    a = association_new(&server.site, pair[1], 1, &in6addr_loopback, "peer");
    cr_assert_not_null(a);
}

static void tear_down(void) {
    server_clear(&server);
    close(peer);
    rig_free(rig);
}

TestSuite(association, .init = set_up, .fini = tear_down);

/* A turn of the loop, as epoll would have it. */
static void turn(void) {
    if (a->connection.reading)
        intake_on_readable(a);
    else
        intake_on_hangup(a);
}

static void send_bytes(const void *bytes, size_t size) {
    cr_assert_eq(send(peer, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
    intake_on_readable(a);
}

/* A PDU of this type with a body of zeroes. */
static void send_pdu(pdu_type_t type) {
    uint8_t pdu[SHORT_PDU_BYTES] = {(uint8_t)type, 0, 0, 0, 0, 4};
    send_bytes(pdu, sizeof pdu);
}

static void send_p_data(const void *set, size_t size, uint8_t control) {
    uint8_t pdu[4096];
    uint8_t *to = p_data_header_build(pdu, size, 1, control);
    memcpy(to, set, size);
    send_bytes(pdu, (size_t)(to - pdu) + size);
}

static void send_request(const char *abstract) {
    request_t *r = request_begin();
    request_context(r, 1, abstract, (const char *const[]){ELE, NULL});
    uint8_t header[PDU_HEADER_BYTES] = {PDU_ASSOCIATE_RQ, 0, 0, (uint8_t)(r->size >> 16), (uint8_t)(r->size >> 8),
                                        (uint8_t)r->size};
    cr_assert_eq(send(peer, header, sizeof header, MSG_NOSIGNAL), sizeof header);
    send_bytes(r->bytes, r->size);
    free(r);
}

/* The type of the next PDU that has come, with byte `at` of it in *byte; 0: none, -1: the end. */
static int next_pdu(size_t at, uint8_t *byte) {
    uint8_t pdu[4096];
    ssize_t got = recv(peer, pdu, PDU_HEADER_BYTES, 0);
    if (got <= 0)
        return got == 0 ? -1 : 0;
    cr_assert_eq(got, PDU_HEADER_BYTES);
    size_t length = (size_t)pdu[4] << 8 | pdu[5];
    cr_assert_eq(recv(peer, pdu + PDU_HEADER_BYTES, length, 0), (ssize_t)length);
    if (byte)
        *byte = pdu[at];
    return pdu[0];
}

static void expect_pdu(int type) {
    cr_assert_eq(next_pdu(0, NULL), type);
}

/* AA-8, and AA-1 as this acceptor performs it: A-ABORT with this reason, then our half is closed. */
static void expect_abort(abort_reason_t reason) {
    uint8_t byte = 0xFF;
    cr_assert_eq(next_pdu(9, &byte), PDU_ABORT);
    cr_assert_eq(byte, reason);
    cr_assert_eq(next_pdu(0, NULL), -1);
    cr_assert_eq(a->state, STA13_AWAITING_CLOSE);
}

static void establish(void) {
    send_request(CT);
    expect_pdu(PDU_ASSOCIATE_AC);
    cr_assert_eq(a->state, STA6_DATA_TRANSFER);
}

/* There is no place: it waits for one. */
static void await_place(void) {
    server.site.roster.served_count = 1;
    send_request(CT);
    cr_assert_eq(a->state, STA3_AWAITING_LOCAL_RESPONSE);
    cr_assert_eq(next_pdu(0, NULL), 0);
}

/* C-STORE-RQ of a CT, and an A-RELEASE-RQ while it is not answered. */
static void send_command(void) {
    static const char set[] = "\0\0\0\1\2\0\0\0\1\0"   /* (0000,0100) C-STORE-RQ */
                              "\0\0\x10\1\2\0\0\0\7\0" /* message id */
                              "\0\0\0\x8\2\0\0\0\0\0"  /* with a data set */
                              "\0\0\2\0\x1a\0\0\0" CT "\0";
    send_p_data(set, sizeof set - 1, CONTROL_COMMAND | CONTROL_LAST);
}

static void send_object(void) {
    send_command();
    send_p_data("data", 4, CONTROL_LAST);
    cr_assert_eq(a->unanswered_count, 1);
}

static void answer_object(void) {
    rig->leaves_answers = true;
    rig_writer_alive(rig, "writer-a", 1); /* it takes the waiting one */
    rig_finish(rig, 1, STATUS_SUCCESS);
}

static void await_release(void) {
    establish();
    send_object();
    send_pdu(PDU_RELEASE_RQ);
    cr_assert_eq(a->state, STA8_AWAITING_RELEASE_RESPONSE);
    cr_assert_eq(next_pdu(0, NULL), 0, "not before the object is answered");
}

/* --- Sta2: awaiting A-ASSOCIATE-RQ --- */

Test(association, sta2_takes_a_request_and_serves_it) {
    cr_assert_eq(a->state, STA2_AWAITING_ASSOCIATE_RQ);
    establish();
    cr_assert_eq(server.site.roster.served_count, 1);
}

Test(association, sta2_is_aborted_by_a_pdu_that_is_no_request) {
    send_pdu(PDU_RELEASE_RQ);
    expect_abort(ABORT_UNEXPECTED_PDU);
}

Test(association, sta2_is_aborted_by_p_data) {
    send_p_data("data", 4, CONTROL_LAST);
    expect_abort(ABORT_UNEXPECTED_PDU);
}

Test(association, sta2_is_aborted_by_a_pdu_of_unknown_type) {
    send_pdu((pdu_type_t)9);
    expect_abort(ABORT_UNRECOGNIZED_PDU);
}

Test(association, sta2_closes_on_an_abort) {
    send_pdu(PDU_ABORT);
    cr_assert_eq(a->state, STA1_IDLE);
    cr_assert_eq(next_pdu(0, NULL), -1, "without a PDU");
}

Test(association, sta2_closes_when_the_handshake_takes_too_long) {
    rig->stage.settings.handshake_timeout_ms = 0;
    server_tick(&server);
    cr_assert(server_idle(&server));
    cr_assert_eq(next_pdu(0, NULL), -1, "without a PDU");
}

Test(association, sta2_rejects_a_request_for_another_title) {
    rig->stage.settings.require_called_aet = true;
    rig->stage.settings.scp_aet = (char *)"OTHER";
    uint8_t reason = 0;
    send_request(CT);
    cr_assert_eq(next_pdu(9, &reason), PDU_ASSOCIATE_RJ);
    cr_assert_eq(reason, USER_CALLED_AE_TITLE_NOT_RECOGNIZED);
    cr_assert_eq(a->state, STA13_AWAITING_CLOSE);
}

/* --- Sta3: awaiting a place --- */

Test(association, sta3_is_served_when_there_is_a_place) {
    await_place();
    server.site.roster.served_count = 0;
    server_catch_up(&server);
    expect_pdu(PDU_ASSOCIATE_AC);
    cr_assert_eq(a->state, STA6_DATA_TRANSFER);
}

Test(association, sta3_is_rejected_when_it_has_waited_for_too_long) {
    uint8_t result = 0;
    await_place();
    rig->stage.settings.association_wait_ms = 0;
    server_catch_up(&server);
    cr_assert_eq(next_pdu(7, &result), PDU_ASSOCIATE_RJ);
    cr_assert_eq(result, REJECTED_TRANSIENT);
    server.site.roster.served_count = 0;
}

Test(association, sta3_does_not_read_and_ends_when_the_peer_goes) {
    await_place();
    cr_assert_not(a->connection.reading);
    close(peer);
    turn();
    cr_assert_eq(a->state, STA1_IDLE);
    server_catch_up(&server);
    cr_assert(server_idle(&server));
    peer = -1;
    server.site.roster.served_count = 0;
}

/* --- Sta6: data transfer --- */

Test(association, sta6_is_aborted_by_a_second_request) {
    establish();
    send_request(CT);
    expect_abort(ABORT_UNEXPECTED_PDU);
    cr_assert_eq(server.site.roster.served_count, 0);
}

Test(association, sta6_is_aborted_by_a_pdu_that_only_an_acceptor_sends) {
    establish();
    send_pdu(PDU_ASSOCIATE_AC);
    expect_abort(ABORT_UNEXPECTED_PDU);
}

Test(association, sta6_is_aborted_by_a_release_response) {
    establish();
    send_pdu(PDU_RELEASE_RP);
    expect_abort(ABORT_UNEXPECTED_PDU);
}

Test(association, sta6_is_aborted_by_a_context_that_was_not_accepted) {
    send_request("1.2.3");
    expect_pdu(PDU_ASSOCIATE_AC);
    send_command();
    expect_abort(ABORT_INVALID_PARAMETER);
}

Test(association, sta6_releases_at_once_when_nothing_is_unanswered) {
    establish();
    send_pdu(PDU_RELEASE_RQ);
    expect_pdu(PDU_RELEASE_RP);
    cr_assert_eq(next_pdu(0, NULL), -1, "our half is closed");
    cr_assert_eq(a->state, STA13_AWAITING_CLOSE);
}

Test(association, sta6_drops_what_was_received_in_part_when_the_peer_aborts) {
    establish();
    send_command();
    send_p_data("da", 2, 0);
    cr_assert_not(custody_idle(&rig->custody));
    send_pdu(PDU_ABORT);
    cr_assert_eq(a->state, STA1_IDLE);
    cr_assert_eq(next_pdu(0, NULL), -1, "without a PDU");
    server_catch_up(&server);
    cr_assert(server_idle(&server));
    cr_assert(TAILQ_EMPTY(&rig->custody.objects));
}

/* Of a PDV that is long enough to be received where it stays. */
Test(association, sta6_puts_no_byte_into_an_object_once_it_is_aborted) {
    uint8_t pdu[P_DATA_HEADER_BYTES + 8192] = {0};
    establish();
    send_command();
    p_data_header_build(pdu, 8192, 1, CONTROL_LAST);
    send_bytes(pdu, P_DATA_HEADER_BYTES + 2);
    const object_t *object = TAILQ_FIRST(&rig->custody.objects);
    association_abort(a, ABORT_NOT_SPECIFIED, "for a test");
    send_bytes(pdu + P_DATA_HEADER_BYTES + 2, 8190);
    cr_assert_eq(object->received, 2);
    server_catch_up(&server);
    cr_assert(TAILQ_EMPTY(&rig->custody.objects));
}

Test(association, sta6_answers_a_peer_that_has_closed_its_half_and_then_ends) {
    establish();
    send_object();
    shutdown(peer, SHUT_WR);
    turn();
    cr_assert_eq(a->state, STA6_DATA_TRANSFER);
    cr_assert_eq(next_pdu(0, NULL), 0);
    answer_object();
    cr_assert_eq(next_pdu(0, NULL), 0, "an answer waits for the end of the turn");
    server_catch_up(&server);
    expect_pdu(PDU_P_DATA);
    cr_assert_eq(next_pdu(0, NULL), -1);
}

Test(association, sta6_is_kept_until_the_objects_of_a_peer_that_is_gone_are_acknowledged) {
    establish();
    send_object();
    send_pdu(PDU_ABORT);
    server_catch_up(&server);
    cr_assert_not(server_idle(&server));
    answer_object();
    server_catch_up(&server);
    cr_assert(server_idle(&server));
    cr_assert_eq(rig->custody.ended_count, 1, "the notifier is told");
}

Test(association, sta6_is_aborted_when_it_is_idle_for_too_long) {
    establish();
    rig->stage.settings.idle_timeout_ms = 0;
    server_tick(&server);
    expect_abort(ABORT_NOT_SPECIFIED);
    cr_assert_eq(association_ending(a), RING__ENDING__ENDING_TIMED_OUT);
}

/* --- Sta8: the peer has asked for a release --- */

Test(association, sta8_releases_when_the_last_object_is_answered) {
    await_release();
    answer_object();
    server_catch_up(&server);
    expect_pdu(PDU_P_DATA);
    expect_pdu(PDU_RELEASE_RP);
    cr_assert_eq(a->state, STA13_AWAITING_CLOSE);
}

/* The only collision that an acceptor can have which never asks for a release itself. */
Test(association, sta8_is_aborted_by_a_second_release_request) {
    await_release();
    send_pdu(PDU_RELEASE_RQ);
    expect_abort(ABORT_UNEXPECTED_PDU);
}

Test(association, sta8_is_aborted_by_p_data) {
    await_release();
    send_p_data("data", 4, CONTROL_LAST);
    expect_abort(ABORT_UNEXPECTED_PDU);
}

Test(association, sta8_answers_a_peer_that_has_closed_its_half) {
    await_release();
    shutdown(peer, SHUT_WR);
    turn();
    answer_object();
    server_catch_up(&server);
    expect_pdu(PDU_P_DATA);
    expect_pdu(PDU_RELEASE_RP);
}

/* --- Sta13: awaiting the peer's close --- */

Test(association, sta13_ignores_what_comes_and_ends_when_the_peer_closes) {
    establish();
    send_pdu(PDU_RELEASE_RQ);
    expect_pdu(PDU_RELEASE_RP);
    send_pdu(PDU_RELEASE_RQ);
    send_p_data("data", 4, CONTROL_LAST);
    cr_assert_eq(a->state, STA13_AWAITING_CLOSE);
    cr_assert_eq(next_pdu(0, NULL), -1, "no further PDU");
    close(peer);
    peer = -1;
    turn();
    cr_assert_eq(a->state, STA1_IDLE);
    cr_assert_eq(association_ending(a), RING__ENDING__ENDING_RELEASED, "the first end counts");
    server_catch_up(&server);
    cr_assert(server_idle(&server));
    cr_assert_eq(server.site.peers.connections, 0);
}

Test(association, sta13_closes_a_peer_that_does_not) {
    establish();
    send_pdu(PDU_RELEASE_RQ);
    rig->stage.settings.release_timeout_ms = 0;
    server_tick(&server);
    cr_assert(server_idle(&server));
}
