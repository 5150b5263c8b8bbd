#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/settings.h"
#include "common/settings_table.h"
#include "tests/common/settings_rig.h"
#include "tests/support/receiver.h"

extern char **environ;

static void read_all(settings_t *settings) {
    cr_assert_eq(settings_read(settings, FOR_LAUNCHER, stderr), 0);
}

Test(settings, have_the_documented_defaults) {
    settings_rig_set(NULL);
    settings_t s;
    read_all(&s);
    cr_assert_str_eq(s.queue_name, "main2");
    cr_assert_eq(s.progress_interval_ms, 500);
    cr_assert_str_eq(s.root_subject, "oxidicom");
    cr_assert_str_eq(s.scp_aet, "ChRIS");
    cr_assert_eq(s.scp_max_pdu_length, 131072);
    cr_assert_eq(s.listener_port, 11111);
    cr_assert_eq(s.associations_max, 256);
    cr_assert_eq(s.association_wait_ms, 20000);
    cr_assert_eq(s.buffer_size_bytes, 64 * 1048576);
    cr_assert_eq(s.writers, 1);
    cr_assert(s.fsync && !s.scp_strict && !s.scp_promiscuous && !s.scp_uncompressed_only);
    cr_assert_null(s.nats_address);
    cr_assert_eq(s.operations_max, 16);
    cr_assert_eq(s.connections_per_address, 0);
    cr_assert_eq(s.handshake_timeout_ms, 30000);
    cr_assert_eq(s.idle_timeout_ms, 600000);
    cr_assert_eq(s.min_rate, 256);
    cr_assert_eq(s.stall_timeout_ms, 60000);
    cr_assert_eq(s.release_timeout_ms, 5000);
    cr_assert(!s.allow_peers && !s.allow_calling_aets && !s.require_called_aet);
    settings_clear(&s);
}

Test(settings, start_with_the_environment_of_the_helm_chart) {
    settings_rig_set((const char *[]){
        "OXIDICOM_AMQP_ADDRESS", "amqp://user:password@host:5672", "OXIDICOM_NATS_ADDRESS", "host:4222",
        "OXIDICOM_LISTENER_PORT", "11111", "OXIDICOM_SCP_AET", "ChRIS", "OXIDICOM_LISTENER_THREADS", "8",
        "TOKIO_WORKER_THREADS", "4", "RUST_LOG", "oxidicom=warn", "OXIDICOM_SCP_STRICT", "true", NULL});
    settings_t s;
    read_all(&s);
    cr_assert_eq(s.associations_max, 8);
    cr_assert_eq(s.writers, 4);
    cr_assert(s.scp_strict);
    settings_clear(&s);
}

Test(settings, prefer_the_number_of_writers_to_that_of_the_reference) {
    settings_rig_set((const char *[]){"TOKIO_WORKER_THREADS", "4", "OXIDICOM_WRITERS", "2", NULL});
    settings_t s;
    read_all(&s);
    cr_assert_eq(s.writers, 2);
    settings_clear(&s);
}

Test(settings, take_the_broker_under_either_name) {
    settings_rig_set((const char *[]){"OXIDICOM_CELERY_BROKER", "filesystem:///q", NULL});
    unsetenv("OXIDICOM_AMQP_ADDRESS");
    settings_t s;
    read_all(&s);
    cr_assert_str_eq(s.broker_address, "filesystem:///q");
    settings_clear(&s);
}

Test(settings, refuse_two_different_brokers) {
    settings_rig_set((const char *[]){"OXIDICOM_CELERY_BROKER", "filesystem:///q", NULL});
    int status;
    char *text = settings_rig_read(FOR_LAUNCHER, &status);
    cr_assert_eq(status, EXIT_SETTINGS);
    cr_assert(strstr(text, "OXIDICOM_CELERY_BROKER") && strstr(text, "OXIDICOM_AMQP_ADDRESS"));
    free(text);
}

