#include "listener/ul/admission.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "listener/net/peers.h"
#include "tests/listener/ul/request.h"

/* What a request of CALLING to CALLED is refused for: 256 * source + reason; 0: nothing. */
static int refusal_of(const settings_t *settings, uint16_t version, size_t contexts) {
    request_t *r = request_begin();
    associate_rq_t rq;
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    rq.protocol_version = version;
    rq.contexts_count = contexts;
    const rejection_t *rejection = admission_rejection(settings, &rq, "CALLED", "CALLING");
    associate_rq_clear(&rq);
    free(r);
    cr_assert(!rejection || rejection->result == REJECTED_PERMANENT);
    return rejection ? rejection->source << 8 | rejection->reason : 0;
}

static char *text(const char *constant) {
    return (char *)(uintptr_t)constant;
}

Test(admission, is_for_everybody_unless_told_otherwise) {
    cr_assert_eq(refusal_of(&(settings_t){.scp_aet = text("ChRIS")}, 1, 1), 0);
}

Test(admission, is_for_the_calling_titles_that_are_listed) {
    cr_assert_eq(refusal_of(&(settings_t){.allow_calling_aets = text("OTHER, CALLING")}, 1, 1), 0);
    cr_assert_eq(refusal_of(&(settings_t){.allow_calling_aets = text("CALLIN,CALLING2,calling")}, 1, 1), 0x103);
}

Test(admission, is_for_those_who_call_by_the_right_title_where_that_is_required) {
    settings_t s = {.require_called_aet = true, .scp_aet = text("CALLED")};
    cr_assert_eq(refusal_of(&s, 1, 1), 0);
    s.scp_aet = text("ChRIS");
    cr_assert_eq(refusal_of(&s, 1, 1), 0x107);
}

Test(admission, is_refused_for_another_protocol_or_too_many_contexts) {
    settings_t s = {0};
    cr_assert_eq(refusal_of(&s, 2, 1), 0x202);
    cr_assert_eq(refusal_of(&s, 3, 1), 0);
    cr_assert_eq(refusal_of(&s, 1, PRESENTATION_CONTEXTS_MAX), 0);
    cr_assert_eq(refusal_of(&s, 1, PRESENTATION_CONTEXTS_MAX + 1), 0x302);
}

static struct in6_addr address(const char *text) {
    struct in6_addr address;
    cr_assert_eq(inet_pton(AF_INET6, text, &address), 1);
    return address;
}

Test(peers, are_counted_by_address) {
    peers_t peers;
    struct in6_addr a = address("::ffff:10.1.2.3"), b = address("::ffff:10.1.2.4");
    peers_start(&peers);
    cr_assert_eq(peers_add(&peers, &a), 1);
    cr_assert_eq(peers_add(&peers, &a), 2);
    cr_assert_eq(peers_add(&peers, &b), 1);
    peers_remove(&peers, &a);
    cr_assert_eq(peers_add(&peers, &a), 2);
    peers_remove(&peers, &b);
    cr_assert_eq(zhashx_size(peers.by_address), 1, "an address without connections is forgotten");
    peers_clear(&peers);
}

Test(peers, of_one_ipv6_network_of_64_bits_count_as_one_address) {
    peers_t peers;
    struct in6_addr a = address("fd00::1"), b = address("fd00::2:3:4:5"), c = address("fd00:0:0:1::1");
    peers_start(&peers);
    peers_add(&peers, &a);
    cr_assert_eq(peers_add(&peers, &b), 2);
    cr_assert_eq(peers_add(&peers, &c), 1);
    peers_serve(&peers, &a, 1);
    cr_assert_eq(peers_served(&peers, &b), 1);
    peers_serve(&peers, &b, -1);
    cr_assert_eq(peers_served(&peers, &a), 0);
    peers_clear(&peers);
}

Test(peers, are_called_by_address_and_port) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(104)};
    struct sockaddr_storage storage = {0};
    char name[PEER_NAME_BYTES];
    cr_assert_eq(inet_pton(AF_INET6, "fd00::1", &v6.sin6_addr), 1);
    memcpy(&storage, &v6, sizeof v6);
    peer_name(&storage, sizeof v6, name);
    cr_assert_str_eq(name, "[fd00::1]:104");
    cr_assert_eq(inet_pton(AF_INET6, "::ffff:10.1.2.3", &v6.sin6_addr), 1);
    memcpy(&storage, &v6, sizeof v6);
    peer_name(&storage, sizeof v6, name);
    cr_assert_str_eq(name, "10.1.2.3:104");
}
