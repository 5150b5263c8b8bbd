/* What becomes of a registration after the broker has confirmed it, with a small CUBE that is asked for it. */
#include "notifier/broker/inquiries.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "tests/notifier/site.h"
#include "tests/support/certificates.h"
#include "tests/support/cube_site.h"
#include "tests/support/http.h"
#include "tests/support/receiver.h"
#include "tests/support/servers.h"
#include "tests/support/tap.h"

#define DONE_OF(series) "oxidicom.RAWSCU." series

static site_t site;
static cube_site_t cube;
static nats_server_t nats;
static tap_t *tap;
static const char *settings[32];

static void set(const char *name, const char *value) {
    size_t i = 0;
    while (settings[i] && strcmp(settings[i], name) != 0)
        i += 2;
    settings[i] = name;
    settings[i + 1] = value;
}

static void set_up(void) {
    site_set_up(&site);
    site.more = settings;
    memset(settings, 0, sizeof settings);
    cube_site_start(&cube, site.root, site.tasks);
    nats_server_start(&nats, 0);
    tap = tap_new(nats.port);
    site.nats = text_of("127.0.0.1:%d", nats.port);
    set("OXIDICOM_CUBE_URL", cube.url);
    set("OXIDICOM_CUBE_USER", CUBE_USER);
    set("OXIDICOM_CUBE_PASSWORD", CUBE_PASSWORD);
    set("OXIDICOM_CUBE_PATIENCE", "1s");
}

/* For tests in which no task may be sent again that CUBE's worker has: it may not come round for a second. */
static void be_patient(void) {
    set("OXIDICOM_CUBE_PATIENCE", "5s");
}

static void tear_down(void) {
    site_tear_down(&site);
    cube_site_stop(&cube);
    tap_destroy(&tap);
    nats_server_stop(&nats);
}

