/* The allowed command line and environment, and complaints about the rest. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/settings.h"
#include "common/settings_table.h"
#include "common/version.h"
#include "tests/launcher/launcher.h"

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs it in a folder of its own; free its output. */
static char *said_by(const char *const *environment, const char *const *options, int *status) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    *status = run_with(&receiver, environment, options);
    size_t size;
    char *said = file_content(receiver.log, &size);
    receiver_clear(&receiver);
    return said;
}

static void expect_usage(const char *const *options, const char *named) {
    int status;
    char *said = said_by(NULL, options, &status);
    cr_assert_eq(status, EX_USAGE, "%s: status %d\n%s", named, status, said);
    cr_assert(strstr(said, named), "%s is not named: %s", named, said);
    cr_assert_null(strstr(said, "is started"), "%s", said);
    free(said);
}

/* --- options --------------------------------------------------------------------------------------------- */

static const char *const NOTHING_SET[] = {"OXIDICOM_FILES_ROOT",
                                          UNSET,
                                          "OXIDICOM_AMQP_ADDRESS",
                                          UNSET,
                                          "OXIDICOM_LISTENER_PORT",
                                          UNSET,
                                          "OXIDICOM_RUN_DIR",
                                          UNSET,
                                          "OXIDICOM_STATE_DIR",
                                          UNSET,
                                          NULL};

Test(options, settings_prints_the_table_without_needing_any) {
    int status;
    char *said = said_by(NOTHING_SET, OPTIONS("--settings"), &status), *table = NULL;
    size_t size;
    FILE *out = open_memstream(&table, &size);
    settings_print_markdown(out);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(said, table);
    free(said);
    free(table);
}

Test(options, help_names_every_option_signal_status_and_setting) {
    int status;
    char *said = said_by(NOTHING_SET, OPTIONS("--help"), &status);
    static const char *const named[] = {"--stages", "--settings", "--version", "--help", "TERM", "INT", "TTIN",
                                        "TTOU",     "HUP",        "0 drained", "1 ",     "64 ",  "78 "};
    cr_assert_eq(status, 0);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        cr_assert(strstr(said, named[i]), "%s", named[i]);
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        cr_assert(strstr(said, SETTINGS[i].name), "%s", SETTINGS[i].name);
    free(said);
}

Test(options, version_is_printed_first_then_those_of_the_libraries) {
    int status;
    char *said = said_by(NOTHING_SET, OPTIONS("--version"), &status);
    cr_assert_eq(status, 0);
    cr_assert_eq(strncmp(said, "oxidicom " OXIDICOM_VERSION "\n  czmq ", 15 + strlen(OXIDICOM_VERSION)), 0, "%s",
                 said);
    free(said);
}

Test(options, an_unknown_one_ends_it_with_64_and_is_named) {
    expect_usage(OPTIONS("--stage-fright"), "--stage-fright");
    expect_usage(OPTIONS("-x"), "'x'");
    expect_usage(OPTIONS("listener"), "unknown argument \"listener\"");
    expect_usage(OPTIONS("--stages", "listener", "writer"), "unknown argument \"writer\"");
    expect_usage(OPTIONS("--stages"), "'--stages' requires an argument");
}

Test(options, an_unknown_stage_ends_it_with_64_and_is_named_with_those_that_are_known) {
    static const char *const bad[] = {"painter", "listener,painter", "listener writer", "writer-0", "list", "",
                                      ","};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *named = text_of("--stages is \"%s\"; allowed is a list of listener,writer,notifier\n", bad[i]);
        expect_usage(OPTIONS("--stages", bad[i]), named);
        free(named);
    }
}

/* --- a subset -------------------------------------------------------------------------------------------- */

