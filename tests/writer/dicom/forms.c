#include "writer/dicom/forms.h"

#include <criterion/criterion.h>

Test(forms, dates_are_real_days_in_one_of_three_forms) {
    static const char *const good[][2] = {{"20130308", "2013-03-08"},   {"2013-03-08", "2013-03-08"},
                                          {"2013.03.08", "2013-03-08"}, {"99991231", "9999-12-31"},
                                          {"20160229", "2016-02-29"},   {"20000229", "2000-02-29"},
                                          {"00010101", "0001-01-01"}};
    static const char *const bad[] = {
        "",         "20131301",   "20130230",   "20150229", "19000229", "2013",  "00000101", "20130308120000",
        "+0130308", "2013/03/08", "2013-03.08", "2013-3-8", "20130100", "today", "2013030",  "20130308-20130309"};
    char iso[ISO_DATE_BYTES + 1];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect(date_read(good[i][0], iso), "%s", good[i][0]);
        cr_expect_str_eq(iso, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(date_read(bad[i], iso), "%s", bad[i]);
}

Test(forms, ages_are_numbers_with_a_unit) {
    static const struct {
        const char *text;
        int64_t days;
    } good[] = {
        {"003Y", 1096}, {"020D", 20},  {"2W", 14},     {"5M", 152},  {"012M", 365}, {"1.5Y", 548},
        {"-1Y", -365},  {"+3Y", 1096}, {"1e3D", 1000}, {".5Y", 183}, {"5.Y", 1826}, {"000D", 0},
        {"0.4D", 0},    {"0.5D", 1},   {"1.5D", 2},    {"2.5D", 3},  {"-0.5D", -1}, {"2147483647D", 2147483647}};
    static const char *const bad[] = {"",    "42",   "Y",    "003y", "3 Y",  "NaNY",         "infY", "nanD",
                                      "abc", "0x1Y", "1_0Y", "3YY",  "1e Y", "99999999999D", ".Y",   "2147483648D"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t days = 0;
        cr_expect(age_read(good[i].text, &days), "%s", good[i].text);
        cr_expect_eq(days, good[i].days, "%s is %lld", good[i].text, (long long)days);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(age_read(bad[i], &(int64_t){0}), "%s", bad[i]);
}

Test(forms, sexes_are_three_letters) {
    cr_expect(sex_valid("M"));
    cr_expect(sex_valid("F"));
    cr_expect(sex_valid("O"));
    cr_expect_not(sex_valid(""));
    cr_expect_not(sex_valid("f"));
    cr_expect_not(sex_valid("MF"));
}
