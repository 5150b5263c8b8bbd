/* The name that writers and notifiers give to a series below the files root. */
#include "common/series_key.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static void expect(const char *pacs_name, const char *series_uid, const char *key) {
    char *made = series_key(pacs_name, series_uid);
    cr_assert_str_eq(made, key);
    free(made);
}

Test(series_key, has_the_name_of_the_pacs_and_the_uid) {
    expect("MR_1", "1.2.840.1", "MR_1+1.2.840.1");
}

Test(series_key, is_one_name_whatever_they_hold) {
    expect("A/B +%=", "../..", "A%2FB%20%2B%25%3D+..%2F..");
}

Test(series_key, is_another_for_each_pair) {
    const char *const pairs[][2] = {{"A", "B+C"},  {"A+B", "C"}, {"A", "B C"}, {"A", "B%20C"},
                                    {"", "A+B+C"}, {"A", "B/C"}, {"a", "B/C"}, {"", ""}};
    enum { PAIRS = sizeof pairs / sizeof *pairs };
    char *keys[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        keys[i] = series_key(pairs[i][0], pairs[i][1]);
        cr_assert_null(strchr(keys[i], '/'));
        for (size_t other = 0; other < i; other++)
            cr_assert_str_neq(keys[i], keys[other]);
    }
    for (size_t i = 0; i < PAIRS; i++)
        free(keys[i]);
}

static char *key_of_repeated(char what, size_t times, const char *end) {
    char *uid = must(malloc(times + strlen(end) + 1));
    memset(uid, what, times);
    memcpy(uid + times, end, strlen(end) + 1);
    char *key = series_key("AE", uid);
    free(uid);
    return key;
}

Test(series_key, that_is_too_long_is_cut_and_still_another_for_each) {
    char *fits = key_of_repeated('1', 252, ""), *one = key_of_repeated('1', 252, "2"),
         *other = key_of_repeated('1', 252, "3"), *wild = key_of_repeated('/', 100, "");
    cr_expect_eq(strlen(fits), SERIES_KEY_MAX_BYTES);
    cr_expect_eq(strlen(one), SERIES_KEY_MAX_BYTES);
    cr_expect_eq(strlen(wild), SERIES_KEY_MAX_BYTES);
    cr_expect_str_neq(one, other);
    cr_expect_str_neq(fits, one);
    cr_expect_eq(strncmp(one, "AE+111", 6), 0);
    cr_expect_null(strchr(fits, '='));
    cr_expect_not_null(strchr(one, '='));
    free(fits);
    free(one);
    free(other);
    free(wild);
}
