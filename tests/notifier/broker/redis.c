/* Registrations through a real Redis: where kombu looks for them, in order, through every refusal of a server. */
#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>

#include "notifier/broker/transport.h"
#include "tests/notifier/site.h"
#include "tests/support/fake_server.h"
#include "tests/support/faults.h"
#include "tests/support/receiver.h"
#include "tests/support/relay.h"
#include "tests/support/servers.h"

static site_t site;
static redis_server_t redis;
static relay_t *relay;
static fake_server_t *fake;

static void set_up(void) {
    site_set_up(&site);
}

static void tear_down(void) {
    site_tear_down(&site);
    relay_destroy(&relay);
    fake_server_destroy(&fake);
    if (redis.folder)
        redis_stop(&redis);
}

TestSuite(redis, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* Starts the notifier with this address; takes it. */
static void start_with(char *address) {
    free(site.broker);
    site.broker = address;
    site_start(&site);
}

static void start_at_the_port(int port, const char *user_and_password, const char *path) {
    start_with(text_of("redis://%s127.0.0.1:%d%s", user_and_password, port, path));
    cr_assert(site_await_log(&site, "connected to the broker", PATIENCE_MS));
}

/* --- the operator's side ------------------------------------------------------------------------------- */

static redisContext *operator_connects(const char *password) {
    redisContext *operator= redisConnect("127.0.0.1", redis.port);
    cr_assert(operator&& operator->err == 0);
    if (password)
        freeReplyObject(redisCommand(operator, "AUTH %s", password));
    return operator;
}

static redisReply *ask(redisContext *operator, const char * format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(operator, format, arguments);
    va_end(arguments);
    cr_assert_not_null(reply, "%s", operator->errstr);
    cr_assert_neq(reply->type, REDIS_REPLY_ERROR, "%s: %s", format, reply->str);
    return reply;
}

static void tell(redisContext *operator, const char * command) {
    freeReplyObject(ask(operator, command));
}

/* The oldest message of a list, taken as a worker takes it; NULL: none. */
static json_t *take(redisContext *operator, const char * list) {
    redisReply *reply = ask(operator, "RPOP %s", list);
    json_t *envelope = reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
    cr_assert(envelope || reply->type == REDIS_REPLY_NIL, "a message that is no JSON");
    freeReplyObject(reply);
    return envelope;
}

static json_t *body_of(json_t *envelope) {
    const char *encoded = json_string_value(json_object_get(envelope, "body"));
    char *text = calloc(1, strlen(encoded) + 1);
    cr_assert_geq(EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)encoded, (int)strlen(encoded)), 0);
    json_t *body = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    cr_assert_not_null(body);
    free(text);
    return body;
}

/* Takes a message and checks its series. */
static void expect_task(redisContext *operator, const char * list, const char *series) {
    json_t *envelope = take(operator, list);
    cr_assert_not_null(envelope, "no task for %s", series);
    json_t *body = body_of(envelope), *arguments = json_array_get(body, 1);
    cr_expect_str_eq(json_string_value(json_object_get(arguments, "SeriesInstanceUID")), series);
    cr_expect_eq(json_integer_value(json_object_get(arguments, "ndicom")), 1);
    json_decref(body);
    json_decref(envelope);
}

static void expect_bound(redisContext *operator, const char * bindings) {
    redisReply *members = ask(operator, "SMEMBERS %s", bindings);
    cr_assert_eq(members->elements, 1, "%s", bindings);
    cr_expect_str_eq(members->element[0]->str, "main2\x06\x16\x06\x16main2");
    freeReplyObject(members);
}

static void expect_empty(redisContext *operator, const char * list) {
    json_t *envelope = take(operator, list);
    cr_expect_null(envelope, "something was registered twice");
    json_decref(envelope);
}