static void expect_only(const char *list, bool listener, bool writer, bool notifier) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *launcher = text_of("%s/oxidicom", binaries());
    receiver_launch_as(&receiver, (const char *const[]){"OXIDICOM_DRAIN_TIMEOUT", "2m", NULL},
                       (const char *const[]){launcher, "--stages", list, NULL});
    expect_logged(&receiver, "launcher: all stages are ready");
    cr_assert_eq(receiver_stage(&receiver, "listener", 0) != 0, listener, "%s", list);
    cr_assert_eq(receiver_stage(&receiver, "writer", 0) != 0, writer, "%s", list);
    cr_assert_eq(receiver_stage(&receiver, "notifier", 0) != 0, notifier, "%s", list);
    cr_assert_eq(receiver_times_logged(&receiver, "is started, process"), listener + writer + notifier);
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
    free(launcher);
}

Test(options, stages_are_the_only_ones_that_are_started, .timeout = PATIENCE_S) {
    expect_only("listener", true, false, false);
    expect_only("writer", false, true, false);
    expect_only("notifier", false, false, true);
    expect_only("notifier,listener", true, false, true);
    expect_only("listener,writer,notifier,", true, true, true);
}

/* --- settings -------------------------------------------------------------------------------------------- */

static void expect_refusal(const char *name, const char *value, const char *line) {
    int status;
    const char *const environment[] = {name, value, NULL};
    char *said = said_by(environment, (const char *const[]){NULL}, &status);
    cr_assert_eq(status, EXIT_SETTINGS, "%s", said);
    cr_assert_str_eq(said, line);
    free(said);
}

Test(options, a_bad_setting_of_any_stage_ends_it_with_78_and_one_line_before_a_stage_is_started) {
    expect_refusal("OXIDICOM_LISTENER_THREADS", "many",
                   "OXIDICOM_LISTENER_THREADS is \"many\"; allowed is a whole number from 1 to 10000\n");
    expect_refusal("OXIDICOM_WRITERS", "257",
                   "OXIDICOM_WRITERS is \"257\"; allowed is a whole number from 1 to 256\n");
    expect_refusal("TOKIO_WORKER_THREADS", "-1",
                   "TOKIO_WORKER_THREADS is \"-1\"; allowed is a whole number from 1 to 256\n");
    expect_refusal("OXIDICOM_SCP_STRICT", "yes", "OXIDICOM_SCP_STRICT is \"yes\"; allowed is true or false\n");
    expect_refusal("OXIDICOM_STATE_DIR", "state", "OXIDICOM_STATE_DIR is \"state\"; allowed is an absolute path\n");
    expect_refusal(
        "OXIDICOM_DRAIN_TIMEOUT", "2 days",
        "OXIDICOM_DRAIN_TIMEOUT is \"2 days\"; allowed is a duration such as 500ms or 1m 30s, from 0ms to "
        "86400s\n");
    expect_refusal("OXIDICOM_BUFFER_SIZE", "1MiB",
                   "OXIDICOM_BUFFER_SIZE is \"1MiB\"; allowed is a size such as 64MiB or 2TiB, at least 4MiB\n");
    expect_refusal("OXIDICOM_FILES_ROOT", UNSET, "OXIDICOM_FILES_ROOT is not set; needed is an absolute path\n");
}

