/* Registrations through a real RabbitMQ. A node takes seconds to start, so one test tells a whole story. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "notifier/broker/rabbitmq_c.h"
#include "notifier/broker/transport.h"
#include "tests/notifier/site.h"
#include "tests/support/queue.h"
#include "tests/support/relay.h"
#include "tests/support/servers.h"

static site_t site;
static rabbitmq_t rabbitmq;

static void set_up(void) {
    site_set_up(&site);
}

static void tear_down(void) {
    site_tear_down(&site);
    if (rabbitmq.pid)
        rabbitmq_stop(&rabbitmq);
}

TestSuite(rabbitmq, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

static void set_address(const char *user_and_password, const char *path) {
    free(site.broker);
    site.broker = text_of("amqp://%s127.0.0.1:%d%s", user_and_password, rabbitmq.port, path);
}

static void send_series(const char *series) {
    site_send_series(&site, series);
}

static void expect_state(const char *series, const char *state) {
    site_expect_state(&site, series, state);
}

static void expect_task(queue_t *queue, const char *series) {
    delivered_t delivered;
    cr_assert(queue_await(queue, &delivered, PATIENCE_MS), "no task for %s", series);
    cr_expect_str_eq(json_string_value(delivered_argument(&delivered, "SeriesInstanceUID")), series);
    cr_expect_eq(json_integer_value(delivered_argument(&delivered, "ndicom")), 1);
    delivered_clear(&delivered);
}

/* Headers and properties are the golden ones, in their types; values that differ each time only in their type. */
static void expect_golden_envelope(queue_t *queue) {
    delivered_t delivered;
    json_t *golden = json_load_file("tests/notifier/cube/celery.json", 0, NULL);
    json_t *wanted = json_object_get(json_object_get(json_object_get(golden, "amqp"), "properties"), "headers");
    cr_assert(queue_await(queue, &delivered, PATIENCE_MS));
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value) {
        json_t *got = json_object_get(delivered.headers, key);
        cr_assert_not_null(got, "no header %s", key);
        cr_expect_eq(json_typeof(got), json_typeof(value), "%s", key);
        if (json_is_null(value) || json_is_array(value) || json_is_integer(value))
            cr_expect(json_equal(got, value), "%s", key);
    }
    cr_expect_eq(json_object_size(delivered.headers), json_object_size(wanted));
    const char *id = json_string_value(json_object_get(delivered.headers, "id"));
    cr_expect_str_eq(json_string_value(json_object_get(delivered.properties, "correlation_id")), id);
    cr_expect_eq(strlen(json_string_value(json_object_get(delivered.properties, "reply_to"))), 36);
    cr_expect_str_eq(json_string_value(json_object_get(delivered.properties, "content_type")), "application/json");
    cr_expect_str_eq(json_string_value(json_object_get(delivered.properties, "content_encoding")), "utf-8");
    cr_expect_eq(json_integer_value(json_object_get(delivered.properties, "delivery_mode")), 2);
    delivered_clear(&delivered);
    json_decref(golden);
}

Test(rabbitmq, absent_then_there_then_gone_then_back) {
    rabbitmq_start(&rabbitmq);
    rabbitmq_pause(&rabbitmq); /* now its port is known and nobody listens on it */
    set_address("", "");
    site_start(&site);
    send_series("1.1");
    expect_state("1.1", "due");
    cr_expect(site_await_log(&site, "no connection to the broker", PATIENCE_MS));

    rabbitmq_start(&rabbitmq);
    queue_t *queue = queue_new(rabbitmq.port, "main2");
    expect_task(queue, "1.1");
    expect_state("1.1", "registered");
    send_series("1.2");
    expect_golden_envelope(queue);
    expect_state("1.2", "registered");
    queue_destroy(&queue);

    rabbitmq_pause(&rabbitmq);
    send_series("1.3");
    cr_expect(site_await_log(&site, "no connection to the broker", PATIENCE_MS));
    expect_state("1.3", "due");
    rabbitmq_start(&rabbitmq);
    queue = queue_new(rabbitmq.port, "main2");
    expect_task(queue, "1.3");
    expect_state("1.3", "registered");
    delivered_t none;
    cr_expect_not(queue_take(queue, &none), "something was registered twice");
    queue_destroy(&queue);
}