static void expect_same_types(json_t *got, json_t *wanted, const char *where) {
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value) {
        json_t *other = json_object_get(got, key);
        cr_assert_not_null(other, "no %s in %s", key, where);
        cr_expect_eq(json_typeof(other), json_typeof(value), "%s in %s", key, where);
        if (json_is_object(value))
            expect_same_types(other, value, key);
        else if (!json_is_string(value))
            cr_expect(json_equal(other, value), "%s in %s", key, where);
    }
    cr_expect_eq(json_object_size(got), json_object_size(wanted), "%s", where);
}

/* --- through thick and thin ------------------------------------------------------------------------------ */

Test(redis, that_is_absent_then_there_then_gone_then_back_gets_every_series_where_kombu_looks_for_it) {
    redis_start(&redis, NULL);
    redis_pause(&redis, SIGTERM); /* now its port is known and nobody listens on it */
    start_with(text_of("redis://127.0.0.1:%d", redis.port));
    site_send_series(&site, "1.1");
    cr_expect(site_await_log(&site, "no connection to the broker", PATIENCE_MS));
    site_expect_state(&site, "1.1", "due");

    redis_start(&redis, NULL);
    site_expect_state(&site, "1.1", "registered");
    redisContext *operator= operator_connects(NULL);
    expect_bound(operator, "_kombu.binding.main2");
    expect_task(operator, "main2", "1.1");
    tell(operator, "FLUSHALL");
    site_send_series(&site, "1.2");
    site_expect_state(&site, "1.2", "registered");
    expect_bound(operator, "_kombu.binding.main2");
    redisFree(operator);

    redis_pause(&redis, SIGKILL);
    site_send_series(&site, "1.3");
    site_expect_state(&site, "1.3", "due");
    redis_start(&redis, NULL);
    site_expect_state(&site, "1.3", "registered");
    operator= operator_connects(NULL);
    expect_task(operator, "main2", "1.2");
    expect_task(operator, "main2", "1.3");
    expect_empty(operator, "main2");
    redisFree(operator);
}

Test(redis, gets_the_envelope_of_celery_itself) {
    json_t *golden = json_load_file("tests/notifier/cube/celery.json", 0, NULL);
    json_t *wanted = json_array_get(json_object_get(json_object_get(golden, "redis"), "main2"), 0);
    redis_start(&redis, NULL);
    start_at_the_port(redis.port, "", "");
    site_send_series(&site, "1.4");
    site_expect_state(&site, "1.4", "registered");
    redisContext *operator= operator_connects(NULL);
    json_t *envelope = take(operator, "main2");
    cr_assert_not_null(envelope);
    expect_same_types(envelope, wanted, "the envelope");
    json_t *properties = json_object_get(envelope, "properties");
    cr_expect(json_equal(json_object_get(properties, "delivery_info"),
                         json_object_get(json_object_get(wanted, "properties"), "delivery_info")));
    cr_expect(json_equal(json_object_get(properties, "correlation_id"),
                         json_object_get(json_object_get(envelope, "headers"), "id")));
    json_decref(envelope);
    json_decref(golden);
    redisFree(operator);
}

Test(redis, is_spoken_to_as_a_user_in_a_database_under_a_prefix) {
    redis_start(&redis, (const char *const[]){"--user", "cube", "on", ">s3:c/ret@", "~*", "+@all", "--requirepass",
                                              "0ther", NULL});
    site.more = (const char *const[]){"OXIDICOM_REDIS_KEY_PREFIX", "chris:", NULL};
    start_at_the_port(redis.port, "cube:s3%3Ac%2Fret%40@", "/3");
    site_send_series(&site, "2.1");
    site_expect_state(&site, "2.1", "registered");
    redisContext *operator= operator_connects("0ther");
    tell(operator, "SELECT 3");
    expect_bound(operator, "chris:_kombu.binding.main2");
    expect_task(operator, "chris:main2", "2.1");
    redisFree(operator);
}

