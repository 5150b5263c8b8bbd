/* A whole association with the listener's server behind it, over a socket pair. Input: a byte of policy, then
 * steps: a kind, and its data. */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "listener/custody/private.h"
#include "listener/intake.h"
#include "listener/server.h"
#include "listener/ul/placement.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

enum { PROMISCUOUS = 1, UNCOMPRESSED_ONLY = 2, STRICT = 4 };
/* Steps; others send, too. */
enum { STEP_SEND, STEP_ACKNOWLEDGE, STEP_TICK, STEP_HALF_CLOSE, STEP_READ, STEP_KINDS };

static stage_t stage;
static custody_t custody;
static server_t server;

/* What the peer has read, PDU by PDU. */
static struct {
    int fd;
    uint8_t header[PDU_HEADER_BYTES];
    size_t header_size, body_left;
} peer;

static void set_up(void) {
    zsys_init();
    zsys_handler_set(NULL);
    log_start("fuzz", "off", NULL);
    stage = (stage_t){.id = (char *)"listener", .incarnation = 7, .loop = zloop_new()};
    stage.settings.run_dir = (char *)scratch_folder();
    stage.settings.buffer_size_bytes = 4 << 20;
    stage.settings.store_timeout_ms = 60000;
    stage.settings.association_wait_ms = 1000;
    stage.settings.associations_max = 10;
    stage.settings.scp_max_pdu_length = 4096;
    stage.settings.operations_max = 16;
    stage.settings.handshake_timeout_ms = stage.settings.idle_timeout_ms = 60000;
    stage.settings.stall_timeout_ms = stage.settings.release_timeout_ms = 60000;
    stage.settings.min_rate = 1;
    CHECK(custody_start(&custody, &stage) == 0);
    server_init(&server);
    server.site.stage = &stage;
    server.site.custody = &custody;
    server.site.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.site.input = malloc(RECEIVE_BUFFER_BYTES);
}

/* Only PDUs that an acceptor sends, each as long as it says. */
static void read_byte(uint8_t byte) {
    if (peer.body_left > 0) {
        peer.body_left--;
        return;
    }
    peer.header[peer.header_size++] = byte;
    if (peer.header_size < PDU_HEADER_BYTES)
        return;
    peer.header_size = 0;
    const uint8_t type = peer.header[0];
    CHECK(type == PDU_ASSOCIATE_AC || type == PDU_ASSOCIATE_RJ || type == PDU_P_DATA || type == PDU_RELEASE_RP ||
          type == PDU_ABORT);
    peer.body_left =
        (size_t)peer.header[2] << 24 | (size_t)peer.header[3] << 16 | (size_t)peer.header[4] << 8 | peer.header[5];
    CHECK(peer.body_left > 0 && peer.body_left < OUTPUT_MAX_BYTES);
}

static void read_answers(void) {
    uint8_t bytes[4096];
    for (ssize_t got; (got = recv(peer.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            read_byte(bytes[i]);
}

/* The socket has something for the association, as epoll would say. */
static void poke(void) {
    association_t *a = TAILQ_FIRST(&server.site.roster.all);
    if (!a)
        return;
    intake_on_writable(a);
    if (a->connection.reading)
        intake_on_readable(a);
}

/* As if the ring had reported its fate; there is no writer. */
static void finish(uint64_t number, uint32_t status) {
    object_t *object = zhashx_lookup(custody.by_number, &number);
    if (object && !object->failed)
        dispatch_answer(object, (response_t){(uint16_t)status, 0, "fuzz"});
}

static void acknowledge_ends(void) {
    for (ended_t *ended; (ended = TAILQ_FIRST(&custody.ended));) {
        uint64_t association = ended->association;
        Ring__Acknowledged acknowledged = RING__ACKNOWLEDGED__INIT;
        acknowledged.listener = stage.incarnation;
        acknowledged.associations = &association;
        acknowledged.n_associations = 1;
        custody_on_acknowledged(&custody, &acknowledged);
    }
}

static void take_step(reader_t *input, uint8_t kind, uint64_t first_object) {
    reader_t part;
    uint8_t number;
    switch (kind % STEP_KINDS) {
    case STEP_ACKNOWLEDGE:
        if (reader_u8(input, &number))
            finish(first_object + (number & 7), number & 8 ? STATUS_CANNOT_UNDERSTAND : STATUS_SUCCESS);
        break;
    case STEP_TICK:
        server_tick(&server);
        break;
    case STEP_HALF_CLOSE:
        shutdown(peer.fd, SHUT_WR);
        poke();
        break;
    case STEP_READ:
        read_answers();
        break;
    default:
        if (part_next(input, &part) && send(peer.fd, part.at, reader_left(&part), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            poke();
    }
    server_catch_up(&server);
}

/* The peer goes; complete objects are acknowledged; nothing may stay. */
static void end_session(uint64_t first_object) {
    read_answers();
    close(peer.fd);
    poke();
    association_t *a = TAILQ_FIRST(&server.site.roster.all);
    if (a)
        intake_on_hangup(a);
    for (uint64_t object = first_object; object <= custody.objects_begun; object++)
        finish(object, STATUS_SUCCESS);
    server_catch_up(&server);
    for (int turn = 0; turn < 2; turn++) {
        poke();
        server_tick(&server);
        server_catch_up(&server);
    }
    CHECK(server_idle(&server) && server.site.roster.served_count == 0 && server.site.peers.connections == 0);
    acknowledge_ends();
    CHECK(custody_idle(&custody) && custody.budget->held_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!stage.loop)
        set_up();
    reader_t input = reader_over(data, size);
    uint8_t policy, kind;
    int pair[2];
    if (!reader_u8(&input, &policy))
        return 0;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    memset(&peer, 0, sizeof peer);
    peer.fd = pair[0];
    stage.settings.scp_promiscuous = policy & PROMISCUOUS;
    stage.settings.scp_uncompressed_only = policy & UNCOMPRESSED_ONLY;
    stage.settings.scp_strict = policy & STRICT;
    peers_add(&server.site.peers, &in6addr_loopback);
    association_t *a = association_new(&server.site, pair[1], ++server.accepted_count, &in6addr_loopback, "peer");
    CHECK(a);
    uint64_t first_object = custody.objects_begun + 1;
    while (reader_u8(&input, &kind))
        take_step(&input, kind, first_object);
    end_session(first_object);
    return 0;
}