static amqp_connection_state_t operator_logs_in(void) {
    amqp_connection_state_t operator= amqp_new_connection();
    cr_assert_eq(amqp_socket_open(amqp_tcp_socket_new(operator), "127.0.0.1", rabbitmq.port), 0);
    amqp_login(operator, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    amqp_channel_open(operator, 1);
    cr_assert_eq(amqp_get_rpc_reply(operator).reply_type, AMQP_RESPONSE_NORMAL);
    return operator;
}

static void operator_logs_out(amqp_connection_state_t operator) {
    amqp_connection_close(operator, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(operator);
}

static void delete_queue(amqp_connection_state_t operator) {
    amqp_queue_delete(operator, 1, amqp_cstring_bytes("main2"), 0, 0);
    cr_assert_eq(amqp_get_rpc_reply(operator).reply_type, AMQP_RESPONSE_NORMAL);
}

/* A queue that Celery would not declare: with room for `most` messages, refusing more. */
static void declare_limited_queue(amqp_connection_state_t operator, int most) {
    amqp_table_entry_t entries[2] = {{.key = amqp_cstring_bytes("x-max-length")},
                                     {.key = amqp_cstring_bytes("x-overflow")}};
    entries[0].value.kind = AMQP_FIELD_KIND_I32;
    entries[0].value.value.i32 = most;
    entries[1].value.kind = AMQP_FIELD_KIND_UTF8;
    entries[1].value.value.bytes = amqp_cstring_bytes("reject-publish");
    amqp_queue_declare(operator, 1, amqp_cstring_bytes("main2"), 0, 1, 0, 0, (amqp_table_t){2, entries});
    cr_assert_eq(amqp_get_rpc_reply(operator).reply_type, AMQP_RESPONSE_NORMAL);
}

Test(rabbitmq, that_returns_or_refuses_a_message_gets_it_again) {
    rabbitmq_start(&rabbitmq);
    set_address("guest:guest@", "//?heartbeat=30");
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));

    /* Nobody has the queue any more: basic.return. */
    amqp_connection_state_t operator= operator_logs_in();
    delete_queue(operator);
    send_series("2.1");
    cr_expect(site_await_log(&site, "returned by the broker: 312", PATIENCE_MS));
    expect_state("2.1", "due");
    /* A queue with other properties than Celery's is used unchanged. This one is full at once: basic.nack. */
    declare_limited_queue(operator, 0);
    send_series("2.2");
    cr_expect(site_await_log(&site, "nack", PATIENCE_MS));
    expect_state("2.2", "due");

    delete_queue(operator);
    declare_limited_queue(operator, 10);
    operator_logs_out(operator);
    expect_state("2.1", "registered");
    expect_state("2.2", "registered");

    site_kill(&site);
    set_address("guest:guest@", "/%2F");
    site_start(&site);
    cr_expect(site_await_log(&site, "the queue is used unchanged: queue: 406", PATIENCE_MS));
    send_series("2.3");
    expect_state("2.3", "registered");

    /* Wrong password: it waits, says so, and does not say the password. */
    site_kill(&site);
    set_address("guest:s3cret@", "/");
    site_start(&site);
    cr_expect(site_await_log(&site, "the broker does not let this user in", PATIENCE_MS));
    cr_expect(site_await_log(&site, "login: 403 ACCESS_REFUSED", 0));
    send_series("2.4");
    expect_state("2.4", "due");
    cr_expect_not(site_await_log(&site, "s3cret", 0));

    /* The second address of two works. */
    site_kill(&site);
    set_address("guest:s3cret@", "");
    char *both = text_of("%s;amqp://127.0.0.1:%d", site.broker, rabbitmq.port);
    free(site.broker);
    site.broker = both;
    site_start(&site);
    expect_state("2.4", "registered");
}

