/* How complaints show a bad value, and settings that are bad together. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/settings.h"
#include "tests/common/settings_rig.h"
#include "tests/support/process.h"

/* Of settings in these variables. */
static char *complaint_with(const char *const *assignments, unsigned stage, int *status) {
    settings_rig_set(assignments);
    return settings_rig_read(stage, status);
}
#define COMPLAINT_OF(stage, status, ...) complaint_with((const char *const[]){__VA_ARGS__, NULL}, stage, status)

static void expect_shown(const char *variable, const char *value, const char *begin) {
    int status;
    char *text = COMPLAINT_OF(FOR_LAUNCHER, &status, variable, value);
    cr_expect_eq(status, EXIT_SETTINGS, "%s", variable);
    cr_expect(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
    cr_expect(strchr(text, '\n') == text + strlen(text) - 1, "one line: %s", text);
    free(text);
}

Test(settings_checks, show_no_control_character_of_a_refused_value) {
    expect_shown("OXIDICOM_SCP_AET", "a\nb", "OXIDICOM_SCP_AET is \"a?b\"; allowed is");
    expect_shown("OXIDICOM_SCP_AET", "\033[2Ja\x7F", "OXIDICOM_SCP_AET is \"?[2Ja?\"; allowed is");
    expect_shown("OXIDICOM_WRITERS", "2\n", "OXIDICOM_WRITERS is \"2?\"; allowed is");
    expect_shown("OXIDICOM_STATE_DIR", "a\u202Eb\xC2\x9B!", "OXIDICOM_STATE_DIR is \"a?b?!\"; allowed is");
    expect_shown("OXIDICOM_QUEUE_NAME", "a\xFFz", "OXIDICOM_QUEUE_NAME is \"a\u00FFz\"; allowed is");
    expect_shown("OXIDICOM_AMQP_ADDRESS", "a\033\n://me:s3cret@h\rost",
                 "OXIDICOM_AMQP_ADDRESS is \"a??://***@h?ost\"; allowed is");
    expect_shown("OXIDICOM_NATS_ADDRESS_FILE", "/no\n/file",
                 "OXIDICOM_NATS_ADDRESS_FILE is \"/no?/file\": No such file");
}

static void expect_address(const char *variable, const char *value, bool good) {
    int status;
    char *text = COMPLAINT_OF(FOR_LAUNCHER, &status, variable, value);
    cr_expect_eq(status, good ? 0 : EXIT_SETTINGS, "%s=%s: %s", variable, value, text);
    free(text);
}

Test(settings_checks, refuse_addresses_that_no_client_can_use) {
    static const char *const bad[] = {"h1;h2", "h/4222",    "nats://h:4222/x", "nats://h?x=1",
                                      "h\1x",  "[zz]:4222", "[10.0.0.1]:42",   "a:1,nats://b\n",
                                      "u@h{}", "[fe80::1%e"};
    static const char *const good[] = {"h",         "h_1.example:4222", "[::1]:4222", "[fe80::1%eth0]:4222",
                                       "nats://h/", "10.0.0.1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_address("OXIDICOM_NATS_ADDRESS", bad[i], false);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        expect_address("OXIDICOM_NATS_ADDRESS", good[i], true);
    expect_address("OXIDICOM_AMQP_ADDRESS", "amqp://localhost\n", false);
    expect_address("OXIDICOM_AMQP_ADDRESS", "amqp://a;amqp://u:p\1w@h", false);
    expect_address("OXIDICOM_ALLOW_CALLING_AETS", "GOOD,B\tD", false);
    expect_address("OXIDICOM_CUBE_URL", "http://[zz]:8000/", false);
    expect_address("OXIDICOM_CUBE_URL", "http://ch ris:8000/", false);
}

Test(settings_checks, hide_only_what_may_be_secret) {
    expect_shown("OXIDICOM_CUBE_URL", "http://h:8000/api/v1/?x=1",
                 "OXIDICOM_CUBE_URL is \"http://h:8000/api/v1/?***\"; allowed is");
    expect_shown("OXIDICOM_NATS_ADDRESS", "nats://me:pw@h:0?token=x",
                 "OXIDICOM_NATS_ADDRESS is \"nats://***@h:0?***\"; allowed is");
    expect_shown("OXIDICOM_NATS_ADDRESS", "pw@h:0", "OXIDICOM_NATS_ADDRESS is \"***@h:0\"; allowed is");
}

static void expect_place(unsigned stage, const char *root, const char *variable, const char *path, bool good) {
    int status;
    char *text = COMPLAINT_OF(stage, &status, "OXIDICOM_FILES_ROOT", root, variable, path);
    cr_expect_eq(status, good ? 0 : EXIT_SETTINGS, "%s, %s=%s: %s", root, variable, path, text);
    if (!good) {
        char *shown = text_of("%s is \"%s\", where CUBE reads; allowed is a folder outside of \"", variable, path);
        cr_expect(strncmp(text, shown, strlen(shown)) == 0, "%s", text);
        free(shown);
    }
    free(text);
}

Test(settings_checks, refuse_folders_of_ours_where_cube_reads) {
    static const char *const bad[][2] = {{"/data", "/data/SERVICES"},
                                         {"/data", "/data/SERVICES/state"},
                                         {"/data", "/data/SERVICES/PACS/x"},
                                         {"/data", "//data/./SERVICES//state/"},
                                         {"/data/", "/data/SERVICES/"},
                                         {"/./data//.", "/data/SERVICES/."},
                                         {"/", "/SERVICES/state"},
                                         {"/data/a", "/data//a/SERVICES/b"},
                                         {"/data", "/data/state/../SERVICES/state"},
                                         {"/data", "/../data/a/b/../../SERVICES"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_place(FOR_LAUNCHER, bad[i][0], "OXIDICOM_STATE_DIR", bad[i][1], false);
        expect_place(FOR_NOTIFIER, bad[i][0], "OXIDICOM_STATE_DIR", bad[i][1], false);
        expect_place(FOR_LAUNCHER, bad[i][0], "OXIDICOM_RUN_DIR", bad[i][1], false);
        expect_place(FOR_WRITER, bad[i][0], "OXIDICOM_RUN_DIR", bad[i][1], false);
    }
    int status;
    char *text = COMPLAINT_OF(FOR_LAUNCHER, &status, "OXIDICOM_FILES_ROOT", "/data//", "OXIDICOM_STATE_DIR",
                              "/data/SERVICES/state");
    cr_expect_str_eq(text, "OXIDICOM_STATE_DIR is \"/data/SERVICES/state\", where CUBE reads; allowed is a folder "
                           "outside of \"/data/SERVICES\"\n");
    free(text);
}

Test(settings_checks, take_folders_of_ours_elsewhere_below_the_files_root) {
    static const char *const good[][2] = {{"/data", "/data/.oxidicom/state"},  {"/data", "/data"},
                                          {"/data", "/data/SERVICES2/state"},  {"/data", "/data/SERVICE"},
                                          {"/data", "/dat/SERVICES"},          {"/data", "/data2/SERVICES/x"},
                                          {"/data", "/data/a/SERVICES"},       {"/data", "/SERVICES"},
                                          {"/data/a", "/data/SERVICES"},       {"/data", "/data/SERVICES/../state"},
                                          {"/data", "/data/.SERVICES/x"},      {"/data", "/data/services"},
                                          {"/data/SERVICES", "/data/SERVICES"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        expect_place(FOR_LAUNCHER, good[i][0], "OXIDICOM_STATE_DIR", good[i][1], true);
        expect_place(FOR_LAUNCHER, good[i][0], "OXIDICOM_RUN_DIR", good[i][1], true);
    }
    int status;
    char *text = COMPLAINT_OF(FOR_LISTENER, &status, "OXIDICOM_RUN_DIR", "/data/SERVICES/run");
    cr_expect_eq(status, 0, "it has no files root: %s", text);
    free(text);
}
