#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/reader.h"
#include "common/utf8.h"

Test(utf8, knows_well_formed_text) {
    static const char *const good[] = {"", "plain", "\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(utf8_valid(good[i], strlen(good[i])), "%zu", i);
}

Test(utf8, refuses_overlong_forms_surrogates_and_cut_sequences) {
    static const char *const bad[] = {"\x80",
                                      "\xC3",
                                      "\xC0\xAF",
                                      "\xC1\xBF",
                                      "\xE0\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xF0\x80\x80\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "a\xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(utf8_valid(bad[i], strlen(bad[i])), "%zu", i);
}

Test(utf8, turns_latin1_into_utf8) {
    size_t size;
    char *text = utf8_from_latin1("\xFCni", 3, &size);
    cr_assert_str_eq(text, "\xC3\xBCni");
    cr_assert_eq(size, 4);
    free(text);
}

Test(reader, never_passes_the_end) {
    const uint8_t bytes[] = {1, 2, 3};
    reader_t r = reader_over(bytes, sizeof bytes), part;
    uint32_t number;
    uint16_t half;
    uint8_t byte;
    cr_assert_not(reader_u32_be(&r, &number));
    cr_assert(reader_u16_be(&r, &half) && half == 0x0102);
    cr_assert_not(reader_u16_le(&r, &half));
    cr_assert_not(reader_part(&r, 2, &part));
    cr_assert_null(reader_take(&r, SIZE_MAX));
    cr_assert(reader_u8(&r, &byte) && byte == 3);
    cr_assert_not(reader_u8(&r, &byte));
    cr_assert_eq(reader_left(&r), 0);
}