/* A value that no setting of its type allows; texts that allow anything have none. */
static const char *bad_value(const setting_t *s) {
    switch (s->type) {
    case SETTING_BOOLEAN:
        return "yes";
    case SETTING_INTEGER:
        return "9999999999";
    case SETTING_DURATION:
        return "soon";
    case SETTING_SIZE:
        return "big";
    default:
        return !s->valid ? NULL : s->hidden ? "\t" : s->may_be_empty || s->empty_is_unset ? "," : "";
    }
}

Test(settings, name_the_variable_the_value_and_what_is_allowed_when_one_is_bad) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const char *value = bad_value(&SETTINGS[i]);
        if (!value)
            continue;
        settings_rig_set((const char *[]){SETTINGS[i].name, value, NULL});
        int status;
        char *text = settings_rig_read(FOR_LAUNCHER, &status);
        cr_assert_eq(status, EXIT_SETTINGS, "%s", SETTINGS[i].name);
        const char *shown = SETTINGS[i].hidden ? "***" : value;
        cr_assert(strstr(text, SETTINGS[i].name) && strstr(text, shown) && strstr(text, "allowed"), "%s", text);
        cr_assert(strchr(text, '\n') == text + strlen(text) - 1, "one line: %s", text);
        free(text);
    }
}

Test(settings, refuse_values_that_are_out_of_range) {
    static const char *const bad[][2] = {{"OXIDICOM_LISTENER_PORT", "-1"},
                                         {"OXIDICOM_LISTENER_PORT", "65536"},
                                         {"OXIDICOM_LISTENER_ADDRESS", "localhost"},
                                         {"OXIDICOM_LISTENER_ADDRESS", "10.0.0.1:104"},
                                         {"OXIDICOM_WRITERS", "0"},
                                         {"OXIDICOM_WRITERS", "2x"},
                                         {"OXIDICOM_LISTENER_THREADS", "-1"},
                                         {"OXIDICOM_BUFFER_SIZE", "1MiB"},
                                         {"OXIDICOM_SCP_MAX_PDU_LENGTH", ""},
                                         {"OXIDICOM_AMQP_ADDRESS", "amqp://a;http://b"},
                                         {"OXIDICOM_QUEUE_NAME", "a/b"},
                                         {"OXIDICOM_QUEUE_NAME", "a\xFF"},
                                         {"OXIDICOM_TLS_CLIENT", "maybe"},
                                         {"OXIDICOM_TLS_KEY", "key.pem"},
                                         {"OXIDICOM_NATS_ADDRESS", "a:1,,b:2"},
                                         {"OXIDICOM_NATS_ADDRESS", "a:1,http://b"},
                                         {"OXIDICOM_NATS_ADDRESS", "tls://"},
                                         {"OXIDICOM_NATS_ADDRESS", "a:1,nats://me:pw@b:99999"},
                                         {"OXIDICOM_NATS_ADDRESS", "[::1]:x"},
                                         {"OXIDICOM_NATS_ADDRESS", "[::1]x"},
                                         {"OXIDICOM_NATS_ADDRESS", "[]:4222"},
                                         {"OXIDICOM_NATS_ADDRESS", "nats://me:pw@"},
                                         {"OXIDICOM_NATS_ADDRESS", "token@:4222"},
                                         {"OXIDICOM_NATS_ADDRESS", ":4222"},
                                         {"OXIDICOM_NATS_ADDRESS", "a:1,nats:///b"},
                                         {"OXIDICOM_NATS_ADDRESS", "a:0"},
                                         {"OXIDICOM_CUBE_URL", "http://:8000/api/v1/"},
                                         {"OXIDICOM_CUBE_URL", "http://chris:0/api/v1/"},
                                         {"OXIDICOM_CUBE_URL", "https://chris:99999"},
                                         {"OXIDICOM_SCP_AET", " ChRIS"},
                                         {"OXIDICOM_SCP_AET", "ChRIS "},
                                         {"OXIDICOM_SCP_AET", "A\\B"},
                                         {"OXIDICOM_REDIS_KEY_PREFIX", "a\n"},
                                         {"OXIDICOM_ROOT_SUBJECT", "a..b"},
                                         {"OXIDICOM_ROOT_SUBJECT", "a\tb"},
                                         {"OXIDICOM_SCP_ASYNC_OPS", "65"},
                                         {"OXIDICOM_ALLOW_PEERS", "10.0.0.0/33"},
                                         {"OXIDICOM_ALLOW_CALLING_AETS", "GOOD,LONGER_THAN_SIXTEEN"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        settings_rig_set((const char *[]){bad[i][0], bad[i][1], NULL});
        int status;
        free(settings_rig_read(FOR_LAUNCHER, &status));
        cr_assert_eq(status, EXIT_SETTINGS, "%s=%s", bad[i][0], bad[i][1]);
    }
}

Test(settings, that_limit_nobody_may_be_empty) {
    settings_rig_set((const char *[]){"OXIDICOM_ALLOW_CALLING_AETS", "", "OXIDICOM_ALLOW_PEERS", "", NULL});
    settings_t s;
    read_all(&s);
    cr_assert_null(s.allow_calling_aets);
    cr_assert_null(s.allow_peers);
    settings_clear(&s);
}

Test(settings, never_repeat_a_password) {
    static const char *const bad[][2] = {{"OXIDICOM_AMQP_ADDRESS", "http://user:s3cret@host"},
                                         {"OXIDICOM_AMQP_ADDRESS", "http://host/0?password=s3cret"},
                                         {"OXIDICOM_AMQP_ADDRESS", "amqp://a:s3cret@host;http://b:s3cret@host/@"},
                                         {"OXIDICOM_NATS_ADDRESS", "user:s3cret@ho st:4222"},
                                         {"OXIDICOM_NATS_ADDRESS", "nats://user:s3cret@"},
                                         {"OXIDICOM_NATS_ADDRESS", "user:s3cret@"},
                                         {"OXIDICOM_NATS_ADDRESS", "nats://s3cret@host,http://host"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        settings_rig_set((const char *[]){bad[i][0], bad[i][1], NULL});
        int status;
        char *text = settings_rig_read(FOR_LAUNCHER, &status);
        cr_assert_eq(status, EXIT_SETTINGS);
        cr_expect_not_null(strstr(text, bad[i][0]), "%s", text);
        cr_expect_null(strstr(text, "s3cret"), "%s", text);
        free(text);
    }
}

/* A file with this content; free the path. */
static char *file_with(const char *folder, const char *content, size_t size) {
    char *path = text_of("%s/secret", folder);
    FILE *file = fopen(path, "w");
    cr_assert(file && fwrite(content, 1, size, file) == size && fclose(file) == 0);
    return path;
}

Test(settings, take_addresses_of_cube_with_and_without_a_port) {
    static const char *const good[] = {"http://chris", "http://chris:8000/api/v1/", "https://[::1]:443/",
                                       "https://[fd00::1]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        settings_rig_set((const char *[]){"OXIDICOM_CUBE_URL", good[i], NULL});
        int status;
        char *text = settings_rig_read(FOR_NOTIFIER, &status);
        cr_expect_eq(status, 0, "%s", text);
        free(text);
    }
}

Test(settings, that_are_secret_may_lie_in_a_file_without_its_last_newline) {
    static const char *const contents[] = {"redis://:s3cret@host", "redis://:s3cret@host\n",
                                           "redis://:s3cret@host\r\n"};
    char *folder = temporary_folder("settings");
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        char *path = file_with(folder, contents[i], strlen(contents[i]));
        settings_rig_set(
            (const char *[]){i == 0 ? "OXIDICOM_AMQP_ADDRESS_FILE" : "OXIDICOM_CELERY_BROKER_FILE", path, NULL});
        unsetenv("OXIDICOM_AMQP_ADDRESS");
        settings_t s;
        read_all(&s);
        cr_expect_str_eq(s.broker_address, "redis://:s3cret@host");
        settings_clear(&s);
        free(path);
    }
    remove_folder(folder);
    free(folder);
}

static void expect_refused_file(const char *folder, const char *content, size_t size, const char *why) {
    char *path = file_with(folder, content, size);
    int status;
    settings_rig_set((const char *[]){"OXIDICOM_NATS_ADDRESS_FILE", path, NULL});
    char *text = settings_rig_read(FOR_NOTIFIER, &status);
    cr_expect_eq(status, EXIT_SETTINGS, "%s", why);
    cr_expect(strstr(text, "OXIDICOM_NATS_ADDRESS_FILE") && strstr(text, path) && strstr(text, why), "%s", text);
    cr_expect_null(strstr(text, "s3cret"), "%s", text);
    free(text);
    free(path);
}

Test(settings, name_a_file_that_holds_no_usable_secret_and_not_what_is_in_it) {
    static char long_text[SECRET_FILE_MAX_BYTES + 1];
    char *folder = temporary_folder("settings");
    memset(long_text, 'a', sizeof long_text);
    expect_refused_file(folder, "", 0, "it is empty");
    expect_refused_file(folder, "\n", 1, "it is empty");
    expect_refused_file(folder, "s3cret\0x", 8, "it has a NUL byte");
    expect_refused_file(folder, long_text, sizeof long_text, "it is too long");
    expect_refused_file(folder, "http://me:s3cret@host", 21, "that file's content can't be used");
    int status;
    settings_rig_set((const char *[]){"OXIDICOM_NATS_ADDRESS_FILE", folder, NULL});
    char *text = settings_rig_read(FOR_NOTIFIER, &status);
    cr_expect(status == EXIT_SETTINGS && strstr(text, "Is a directory"), "%s", text);
    free(text);
    remove_folder(folder);
    settings_rig_set((const char *[]){"OXIDICOM_NATS_ADDRESS_FILE", folder, NULL});
    text = settings_rig_read(FOR_NOTIFIER, &status);
    cr_expect(status == EXIT_SETTINGS && strstr(text, "No such file"), "%s", text);
    free(text);
    free(folder);
}

Test(settings, refuse_a_secret_that_is_set_as_text_and_as_file) {
    int status;
    settings_rig_set((const char *[]){"OXIDICOM_AMQP_ADDRESS_FILE", "/run/secret", NULL});
    char *text = settings_rig_read(FOR_LAUNCHER, &status);
    cr_expect_eq(status, EXIT_SETTINGS);
    cr_expect_str_eq(text, "OXIDICOM_AMQP_ADDRESS and OXIDICOM_AMQP_ADDRESS_FILE are both set; allowed is one of "
                           "them\n");
    free(text);
}

Test(settings, take_every_kind_of_broker_and_several_nats) {
    settings_rig_set((const char *[]){
        "OXIDICOM_AMQP_ADDRESS", "amqps://a;redis://b;rediss://c/1;unix:///d;redis+socket:///e;filesystem:///f",
        "OXIDICOM_NATS_ADDRESS", "a:1,nats://me:pw@b:2,tls://token@c,[::1]:3,nats://d:4/,e", NULL});
    settings_t s;
    read_all(&s);
    settings_clear(&s);
}

Test(settings, are_required_only_of_the_stages_that_use_them) {
    settings_rig_set(NULL);
    unsetenv("OXIDICOM_FILES_ROOT");
    unsetenv("OXIDICOM_AMQP_ADDRESS");
    int status;
    free(settings_rig_read(FOR_LISTENER, &status));
    cr_assert_eq(status, 0);
    char *text = settings_rig_read(FOR_WRITER, &status);
    cr_assert_eq(status, EXIT_SETTINGS);
    cr_assert_not_null(strstr(text, "OXIDICOM_FILES_ROOT is not set"));
    free(text);
    setenv("OXIDICOM_FILES_ROOT", "/data", 1);
    text = settings_rig_read(FOR_NOTIFIER, &status);
    cr_assert_not_null(strstr(text, "OXIDICOM_AMQP_ADDRESS is not set"));
    free(text);
}

Test(settings, stand_in_their_document_as_the_program_prints_them) {
    char *tables = NULL;
    size_t size;
    FILE *out = open_memstream(&tables, &size);
    settings_print_markdown(out);
    fclose(out);
    char *document = file_content("deploy/SETTINGS.md", &size);
    cr_assert_not_null(document, "tests run in the project's folder");
    cr_assert_not_null(strstr(document, tables), "`make readme` puts this into deploy/SETTINGS.md:\n%s", tables);
    free(tables);
    free(document);
}

/* Of about sixty lines each. */
#define TWO_SCREENS_LINES 120
#define SCREEN_COLUMNS    100

Test(settings, are_summed_up_on_two_screens_by_group) {
    char *summary = NULL, *line, *rest;
    size_t size;
    FILE *out = open_memstream(&summary, &size);
    settings_print_summary(out);
    fclose(out);
    char *copy = rest = strdup(summary);
    int lines = 0;
    for (; (line = strsep(&rest, "\n")); lines++)
        cr_expect_leq(strlen(line), SCREEN_COLUMNS, "%s", line);
    cr_expect_leq(lines, TWO_SCREENS_LINES - 15, "the launcher's --help has as many besides");
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        cr_expect(strstr(summary, SETTINGS[i].name), "%s", SETTINGS[i].name);
        cr_expect(!SETTINGS[i].group || strstr(summary, SETTINGS[i].group), "%s", SETTINGS[i].group);
    }
    cr_expect_not_null(SETTINGS[0].group);
    free(summary);
    free(copy);
}

