#include "notifier/progress/lonk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_subject(const char *calling_ae, const char *series_uid, const char *wanted) {
    char *subject = lonk_subject("oxidicom", calling_ae, series_uid);
    cr_expect_str_eq(subject, wanted);
    free(subject);
}

Test(lonk, subject_has_root_calling_ae_and_series) {
    expect_subject("RAWSCU", "1.2.3", "oxidicom.RAWSCU.1_2_3");
    char *subject = lonk_subject("a.b", "X", "1");
    cr_expect_str_eq(subject, "a.b.X.1");
    free(subject);
}

Test(lonk, subject_replaces_what_a_token_must_not_hold) {
    expect_subject("star*>gt", "1", "oxidicom.star__gt.1");
    expect_subject("WITH SPACE", "1", "oxidicom.WITH_SPACE.1");
    expect_subject("tab\tin\x7F\n\x01", "1", "oxidicom.tab_in___.1");
    expect_subject("c1\xC2\x85.", "1", "oxidicom.c1__.1");
    expect_subject("..", "../x", "oxidicom.__.__/x");
}

Test(lonk, subject_keeps_utf8) {
    expect_subject("\xC3\xBCnicode", "\xE5\xB1\xB1", "oxidicom.\xC3\xBCnicode.\xE5\xB1\xB1");
    expect_subject("nbsp\xC2\xA0", "1", "oxidicom.nbsp\xC2\xA0.1");
}

Test(lonk, title_is_that_of_the_subject) {
    static const char *const titles[][2] = {{"A.B", "A_B"}, {"A@B", "A@B"}, {"", "_"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        char *title = lonk_title(titles[i][0]);
        cr_expect_str_eq(title, titles[i][1]);
        free(title);
    }
}

Test(lonk, subject_has_no_empty_token) {
    expect_subject("", "1", "oxidicom._.1");
    expect_subject("AE", "", "oxidicom.AE.UNKNOWN");
}

Test(lonk, subject_of_a_monstrous_uid_is_cut_between_characters) {
    char uid[3 * LONK_TOKEN_MAX_BYTES + 1] = "x";
    for (size_t i = 1; i + 2 < sizeof uid; i += 2)
        memcpy(uid + i, "\xC3\xBC", 3);
    char *subject = lonk_subject("oxidicom", "AE", uid);
    size_t length = strlen(subject) - strlen("oxidicom.AE.");
    cr_expect_eq(length, LONK_TOKEN_MAX_BYTES - 1);
    cr_expect_str_eq(subject + strlen(subject) - 2, "\xC3\xBC");
    free(subject);
}

Test(lonk, subject_of_broken_utf8_stays_within_its_bytes) {
    expect_subject("x\xC3", "\xF0\x9F", "oxidicom.x\xC3.\xF0\x9F");
}

Test(lonk, count_is_a_little_endian_u32) {
    uint8_t payload[LONK_COUNT_BYTES];
    lonk_count(payload, 0x04030201);
    cr_expect_arr_eq(payload, ((uint8_t[]){1, 1, 2, 3, 4}), sizeof payload);
}

Test(lonk, error_is_its_text_behind_a_two) {
    size_t size;
    uint8_t *payload = lonk_error("n\xC3\xB6", &size);
    cr_expect_eq(size, 4);
    cr_expect_arr_eq(payload, "\x02n\xC3\xB6", 4);
    free(payload);
}