static void expect_nothing_secret(void) {
    static const char *const secrets[] = {"s3cret", "s3%63ret"};
    char *command_line = text_of("/proc/%d/cmdline", (int)site.notifier);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        FILE *file = fopen(command_line, "r");
        char text[4096] = "";
        cr_assert(file && fread(text, 1, sizeof text - 1, file) > 0);
        fclose(file);
        cr_expect_not(site_await_log(&site, secrets[i], 0), "the log has %s", secrets[i]);
        cr_expect_null(memmem(text, sizeof text, secrets[i], strlen(secrets[i])));
    }
    free(command_line);
}

Test(redis, that_refuses_a_password_is_told_apart_from_one_that_is_away_and_the_password_is_not_told) {
    redis_start(&redis, (const char *const[]){"--requirepass", "0ther", NULL});
    site.more = (const char *const[]){"RUST_LOG", "trace", NULL};
    start_with(text_of("redis://:s3%%63ret@127.0.0.1:%d", redis.port));
    cr_expect(site_await_log(&site, "the broker does not let this user in", PATIENCE_MS));
    cr_expect(site_await_log(&site, "AUTH: WRONGPASS", 0));
    site_send_series(&site, "2.2");
    site_expect_state(&site, "2.2", "due");
    expect_nothing_secret();
    site_kill(&site);
    start_with(text_of("redis://127.0.0.1:%d", redis.port));
    cr_expect(site_await_log(&site, "SADD: NOAUTH", PATIENCE_MS));
    site_kill(&site);
    start_with(text_of("redis://:s3cret@127.0.0.1:%d;redis://:0ther@127.0.0.1:%d", redis.port, redis.port));
    site_expect_state(&site, "2.2", "registered");
    expect_nothing_secret();
}

/* A server that does not know AUTH repeats its arguments. */
Test(redis, that_repeats_the_password_in_an_error_does_not_get_it_into_the_log) {
    fake = fake_server_new("-ERR unknown command 'AUTH', with args beginning with: 's3cret' \r\n", "");
    site.more = (const char *const[]){"RUST_LOG", "trace", NULL};
    start_with(text_of("redis://:s3cret@127.0.0.1:%d", fake_server_port(fake)));
    cr_expect(site_await_log(&site, "AUTH: ERR unknown command 'AUTH'", PATIENCE_MS));
    expect_nothing_secret();
}

/* Sends series while Redis takes nothing for this reason, then ends that. */
static void expect_waiting(redisContext *operator, const char * begin, const char *end, const char *why,
                           int first) {
    char series[16];
    tell(operator, begin);
    for (int i = first; i < first + 5; i++) {
        snprintf(series, sizeof series, "3.%d", i);
        site_send_series(&site, series);
    }
    cr_expect(site_await_log(&site, why, PATIENCE_MS), "nobody says %s", why);
    site_expect_state(&site, series, "due");
    tell(operator, end);
    site_expect_state(&site, series, "registered");
    for (int i = first; i < first + 5; i++) {
        snprintf(series, sizeof series, "3.%d", i);
        site_expect_state(&site, series, "registered");
        expect_task(operator, "main2", series);
    }
    expect_empty(operator, "main2");
}

Test(redis, that_is_full_or_a_replica_gets_each_series_once_and_in_order_when_it_takes_them) {
    redis_start(&redis, NULL);
    redisContext *operator= operator_connects(NULL);
    start_at_the_port(redis.port, "", "");
    expect_waiting(operator, "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM command not allowed", 1);
    char *replicate = text_of("REPLICAOF 127.0.0.1 %d", free_port());
    expect_waiting(operator, replicate, "REPLICAOF NO ONE", "READONLY You can't write", 11);
    free(replicate);
    redisFree(operator);
}

