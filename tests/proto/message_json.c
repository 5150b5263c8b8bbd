/* Messages of the ring as JSON. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "proto/message_json.h"
#include "proto/ring.h"

static void expect_json(const ProtobufCMessage *message, message_json_form_t form, const char *expected) {
    json_t *json = message_json(message, form);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    cr_expect_str_eq(text, expected);
    free(text);
    json_decref(json);
}

Test(message_json, of_no_message_is_null) {
    expect_json(NULL, MESSAGE_JSON_PLAIN, "null");
}

Test(message_json, has_every_field_under_its_name) {
    Ring__Connection connection = RING__CONNECTION__INIT;
    connection.wanted = true;
    connection.since = 1234567;
    connection.why = (char *)"m\xFC"
                             "de"; /* Latin-1 */
    expect_json(&connection.base, MESSAGE_JSON_PLAIN,
                "{\"wanted\":true,\"connected\":false,\"since\":1234567,\"why\":\"m\u00fcde\"}");
}

Test(message_json, that_people_read_has_times_and_null_for_what_is_not_there) {
    Ring__Connection connection = RING__CONNECTION__INIT;
    connection.since = 1234567;
    expect_json(&connection.base, MESSAGE_JSON_READABLE,
                "{\"wanted\":false,\"connected\":false,\"since\":\"1970-01-01T00:20:34.567Z\",\"why\":null}");
    connection.since = 0;
    expect_json(&connection.base, MESSAGE_JSON_READABLE,
                "{\"wanted\":false,\"connected\":false,\"since\":null,\"why\":null}");
}

Test(message_json, has_lists_of_numbers_and_of_messages) {
    Ring__StateCount a = RING__STATE_COUNT__INIT, b = RING__STATE_COUNT__INIT;
    Ring__StateCount *states[] = {&a, &b};
    Ring__JournalStatus journal = RING__JOURNAL_STATUS__INIT;
    a.state = (char *)"due";
    a.receptions = UINT32_MAX + 1ULL;
    journal.states = states;
    journal.n_states = 2;
    expect_json(
        &journal.base, MESSAGE_JSON_PLAIN,
        "{\"path\":\"\",\"bytes\":0,\"schema\":0,\"states\":[{\"state\":\"due\",\"receptions\":4294967296},"
        "{\"state\":\"\",\"receptions\":0}],\"oldest_due_at\":0,\"oldest_due_series\":\"\",\"refuses\":false}");
    uint64_t buckets[] = {1, 2, 3};
    Ring__MetricValue figure = RING__METRIC_VALUE__INIT;
    figure.value = -1;
    figure.buckets = buckets;
    figure.n_buckets = 3;
    expect_json(&figure.base, MESSAGE_JSON_PLAIN,
                "{\"name\":\"\",\"label\":\"\",\"value\":-1,\"buckets\":[1,2,3]}");
}