Test(rabbitmq, with_an_alarm_is_waited_for_and_not_taken_for_dead) {
    rabbitmq_start(&rabbitmq);
    set_address("", "");
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
    rabbitmq_alarm(&rabbitmq, true);
    send_series("3.1"); /* RabbitMQ blocks a connection when it publishes */
    cr_expect(site_await_log(&site, "the broker takes nothing for now", PATIENCE_MS));
    send_series("3.2");
    send_series("3.3");
    expect_state("3.2", "due");
    rabbitmq_alarm(&rabbitmq, false);
    cr_expect(site_await_log(&site, "the broker takes messages again", PATIENCE_MS));
    expect_state("3.1", "registered");
    expect_state("3.2", "registered");
    expect_state("3.3", "registered");
    cr_expect_not(site_await_log(&site, "no connection to the broker", 0));
    queue_t *queue = queue_new(rabbitmq.port, "main2");
    expect_task(queue, "3.1");
    expect_task(queue, "3.2");
    expect_task(queue, "3.3");
    queue_destroy(&queue);
}

Test(rabbitmq, that_closes_the_connection_is_connected_to_again) {
    rabbitmq_start(&rabbitmq);
    set_address("", "");
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
    rabbitmq_close_connections(&rabbitmq);
    cr_expect(site_await_log(&site, "closed by the broker: 320", PATIENCE_MS));
    send_series("5.1");
    expect_state("5.1", "registered");
}

/* What the queue holds of each series: how often, always with the same task id. */
typedef struct seen {
    int times;
    char task_id[64];
} seen_t;

static int take_all(queue_t *queue, seen_t *seen, int count) {
    int taken = 0;
    for (delivered_t delivered; queue_take(queue, &delivered); taken++) {
        const char *series = json_string_value(delivered_argument(&delivered, "SeriesInstanceUID"));
        const char *id = json_string_value(json_object_get(delivered.headers, "id"));
        int number = atoi(series + strlen("4."));
        cr_assert(number >= 1 && number <= count, "%s", series);
        if (seen[number].times++ == 0)
            snprintf(seen[number].task_id, sizeof seen[number].task_id, "%s", id);
        cr_expect_str_eq(seen[number].task_id, id, "%s was sent again under another id", series);
        delivered_clear(&delivered);
    }
    return taken;
}

#define CUT_SERIES 60

/* A connection that is cut anywhere in the stream, both ways counted: in the login, in a message, before a confirm.
 */
Test(rabbitmq, behind_a_connection_that_is_cut_anywhere_gets_each_series_and_repeats_only_under_the_same_id) {
    seen_t seen[CUT_SERIES + 1] = {0};
    char series[16];
    unsigned seed = test_seed();
    rabbitmq_start(&rabbitmq);
    relay_t *relay = relay_new(rabbitmq.port);
    relay_cut(relay, seed, 500, 12000);
    site.broker = text_of("amqp://127.0.0.1:%d", relay_port(relay));
    site_start(&site);
    for (int i = 1; i <= CUT_SERIES; i++) {
        snprintf(series, sizeof series, "4.%d", i);
        send_series(series);
    }
    cr_assert(relay_await_cuts(relay, 8, PATIENCE_MS), "seed %u", seed);
    relay_pass(relay);
    cr_assert(
        site_await_query(&site, "SELECT count(*) FROM reception WHERE state = 'registered'", "60", PATIENCE_MS));
    queue_t *queue = queue_new(rabbitmq.port, "main2");
    int taken = take_all(queue, seen, CUT_SERIES);
    for (int i = 1; i <= CUT_SERIES; i++)
        cr_expect_gt(seen[i].times, 0, "4.%d is lost, seed %u", i, seed);
    fprintf(stderr, "seed %u: %d cuts, %d series, %d messages\n", seed, relay_cuts(relay), CUT_SERIES, taken);
    queue_destroy(&queue);
    relay_destroy(&relay);
}

Test(rabbitmq, that_hangs_is_given_up_when_it_does_not_confirm_and_gets_the_series_again) {
    rabbitmq_start(&rabbitmq);
    relay_t *relay = relay_new(rabbitmq.port);
    site.broker = text_of("amqp://127.0.0.1:%d", relay_port(relay));
    site_start(&site);
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
    relay_hang(relay);
    send_series("6.1");
    cr_expect(site_await_log(&site, "the broker did not confirm in time", BROKER_CONFIRM_TIMEOUT_MS + PATIENCE_MS));
    send_series("6.2"); /* reception goes on */
    expect_state("6.1", "due");
    relay_pass(relay);
    expect_state("6.1", "registered");
    expect_state("6.2", "registered");
    relay_destroy(&relay);
}