Test(redis, where_the_queue_is_something_else_rejects_that_series_and_gets_it_again) {
    redis_start(&redis, NULL);
    redisContext *operator= operator_connects(NULL);
    start_at_the_port(redis.port, "", "");
    tell(operator, "SET main2 occupied");
    site_send_series(&site, "4.1");
    cr_expect(site_await_log(&site, "series 4.1 is not registered yet: WRONGTYPE", PATIENCE_MS));
    tell(operator, "DEL main2");
    site_expect_state(&site, "4.1", "registered");
    expect_task(operator, "main2", "4.1");
    redisFree(operator);
}

Test(redis, is_reached_over_a_unix_socket) {
    redis_start(&redis, (const char *const[]){"--requirepass", "s3cret", NULL});
    redisContext *operator= operator_connects("s3cret");
    tell(operator, "SELECT 2");
    start_with(text_of("unix://:s3cret@%s?db=2", redis.socket));
    site_send_series(&site, "5.1");
    site_expect_state(&site, "5.1", "registered");
    expect_task(operator, "main2", "5.1");
    site_kill(&site);
    start_with(text_of("redis+socket://:s3cret@%s?virtual_host=2", redis.socket));
    site_send_series(&site, "5.2");
    site_expect_state(&site, "5.2", "registered");
    expect_task(operator, "main2", "5.2");
    redisFree(operator);
}

/* --- bad connections ------------------------------------------------------------------------------------- */

#define CUT_SERIES 60

/* What the list holds of each series: how often, always with the same task id. Returns how many messages. */
static int take_all(redisContext *operator, int * times, int count) {
    char ids[CUT_SERIES + 1][64];
    int taken = 0;
    for (json_t *envelope; (envelope = take(operator, "main2")); taken++) {
        json_t *body = body_of(envelope);
        const char *series = json_string_value(json_object_get(json_array_get(body, 1), "SeriesInstanceUID"));
        const char *id = json_string_value(json_object_get(json_object_get(envelope, "headers"), "id"));
        int number = atoi(series + strlen("6."));
        cr_assert(number >= 1 && number <= count, "%s", series);
        if (times[number]++ == 0)
            snprintf(ids[number], sizeof ids[number], "%s", id);
        cr_expect_str_eq(ids[number], id, "%s was sent again under another id", series);
        json_decref(body);
        json_decref(envelope);
    }
    return taken;
}

Test(redis, behind_a_connection_that_is_cut_anywhere_gets_each_series_and_repeats_only_under_the_same_id) {
    int times[CUT_SERIES + 1] = {0};
    char series[16];
    unsigned seed = test_seed();
    redis_start(&redis, NULL);
    relay = relay_new(redis.port);
    relay_cut(relay, seed, 100, 12000);
    start_with(text_of("redis://127.0.0.1:%d", relay_port(relay)));
    for (int i = 1; i <= CUT_SERIES; i++) {
        snprintf(series, sizeof series, "6.%d", i);
        site_send_series(&site, series);
    }
    cr_assert(relay_await_cuts(relay, 8, PATIENCE_MS), "seed %u", seed);
    relay_pass(relay);
    cr_assert(
        site_await_query(&site, "SELECT count(*) FROM reception WHERE state = 'registered'", "60", PATIENCE_MS));
    redisContext *operator= operator_connects(NULL);
    int taken = take_all(operator, times, CUT_SERIES);
    for (int i = 1; i <= CUT_SERIES; i++)
        cr_expect_gt(times[i], 0, "6.%d is lost, seed %u", i, seed);
    fprintf(stderr, "seed %u: %d cuts, %d series, %d messages\n", seed, relay_cuts(relay), CUT_SERIES, taken);
    redisFree(operator);
}