/* What only the listener is told is of the peers' concern. */
Test(settings, of_the_listener_alone_are_named_in_the_conformance_statement) {
    size_t size;
    char *statement = file_content("deploy/CONFORMANCE.md", &size);
    cr_assert_not_null(statement, "tests run in the project's folder");
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        char *name = text_of("`%s`", SETTINGS[i].name);
        cr_assert(SETTINGS[i].stages != FOR_LISTENER || strstr(statement, name), "%s", name);
        free(name);
    }
    free(statement);
}

static void expect_hidden(const char *variable, const char *value, const char *secret) {
    int status;
    settings_rig_set((const char *const[]){variable, value, NULL});
    char *complaint = settings_rig_read(FOR_NOTIFIER, &status);
    cr_expect_eq(status, EXIT_SETTINGS, "%s is taken", variable);
    cr_expect_not_null(strstr(complaint, variable), "%s", complaint);
    cr_expect_null(strstr(complaint, secret), "%s", complaint);
    free(complaint);
}

Test(settings, of_cube_that_are_bad_are_complained_about_without_what_is_secret) {
    expect_hidden("OXIDICOM_CUBE_URL", "http://me:s3cret@chris:8000/api/v1/", "s3cret");
    expect_hidden("OXIDICOM_CUBE_URL", "chris:8000", "s3cret");
    expect_hidden("OXIDICOM_CUBE_TOKEN", "to ken", "to ken");
    expect_hidden("OXIDICOM_CUBE_TOKEN", "to\r\nken", "ken");
    expect_hidden("OXIDICOM_CUBE_USER", "m3:s3cret", "m3");
    expect_hidden("OXIDICOM_CUBE_PATIENCE", "1ms", "s3cret");
}

Test(settings, of_cube_that_are_empty_are_unset) {
    settings_rig_set((const char *const[]){"OXIDICOM_CUBE_URL", "", "OXIDICOM_CUBE_USER", "",
                                           "OXIDICOM_CUBE_PASSWORD", "", "OXIDICOM_CUBE_TOKEN", "", NULL});
    settings_t s;
    read_all(&s);
    cr_expect(!s.cube_url && !s.cube_user && !s.cube_password && !s.cube_token);
    cr_expect_eq(s.cube_patience_ms, 120000);
    settings_clear(&s);
}
