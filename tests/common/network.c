#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "common/network.h"

static struct in6_addr address_of(const char *text) {
    struct sockaddr_storage storage = {.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
    void *to = storage.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&storage)->sin6_addr
                                             : (void *)&((struct sockaddr_in *)&storage)->sin_addr;
    cr_assert_eq(inet_pton(storage.ss_family, text, to), 1, "%s", text);
    return network_address_of(&storage);
}

static bool contains(const char *list, const char *address) {
    struct in6_addr binary = address_of(address);
    cr_assert(networks_valid(list), "%s", list);
    return networks_contain(list, &binary);
}

Test(networks, contain_the_addresses_of_their_prefix) {
    cr_assert(contains("10.1.0.0/16", "10.1.255.3"));
    cr_assert_not(contains("10.1.0.0/16", "10.2.0.0"));
    cr_assert(contains("10.1.2.128/25", "10.1.2.200"));
    cr_assert_not(contains("10.1.2.128/25", "10.1.2.127"));
    cr_assert(contains("192.168.1.77/24", "192.168.1.3"), "bits behind the prefix do not count");
    cr_assert(contains("0.0.0.0/0", "255.255.255.255"));
    cr_assert(contains("127.0.0.1", "127.0.0.1"));
    cr_assert_not(contains("127.0.0.1", "127.0.0.2"), "one address");
    cr_assert(contains("fd00::/8", "fdff::1"));
    cr_assert_not(contains("fd00::/8", "fe80::1"));
    cr_assert(contains("2001:db8::/33", "2001:db8:7fff::"));
    cr_assert_not(contains("2001:db8::/33", "2001:db8:8000::"));
}

/* A peer that comes by IPv4 to a socket of both families is ::ffff:a.b.c.d there. */
Test(networks, know_ipv4_addresses_by_either_form) {
    cr_assert(contains("10.1.0.0/16", "::ffff:10.1.2.3"));
    cr_assert(contains("::ffff:10.1.0.0/112", "10.1.2.3"));
    cr_assert(contains("::/0", "10.1.2.3"));
    cr_assert_not(contains("0.0.0.0/0", "::1"), "all of IPv4 is not IPv6");
}

Test(networks, are_lists_of_any_of_them) {
    cr_assert(contains("10.0.0.0/8, fd00::/8 ,127.0.0.1", "127.0.0.1"));
    cr_assert(contains("10.0.0.0/8, fd00::/8 ,127.0.0.1", "fd00::1"));
    cr_assert_not(contains("10.0.0.0/8, fd00::/8 ,127.0.0.1", "11.0.0.1"));
}

Test(networks, are_refused_where_they_are_none) {
    static const char *const bad[] = {"",
                                      ",",
                                      "10.0.0.0/33",
                                      "10.0.0/8",
                                      "fd00::/129",
                                      "10.0.0.0/",
                                      "host/8",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8x",
                                      "1.2.3.4,",
                                      "1.2.3.4/ 8",
                                      "1.2.3.4,,5.6.7.8",
                                      "0000:0000:0000:0000:0000:ffff:255.255.255.255:0000/128"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(networks_valid(bad[i]), "%s", bad[i]);
}

static const char *place_of(const char *host, const char *port) {
    static char place[NETWORK_PLACE_BYTES];
    network_place(host, port, place);
    return place;
}

Test(networks, put_an_ipv6_address_in_brackets_before_its_port) {
    cr_expect_str_eq(place_of("::1", "1"), "[::1]:1");
    cr_expect_str_eq(place_of("fe80::1%eth0", "5672"), "[fe80::1%eth0]:5672");
    cr_expect_str_eq(place_of("127.0.0.1", "65535"), "127.0.0.1:65535");
    cr_expect_str_eq(place_of("queue", "5672"), "queue:5672");
}

Test(networks, cut_a_long_name_and_keep_its_port) {
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    cr_expect_eq(strlen(place_of(name, "5672")), 100 + strlen(":5672"));
    name[0] = ':';
    cr_expect_str_eq(place_of(name, "5672") + 100, "n]:5672");
}

Test(networks, know_a_port_that_can_be_connected_to) {
    static const char *const good[] = {"1", "4222", "65535", "0080"};
    static const char *const bad[] = {"", "0", "65536", "99999999999999999999", "-1", "+1", " 1", "1x", "amqp"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(network_is_port(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(network_is_port(bad[i], strlen(bad[i])), "%s", bad[i]);
    cr_expect(network_is_port("4222,x", 4), "the size ends it");
}
