#include <criterion/criterion.h>

#include "notifier/broker/redis_address.h"

static const broker_tls_t TRUST = {"/ca", "/certificate", "/key", true};

/* What an address means, in one line: user password host port path database tls. */
static const char *meaning_of(const char *text) {
    static char meaning[512];
    redis_address_t a;
    if (redis_address_parse(&a, text, &TRUST))
        snprintf(meaning, sizeof meaning, "%s %s %s %s %s %s%s", a.user ? a.user : "-",
                 a.password ? a.password : "-", a.host ? a.host : "-", a.port ? a.port : "-", a.path ? a.path : "-",
                 a.database, a.tls ? " tls" : "");
    else
        strcpy(meaning, "none");
    redis_address_clear(&a);
    return meaning;
}

Test(redis_address, means_what_it_means_to_kombu) {
    static const char *const cases[][2] = {
        {"redis://", "- - 127.0.0.1 6379 - 0"},
        {"redis://queue", "- - queue 6379 - 0"},
        {"redis://queue:1234/5", "- - queue 1234 - 5"},
        {"redis://queue:/", "- - queue 6379 - 0"},
        {"redis://:secret@queue", "- secret queue 6379 - 0"},
        {"redis://cube:secret@queue", "cube secret queue 6379 - 0"},
        {"redis://cube@queue", "cube - queue 6379 - 0"},
        {"redis://cube:a%40b%3Ac%2fd%25@queue", "cube a@b:c/d% queue 6379 - 0"},
        {"redis://cube:a@b@queue", "cube a@b queue 6379 - 0"},
        {"redis://:50%@queue", "- 50% queue 6379 - 0"},
        {"rediss://[::1]:1234/5", "- - ::1 1234 - 5 tls"},
        {"redis://queue?db=3&socket_timeout=5&x", "- - queue 6379 - 3"},
        {"redis://queue/2?virtual_host=/3", "- - queue 6379 - 3"},
        {"unix:///run/redis.sock", "- - - - /run/redis.sock 0"},
        {"unix://cube:secret@/run/a%20b?db=7", "cube secret - - /run/a b 7"},
        {"redis+socket:///run/redis.sock?virtual_host=7", "- - - - /run/redis.sock 7"},
        {"redis+socket://:secret@/run/redis.sock", "- secret - - /run/redis.sock 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(meaning_of(cases[i][0]), cases[i][1], "%s: %s", cases[i][0], meaning_of(cases[i][0]));
}

Test(redis_address, of_another_form_is_none) {
    static const char *const bad[] = {
        "redis://queue/cube",   "redis://queue/-1",      "redis://queue/99999999999",
        "redis://queue:12x",    "redis://queue:99999",   "redis://queue:0",
        "redis://cube:secret@", "redis://:secret@/5",    "rediss://cube:secret@:1234",
        "redis://[::1",         "redis://[::1]x",        "redis://:a%00b@queue",
        "redis://queue?db=x",   "unix://run/redis.sock", "unix://",
        "redis://q?db=%00",     "unix:///a%00b",         "rediss://q?ssl_cert_reqs=maybe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_str_eq(meaning_of(bad[i]), "none", "%s: %s", bad[i], meaning_of(bad[i]));
}

Test(redis_address, has_the_trust_of_the_settings_unless_its_options_say_otherwise) {
    redis_address_t a;
    cr_assert(redis_address_parse(&a, "rediss://queue?ssl_cert_reqs=CERT_REQUIRED", &TRUST));
    cr_expect_str_eq(a.trust.ca, "/ca");
    cr_expect_str_eq(a.trust.certificate, "/certificate");
    cr_expect_str_eq(a.trust.key, "/key");
    cr_expect(a.trust.verify);
    redis_address_clear(&a);
    cr_assert(redis_address_parse(
        &a, "rediss://queue?ssl_cert_reqs=none&ssl_ca_certs=%2Fa%20b&ssl_certfile=/c&ssl_keyfile=/d", &TRUST));
    cr_expect_str_eq(a.trust.ca, "/a b");
    cr_expect_str_eq(a.trust.certificate, "/c");
    cr_expect_str_eq(a.trust.key, "/d");
    cr_expect_not(a.trust.verify);
    redis_address_clear(&a);
}