/* Its scheme is right, so that only the notifier sees it. */
Test(options, a_broker_address_that_cannot_be_read_ends_it_with_78_and_its_form, .timeout = PATIENCE_S) {
    static const char *const bad[][2] = {
        {"amqp://me:s3cret@host:99999",
         "address 1 of OXIDICOM_AMQP_ADDRESS can't be read; allowed is the form amqp://"},
        {"amqp://me:s3cret@host:0", "address 1 of OXIDICOM_AMQP_ADDRESS can't be read; allowed is the form "
                                    "amqp://user:password@host:port/vhost, with a host and a port from 1 to 65535"},
        {"amqps://me:s3cret@/vhost", "allowed is the form amqps://user:password@host:port/vhost, with a host and"},
        {"amqp://me:s3cret@:5672", "address 1 of OXIDICOM_AMQP_ADDRESS"},
        {"redis://:s3cret@", "allowed is the form redis://user:password@host:port/database, with a host and"},
        {"redis://:s3cret@host:0", "address 1 of OXIDICOM_AMQP_ADDRESS"},
        {"redis://me:s3cret@host/cube",
         "address 1 of OXIDICOM_AMQP_ADDRESS can't be read; allowed is the form redis://"},
        {"filesystem://folder", "allowed is the form filesystem:///folder\n"},
        {"amqp://host;rediss://:s3cret@host:x", "address 2 of OXIDICOM_AMQP_ADDRESS"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status;
        char *said = said_by(OPTIONS("OXIDICOM_AMQP_ADDRESS", bad[i][0]), OPTIONS(NULL), &status);
        cr_expect_eq(status, EXIT_SETTINGS, "%s: %d", bad[i][0], status);
        cr_expect(strstr(said, bad[i][1]) && !strstr(said, "s3cret"), "%s: %s", bad[i][0], said);
        free(said);
    }
}

Test(options, an_address_of_nats_without_a_host_ends_it_with_78_and_hides_the_password) {
    expect_refusal("OXIDICOM_NATS_ADDRESS", "nats://me:s3cret@",
                   "OXIDICOM_NATS_ADDRESS is \"nats://***@\"; allowed is host:port, nats://host:port or "
                   "tls://host:port, several separated by commas\n");
}

Test(options, a_folder_of_ours_where_cube_reads_ends_it_with_78) {
    static const char *const names[] = {"OXIDICOM_STATE_DIR", "OXIDICOM_RUN_DIR"};
    for (size_t i = 0; i < 2; i++) {
        int status;
        char *said =
            said_by(OPTIONS("OXIDICOM_FILES_ROOT", "/tmp/", names[i], "/tmp/SERVICES/"), OPTIONS(NULL), &status);
        char *line = text_of("%s is \"/tmp/SERVICES/\", where CUBE reads; allowed is a folder outside of "
                             "\"/tmp/SERVICES\"\n",
                             names[i]);
        cr_expect_eq(status, EXIT_SETTINGS, "%s", names[i]);
        cr_expect_str_eq(said, line);
        free(said);
        free(line);
    }
}

Test(options, variables_that_are_no_settings_are_named_once, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_start(&receiver, OPTIONS("OXIDICOM_SERIES_QUITE", "10s", "OXIDICOM_TLS_KEY_FILE", "/a",
                                      "OXIDICOM_CUBE_TOKEN_FILE", UNSET, "OXIDICOM_CELERY_BROKER", UNSET));
    cr_assert_eq(receiver_times_logged(&receiver, "variables that are no settings do nothing: "), 1);
    cr_assert_eq(receiver_times_logged(&receiver, "OXIDICOM_SERIES_QUITE"), 1);
    cr_assert_eq(receiver_times_logged(&receiver, "OXIDICOM_TLS_KEY_FILE"), 1, "a path is no secret");
    cr_assert_eq(receiver_times_logged(&receiver, "OXIDICOM_FILES_ROOT"), 0);
    receiver_stop(&receiver);
    receiver_clear(&receiver);
}

Test(options, settings_that_need_another_one_are_named_once, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_start(&receiver, OPTIONS("OXIDICOM_CUBE_TOKEN", "s3cret", "OXIDICOM_NATS_CREDENTIALS", "/none",
                                      "OXIDICOM_TLS_AETS", "A=b", "OXIDICOM_HTTP_HOSTS", "pacs"));
    cr_expect_eq(receiver_times_logged(&receiver, "OXIDICOM_CUBE_TOKEN does nothing without OXIDICOM_CUBE_URL"), 1);
    cr_expect_eq(
        receiver_times_logged(&receiver, "OXIDICOM_NATS_CREDENTIALS does nothing without OXIDICOM_NATS_ADDRESS"),
        1);
    cr_expect_eq(receiver_times_logged(&receiver, "OXIDICOM_TLS_AETS does nothing without OXIDICOM_TLS_PORT"), 1);
    cr_expect_eq(receiver_times_logged(&receiver, "OXIDICOM_HTTP_HOSTS does nothing without OXIDICOM_HTTP_PORT"),
                 1);
    cr_expect_eq(receiver_times_logged(&receiver, "does nothing without"), 4);
    cr_expect_eq(receiver_times_logged(&receiver, "s3cret"), 0);
    receiver_stop(&receiver);
    receiver_clear(&receiver);
}