TestSuite(inquiries, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

static void expect_inquiry(const char *series, const char *state) {
    char *sql = text_of("SELECT inquiry.state FROM inquiry JOIN reception ON id = reception WHERE series_uid = '%s'"
                        " ORDER BY id DESC LIMIT 1",
                        series);
    cr_expect(site_await_query(&site, sql, state, PATIENCE_MS), "%s is %s, not %s", series, site_query(&site, sql),
              state);
    free(sql);
}

static void await_asked(int times) {
    char *sql = text_of("SELECT count(*) > 0 FROM inquiry WHERE asked >= %d", times);
    cr_assert(site_await_query(&site, sql, "1", PATIENCE_MS));
    free(sql);
}

static void expect_journal(const char *sql, const char *wanted) {
    const char *value = site_query(&site, sql);
    cr_expect_str_eq(value, wanted, "%s: %s, not %s", sql, value, wanted);
}

static void expect_errors(const char *subject, const char *error) {
    char text[512] = "";
    cr_assert(tap_await_done(tap, subject, 1, PATIENCE_MS));
    for (size_t i = 0; i < tap_count(tap); i++) {
        const lonk_t *lonk = tap_at(tap, i);
        if (lonk->payload[0] == 2 && strcmp(lonk->subject, subject) == 0)
            snprintf(text, sizeof text, "%.*s", (int)lonk->size - 1, (const char *)lonk->payload + 1);
    }
    cr_expect_str_eq(text, error);
    cr_expect_null(tap_summary_of(tap, subject).disorder);
}

/* --- done means that CUBE has it ------------------------------------------------------------------------- */

Test(inquiries, done_is_said_when_cube_has_the_series_and_not_before) {
    be_patient();
    site_start(&site);
    site_send_series(&site, "1");
    await_asked(5); /* later than it is said without CUBE */
    cr_expect_eq(tap_summary_of(tap, DONE_OF("1")).dones, 0);
    cube_site_tell(&cube, "worker=1");
    expect_inquiry("1", "confirmed");
    expect_errors(DONE_OF("1"), "");
    cr_expect_eq(cube_site_count(&cube, "tasks"), 1);
    cr_expect_eq(cube_site_count(&cube, "logins"), 1, "the token is kept");
}

Test(inquiries, a_token_is_used_as_it_is) {
    set("OXIDICOM_CUBE_USER", "");
    set("OXIDICOM_CUBE_PASSWORD", "");
    set("OXIDICOM_CUBE_TOKEN", CUBE_TOKEN);
    cube_site_tell(&cube, "worker=1");
    site_start(&site);
    site_send_series(&site, "1");
    expect_inquiry("1", "confirmed");
    cr_expect_eq(cube_site_count(&cube, "logins"), 0);
}

Test(inquiries, what_cube_does_not_have_is_sent_again_under_another_id) {
    be_patient();
    cube_site_tell(&cube, "worker=1&lose=1");
    site_start(&site);
    site_send_series(&site, "1");
    expect_inquiry("1", "confirmed");
    expect_errors(DONE_OF("1"), "");
    expect_journal("SELECT resent FROM inquiry", "1");
    cr_expect_eq(cube_site_task_ids(&cube), 2);
}

Test(inquiries, what_cube_never_takes_is_lost_after_three_more_tries_and_says_so) {
    cube_site_tell(&cube, "worker=1&lose=99");
    site_start(&site);
    site_send_series(&site, "1");
    expect_inquiry("1", "lost");
    expect_errors(DONE_OF("1"), "CUBE does not have this series, though it was sent 4 times");
    cr_expect_eq(cube_site_task_ids(&cube), 4);
    cr_expect_eq(cube_site_count(&cube, "tasks"), 4);
    cr_expect(site_await_log(&site, "series 1 is lost", PATIENCE_MS));
}

Test(inquiries, a_series_that_was_lost_is_not_any_more_once_it_is_there) {
    cube_site_tell(&cube, "worker=1&lose=4");
    site_start(&site);
    site_send_series(&site, "1");
    expect_inquiry("1", "lost");
    site_send_series(&site, "1");
    expect_inquiry("1", "confirmed");
    expect_journal("SELECT group_concat(state) FROM inquiry", "confirmed,confirmed");
}

Test(inquiries, fewer_files_in_cube_than_in_the_folder_are_short_and_no_task_helps) {
    be_patient();
    cube_site_tell(&cube, "worker=1");
    site_start(&site);
    site_send_series(&site, "1");
    expect_inquiry("1", "confirmed");
    cr_assert(tap_await_done(tap, DONE_OF("1"), 1, PATIENCE_MS));
    tap_clear(tap);
    site_send_series(&site, "1"); /* a second file; CUBE takes a series once */
    expect_inquiry("1", "short");
    expect_errors(DONE_OF("1"), "CUBE has 1 of 2 files of this series");
    cr_expect(
        site_await_log(&site, "has 1 of its 2 files and takes a series once: delete it in CUBE", PATIENCE_MS));
    expect_journal("SELECT sum(resent) FROM inquiry", "0");
}

/* --- the queue ------------------------------------------------------------------------------------------- */

Test(inquiries, a_queue_that_stands_still_is_not_answered_by_more_tasks) {
    be_patient();
    site_start(&site);
    site_send_series(&site, "1");
    await_asked(6); /* patience is shorter than that takes */
    expect_journal("SELECT resent FROM inquiry", "0");
    cr_expect_eq(site_tasks(&site), 1);
    cube_site_tell(&cube, "worker=1");
    expect_inquiry("1", "confirmed");
    cr_expect_eq(cube_site_count(&cube, "tasks"), 1);
}

static double metric(int port, const char *name) {
    int status;
    char *text = http_get(port, "/metrics", NULL, &status);
    double value = metric_in(text, name);
    free(text);
    return value;
}

typedef struct wanted {
    int port;
    const char *name;
    double value;
} wanted_t;

static bool has_metric(void *argument) {
    const wanted_t *wanted = argument;
    return metric(wanted->port, wanted->name) == wanted->value;
}

static void await_metric(int port, const char *name, double value) {
    cr_expect(await(has_metric, &(wanted_t){port, name, value}, PATIENCE_MS), "%s is %f, not %f", name,
              metric(port, name), value);
}

/* Series that no worker takes from this broker. */
static void expect_seen_queue(const char *broker) {
    int port = free_port();
    char *number = text_of("%d", port);
    set("OXIDICOM_HTTP_PORT", number);
    site.broker = text_of("%s", broker);
    site_start(&site);
    site_send_series(&site, "1");
    await_metric(port, "oxidicom_queue_waiting_tasks", 1);
    await_metric(port, "oxidicom_cube_connected", 1);
    cr_expect_gt(metric(port, "oxidicom_oldest_unconfirmed_seconds"), 0);
    await_asked(5);
    expect_journal("SELECT resent FROM inquiry", "0");
    free(number);
}

Test(inquiries, see_what_waits_in_a_folder) {
    char *broker = text_of("filesystem://%s", site.tasks);
    expect_seen_queue(broker);
    free(broker);
}

Test(inquiries, see_what_waits_in_redis) {
    redis_server_t redis = {0};
    redis_start(&redis, NULL);
    char *broker = text_of("redis://127.0.0.1:%d/0", redis.port);
    expect_seen_queue(broker);
    free(broker);
    redis_stop(&redis);
}

Test(inquiries, see_what_waits_in_rabbitmq) {
    rabbitmq_t rabbitmq = {0};
    rabbitmq_start(&rabbitmq);
    char *broker = text_of("amqp://127.0.0.1:%d", rabbitmq.port);
    expect_seen_queue(broker);
    free(broker);
    rabbitmq_stop(&rabbitmq);
}

/* --- CUBE that can't be asked ---------------------------------------------------------------------------- */

static void expect_no_secret_in_log(void) {
    size_t size;
    char *path = text_of("%s/log", site.folder), *log = file_content(path, &size);
    cr_expect_null(strstr(log, CUBE_PASSWORD));
    cr_expect_null(strstr(log, CUBE_TOKEN));
    free(log);
    free(path);
}

/* While CUBE answers like that, done is said as without it; once it answers well, the question is asked. */
static void expect_fall_back(const char *answer) {
    char *what = text_of("answer=%s", answer);
    cube_site_tell(&cube, what);
    site_start(&site);
    site_send_series(&site, "1");
    cr_expect(tap_await_done(tap, DONE_OF("1"), 1, PATIENCE_MS), "no done while CUBE answers %s", answer);
    cr_expect(site_await_log(&site, "CUBE can't be asked", PATIENCE_MS));
    expect_journal("SELECT state FROM inquiry", "waiting");
    cube_site_tell(&cube, "answer=ok&worker=1");
    expect_inquiry("1", "confirmed");
    cr_expect_eq(tap_summary_of(tap, DONE_OF("1")).dones, 1);
    expect_no_secret_in_log();
    free(what);
}

Test(inquiries, go_on_without_a_cube_that_fails) {
    expect_fall_back("fail");
}

Test(inquiries, go_on_without_a_cube_that_refuses_the_password) {
    expect_fall_back("refuse");
    cr_expect(site_await_log(&site, "it does not take the user's password", PATIENCE_MS));
}

Test(inquiries, go_on_without_a_cube_that_does_not_show_its_series) {
    expect_fall_back("forbid");
    cr_expect(site_await_log(&site, "no member of its group pacs_users", PATIENCE_MS));
}

Test(inquiries, go_on_without_a_cube_that_lies_elsewhere_and_follow_no_redirect) {
    expect_fall_back("redirect");
}

Test(inquiries, go_on_without_a_cube_that_answers_nonsense) {
    expect_fall_back("nonsense");
}

Test(inquiries, go_on_without_a_cube_whose_answer_has_no_end) {
    expect_fall_back("long");
}

Test(inquiries, go_on_without_a_cube_that_never_answers) {
    expect_fall_back("hang");
}

Test(inquiries, go_on_without_a_cube_that_is_not_there) {
    cube_site_pause(&cube);
    site_start(&site);
    site_send_series(&site, "1");
    cr_expect(tap_await_done(tap, DONE_OF("1"), 1, PATIENCE_MS));
    cube_site_start(&cube, NULL, NULL);
    cube_site_tell(&cube, "worker=1");
    expect_inquiry("1", "confirmed");
    cr_expect(site_await_log(&site, "CUBE answers again", PATIENCE_MS));
}

Test(inquiries, one_answer_about_another_series_is_no_answer) {
    site_start(&site);
    site_send_series(&site, "1");
    await_asked(1);
    cube_site_tell(&cube, "answer=other");
    cr_expect(site_await_log(&site, "it answers with another series than asked for", PATIENCE_MS));
    cube_site_tell(&cube, "answer=ok&worker=1");
    expect_inquiry("1", "confirmed");
}

/* --- TLS ------------------------------------------------------------------------------------------------- */

static void speak_tls(void) {
    cube_site_stop(&cube);
    certificates_ca(site.folder, "ca");
    certificates_issue(site.folder, "ca", "server", KEY_EC);
    cube.certificates = site.folder;
    cube_site_start(&cube, site.root, site.tasks);
    set("OXIDICOM_CUBE_URL", cube.url);
}

Test(inquiries, tell_no_password_to_a_cube_whose_certificate_nobody_trusts) {
    speak_tls();
    site_start(&site);
    cr_expect(site_await_log(&site, "CUBE can't be asked (SSL certificate problem", PATIENCE_MS));
}

static const char *const BY_COUNT = "SELECT count(*) FROM inquiry WHERE asked > 0";

Test(inquiries, ask_a_cube_over_tls_whose_ca_is_given) {
    speak_tls();
    char *ca = text_of("%s/ca.crt", site.folder);
    set("OXIDICOM_CUBE_CA", ca);
    site_start(&site);
    site_send_series(&site, "1");
    cr_expect(site_await_query(&site, BY_COUNT, "1", PATIENCE_MS));
    free(ca);
}

/* --- the order ------------------------------------------------------------------------------------------- */

/* Series of one new study, which become due at once. */
static void send_study(int count) {
    for (int i = 1; i <= count; i++) {
        char *series = text_of("1.%d", i), *folder = text_of("SERVICES/PACS/RAWSCU/p/s/%d", i);
        (i < count ? site_send_event : site_send_last)(
            &site, EVENT(.object = ++site.last_series, .association = 1, .series = series, .folder = folder));
        free(series);
        free(folder);
    }
    site_send_end(&site, 1, 1);
}

Test(inquiries, the_rest_of_a_study_that_cube_does_not_know_follows_when_it_has_the_first) {
    be_patient();
    site_start(&site);
    send_study(8);
    await_asked(4); /* longer than the pause without CUBE */
    cr_expect_eq(site_tasks(&site), 1);
    expect_journal("SELECT count(*) FROM reception WHERE state = 'due'", "7");
    cube_site_tell(&cube, "worker=4");
    cr_expect(site_await_query(&site, "SELECT count(*) FROM inquiry WHERE state = 'confirmed'", "8", PATIENCE_MS));
    cr_expect_eq(cube_site_count(&cube, "failures"), 0);
    cr_expect_eq(cube_site_count(&cube, "tasks"), 8);
}

Test(inquiries, the_first_of_a_study_that_comes_to_nothing_keeps_the_rest_waiting_once_only) {
    be_patient();
    cube_site_tell(&cube, "worker=4&lose=1");
    site_start(&site);
    send_study(4);
    cr_expect(site_await_query(&site, "SELECT count(*) FROM inquiry WHERE state = 'confirmed'", "4", PATIENCE_MS));
    expect_journal("SELECT sum(resent) FROM inquiry", "1");
    cr_expect_eq(cube_site_count(&cube, "failures"), 1);
}

/* --- restarts -------------------------------------------------------------------------------------------- */

Test(inquiries, go_on_after_a_restart) {
    be_patient();
    site_start(&site);
    send_study(2);
    await_asked(1);
    site_kill(&site);
    cube_site_tell(&cube, "worker=1");
    site_start(&site);
    expect_inquiry("1.1", "confirmed");
    expect_inquiry("1.2", "confirmed");
    expect_errors("oxidicom.RAWSCU.1_2", "");
    cr_expect_eq(cube_site_count(&cube, "tasks"), 2);
}

Test(inquiries, keep_nobody_waiting_once_cube_is_not_asked_any_more) {
    site_start(&site);
    send_study(2);
    await_asked(1);
    site_kill(&site);
    set("OXIDICOM_CUBE_URL", "");
    site_start(&site);
    cr_expect(tap_await_done(tap, "oxidicom.RAWSCU.1_1", 1, PATIENCE_MS));
    cr_expect(tap_await_done(tap, "oxidicom.RAWSCU.1_2", 1, PATIENCE_MS));
    cr_expect_eq(site_tasks(&site), 2);
}

Test(inquiries, keep_nobody_from_ending) {
    site_start(&site);
    send_study(2);
    await_asked(1);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    expect_journal("SELECT state FROM reception WHERE series_uid = '1.2'", "due");
}
