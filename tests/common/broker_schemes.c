#include "common/broker_schemes.h"

#include <criterion/criterion.h>

#include "tests/support/process.h"
#include "tests/support/receiver.h"

#define FORM(form, ...) form,
static const char *const FORMS[] = {BROKER_SCHEMES(FORM)};
#define KINDS ((int)(sizeof FORMS / sizeof *FORMS))

Test(broker_schemes, tell_each_form_from_all_others) {
    for (int i = 0; i < KINDS; i++)
        cr_expect_eq(broker_scheme_of(FORMS[i]), i, "%s", FORMS[i]);
    static const char *const none[] = {"",        "amqp",         "amqp:/", "amqp:host",
                                       "AMQP://", "redis+tls://", "sqs://", " amqp://"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_eq(broker_scheme_of(none[i]), -1, "%s", none[i]);
}

Test(broker_schemes, are_named_in_spans_by_who_is_behind_them) {
    cr_expect_str_eq(BROKERS[broker_scheme_of("amqps://")].system, "rabbitmq");
    cr_expect_str_eq(BROKERS[broker_scheme_of("unix:///run/redis.sock")].system, "redis");
    cr_expect_str_eq(BROKERS[broker_scheme_of("redis+socket:///run/redis.sock")].system, "redis");
    cr_expect_str_eq(BROKERS[broker_scheme_of("filesystem:///queue")].system, "filesystem");
}

Test(broker_schemes, that_are_folders_are_told_with_their_path) {
    cr_expect(BROKERS[broker_scheme_of("filesystem:///queue")].is_folder);
    cr_expect_str_eq(broker_scheme_rest("filesystem:///queue"), "/queue");
    cr_expect_not(BROKERS[broker_scheme_of("unix:///run/redis.sock")].is_folder);
}

Test(broker_schemes, are_all_in_the_operators_document) {
    size_t size;
    char *document = file_content("deploy/OPERATING.md", &size), *table = strstr(document, "\n## Brokers\n");
    cr_assert_not_null(table);
    *strstr(table + 1, "\n## ") = 0;
    for (int i = 0; i < KINDS; i++) {
        char *scheme = text_of("`%.*s", (int)(broker_scheme_rest(FORMS[i]) - FORMS[i]), FORMS[i]);
        cr_expect(strstr(table, scheme), "%s", scheme);
        free(scheme);
    }
    free(document);
}
