/* What CUBE's answers mean. */
#include "notifier/cube/cube_api.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_series(const char *answer, int wanted) {
    const char *why = "";
    int found = cube_api_read_series(answer, strlen(answer), "PACS", " 1.2 ", &why);
    cr_expect_eq(found, wanted, "%s: %d, not %d (%s)", answer, found, wanted, why);
}

Test(cube_api, encodes_what_has_no_place_in_a_path) {
    char *series = cube_api_series_path("A&B", " 1.2\r\n3 "),
         *files = cube_api_files_path("SERVICES/PACS/A/p-\xC3\xA9");
    cr_expect_str_eq(series, "pacs/series/search/?SeriesInstanceUID=1.2%0D%0A3&pacs_identifier=A%26B&limit=2");
    cr_expect_str_eq(files, "pacs/files/search/?fname=SERVICES%2FPACS%2FA%2Fp-%C3%A9%2F&limit=1");
    free(series);
    free(files);
}

Test(cube_api, finds_the_series_that_was_asked_for) {
    expect_series("{\"count\": 0, \"results\": []}", 0);
    expect_series("{\"count\": 1, \"results\": [{\"SeriesInstanceUID\": \"1.2\", \"pacs_identifier\": \"PACS\"}]}",
                  1);
    expect_series("{\"count\": 1, \"results\": [{\"SeriesInstanceUID\": \"1.2\", \"pacs_identifier\": \"PACS\","
                  " \"deletion_status\": \"inactive\"}]}",
                  1);
}

Test(cube_api, takes_a_series_that_is_being_deleted_for_gone) {
    expect_series("{\"count\": 1, \"results\": [{\"SeriesInstanceUID\": \"1.2\", \"pacs_identifier\": \"PACS\","
                  " \"deletion_status\": \"pending\"}]}",
                  0);
}

Test(cube_api, takes_nothing_else_for_an_answer) {
    static const char *const none[] = {
        "",
        "[]",
        "{}",
        "<html>",
        "{\"count\": -1, \"results\": []}",
        "{\"count\": \"1\", \"results\": []}",
        "{\"count\": 1, \"results\": []}",
        "{\"count\": 1, \"results\": {}}",
        "{\"count\": 1, \"results\": [1]}",
        "{\"count\": 1, \"results\": [{\"SeriesInstanceUID\": \"1.3\", \"pacs_identifier\": \"PACS\"}]}",
        "{\"count\": 1, \"results\": [{\"SeriesInstanceUID\": \"1.2\", \"pacs_identifier\": \"OTHER\"}]}",
        "{\"count\": 2, \"results\": [{\"SeriesInstanceUID\": \"1.2\", \"pacs_identifier\": \"PACS\"}, {}]}",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_series(none[i], -1);
}

static void expect_files(const char *answer, int64_t wanted) {
    const char *why;
    cr_expect_eq(cube_api_read_files(answer, strlen(answer), &why), wanted, "%s", answer);
}

Test(cube_api, reads_how_many_files_there_are) {
    expect_files("{\"count\": 192, \"next\": null, \"results\": [{}]}", 192);
    expect_files("{\"count\": 1.5, \"results\": []}", -1);
    expect_files("192", -1);
}

static void expect_token(const char *answer, const char *wanted) {
    char *token = cube_api_read_token(answer, strlen(answer));
    cr_expect_str_eq(token ? token : "none", wanted);
    free(token);
}

Test(cube_api, takes_only_a_token_that_a_header_can_take) {
    expect_token("{\"token\": \"0123abc\"}", "0123abc");
    expect_token("{\"token\": \"0123\\r\\nHost: x\"}", "none");
    expect_token("{\"token\": \"\"}", "none");
    expect_token("{\"token\": 1}", "none");
    expect_token("<html>", "none");
}

Test(cube_api, quotes_the_password) {
    char *credentials = cube_api_credentials("a", "\"b\\");
    cr_expect_str_eq(credentials, "{\"username\":\"a\",\"password\":\"\\\"b\\\\\"}");
    free(credentials);
    credentials = cube_api_credentials("a", "\xFF");
    cr_expect_str_eq(credentials, "{}");
    free(credentials);
}