Test(redis, that_hangs_is_given_up_when_it_does_not_confirm_and_gets_the_series_again) {
    redis_start(&redis, NULL);
    relay = relay_new(redis.port);
    start_at_the_port(relay_port(relay), "", "");
    relay_hang(relay);
    site_send_series(&site, "7.1");
    cr_expect(site_await_log(&site, "the broker did not confirm in time", BROKER_CONFIRM_TIMEOUT_MS + PATIENCE_MS));
    site_send_series(&site, "7.2"); /* reception goes on */
    site_expect_state(&site, "7.1", "due");
    relay_pass(relay);
    site_expect_state(&site, "7.1", "registered");
    site_expect_state(&site, "7.2", "registered");
}

/* --- servers that are not ready, or none of Redis -------------------------------------------------------- */

/* A server's answer to the first command, and the complaint about it; reception goes on. */
static void expect_answer(const char *answer, const char *filler, const char *said) {
    fake = fake_server_new(answer, filler);
    start_with(text_of("redis://127.0.0.1:%d", fake_server_port(fake)));
    cr_expect(site_await_log(&site, said, PATIENCE_MS), "nobody says %s", said);
    site_send_series(&site, "8.1");
    site_expect_state(&site, "8.1", "due");
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
}

Test(redis, that_loads_its_data_is_waited_for) {
    expect_answer("-LOADING Redis is loading the dataset in memory\r\n", "",
                  "no connection to the broker (127.0.0.1:");
    cr_expect(site_await_log(&site, "SADD: LOADING Redis is loading", 0));
}

Test(redis, that_can_not_write_to_its_disk_is_waited_for) {
    expect_answer("-MISCONF Redis is configured to save RDB snapshots\r\n", "",
                  "SADD: MISCONF Redis is configured");
}

Test(redis, with_too_many_clients_is_waited_for) {
    expect_answer("-ERR max number of clients reached\r\n", "", "SADD: ERR max number of clients");
}

Test(redis, that_answers_with_a_list_of_thousand_million_elements_costs_no_memory) {
    expect_answer("*1000000000\r\n", "", "it does not answer as Redis does");
}

Test(redis, that_answers_without_end_costs_no_memory) {
    expect_answer("+", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                  "it does not answer as Redis does: too much");
}

Test(redis, that_speaks_something_else_is_no_broker) {
    expect_answer("HTTP/1.1 400 Bad Request\r\n\r\n", "", "it does not answer as Redis does");
}

Test(redis, that_never_answers_is_given_up_and_tried_again) {
    redis_start(&redis, NULL);
    relay = relay_new(redis.port);
    relay_hang(relay);
    start_with(text_of("redis://127.0.0.1:%d", relay_port(relay)));
    cr_expect(site_await_log(&site, "answer: it takes too long", PATIENCE_MS));
    site_send_series(&site, "8.2");
    site_expect_state(&site, "8.2", "due");
    relay_pass(relay);
    site_expect_state(&site, "8.2", "registered");
}

/* Ends the notifier, whose thread waits for the server that long. Whether the thread was left behind. */
static bool leaves_its_thread(void) {
    char *faults = text_of("%s/faults", site.folder);
    char *rule = text_of("notifier unlink stall=%d path=/run/notifier\n", BROKER_CONNECT_TIMEOUT_MS);
    faults_set(faults, NULL);
    start_with(text_of("redis://127.0.0.1:%d", fake_server_port(fake)));
    faults_set(faults, rule);
    free(faults);
    free(rule);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    return site_await_log(&site, "the thread that waits for it is left to the kernel", 0);
}

/* The removal of the socket is held up until that thread goes on: it must find everything that it uses. On a busy
 * machine it may wait no longer when the end comes. */
Test(redis, that_says_nothing_is_left_with_its_thread_at_the_end) {
#ifdef SANITIZED
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    char *preload = text_of("%s/../preload.so", binaries()), *faults = text_of("%s/faults", site.folder);
    site.more = (const char *[]){"LD_PRELOAD", preload, "OXIDICOM_TEST_FAULTS", faults, NULL};
    fake = fake_server_new("", NULL);
    cr_expect(try_again(leaves_its_thread));
    free(preload);
    free(faults);
}
