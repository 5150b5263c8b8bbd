#include "common/percent.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_decoded(const char *encoded, int stray, const char *decoded) {
    char text[64];
    snprintf(text, sizeof text, "%s", encoded);
    cr_expect_eq(percent_decode(text), stray, "%s", encoded);
    cr_expect_str_eq(text, decoded);
}

Test(percent, decodes_bytes_in_capital_and_small_digits) {
    expect_decoded("", 0, "");
    expect_decoded("a%20b%2Cc%c3%BC%25", 0, "a b,c\xC3\xBC%");
    expect_decoded("%2541", 0, "%41");
}

Test(percent, leaves_and_counts_what_is_no_encoded_byte) {
    expect_decoded("a%2", 1, "a%2");
    expect_decoded("%", 1, "%");
    expect_decoded("%zz%4%41", 2, "%zz%4A");
}

Test(percent, refuses_an_encoded_nul) {
    char text[] = "a%00b";
    cr_expect_eq(percent_decode(text), -1);
}
