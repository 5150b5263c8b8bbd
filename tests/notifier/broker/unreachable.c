/* The address that the log names for a broker that can't be reached. Nobody listens on port 1. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/notifier/site.h"

static site_t site;

static void set_up(void) {
    site_set_up(&site);
}

static void tear_down(void) {
    site_tear_down(&site);
}

TestSuite(unreachable, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

static void expect_named(const char *broker, const char *name) {
    char *said = text_of("no connection to the broker (%s: ", name);
    site.broker = text_of("%s", broker);
    site_start(&site);
    cr_expect(site_await_log(&site, "no connection to the broker", PATIENCE_MS));
    cr_expect(site_await_log(&site, said, 0), "nobody says %s", said);
    free(said);
}

Test(unreachable, brokers_of_amqp_have_their_ipv6_address_in_brackets) {
    expect_named("amqp://[::1]:1", "[::1]:1");
}

Test(unreachable, brokers_of_amqp_have_no_brackets_without_need) {
    expect_named("amqp://127.0.0.1:1", "127.0.0.1:1");
}

Test(unreachable, brokers_of_redis_have_their_ipv6_address_in_brackets) {
    expect_named("redis://[::1]:1", "[::1]:1");
}

Test(unreachable, brokers_of_redis_have_no_brackets_without_need) {
    expect_named("redis://127.0.0.1:1", "127.0.0.1:1");
}
