#include "writer/dicom/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACED "\xEF\xBF\xBD"

/* `bytes` are a literal that may hold NULs. */
#define EXPECT_TEXT(declared, bytes, wanted) expect_text(declared, "" bytes, sizeof(bytes) - 1, true, wanted)

static void expect_text(const char *declared, const char *bytes, size_t size, bool is_name, const char *wanted) {
    character_set_t set = character_set_read(declared, strlen(declared));
    /* A copy of exactly that size, so that reading past its end is noticed. */
    char *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    char *text = text_first_value(&set, copy, size, is_name);
    cr_expect_str_eq(text, wanted, "%s: \"%s\" instead of \"%s\"", declared, text, wanted);
    free(text);
    free(copy);
}

Test(text, undeclared_is_utf8_where_it_is_valid_and_else_latin1) {
    EXPECT_TEXT("", "Doe^Jane", "Doe^Jane");
    EXPECT_TEXT("", "M\xC3\xBCller", "Müller");
    EXPECT_TEXT("", "M\xFCller", "Müller");
    EXPECT_TEXT("", "M\xFC\\\xC3\xBC", "Mü");
}

Test(text, of_an_unknown_character_set_counts_as_undeclared) {
    EXPECT_TEXT("ISO_IR 999", "M\xFCller", "Müller");
    EXPECT_TEXT("nonsense", "M\xC3\xBCller", "Müller");
    EXPECT_TEXT("ISO_IR 999\\ISO 2022 IR 87", "M\xFCller", "Müller");
}

Test(text, loses_nuls_and_the_blanks_around_it) {
    EXPECT_TEXT("", " lead and trail  ", "lead and trail");
    EXPECT_TEXT("", "Doe\0^Jane\0", "Doe^Jane");
    EXPECT_TEXT("", "1.2.3\0\0", "1.2.3");
    EXPECT_TEXT("", " \0 ", "");
    EXPECT_TEXT("", "", "");
    EXPECT_TEXT("", "a\tb", "a\tb");
}

Test(text, of_several_values_is_the_first) {
    EXPECT_TEXT("", "a\\b", "a");
    EXPECT_TEXT("", "\\b", "");
    EXPECT_TEXT("ISO_IR 192", "a \\b", "a");
    EXPECT_TEXT("ISO_IR 100", "a\\b", "a");
    EXPECT_TEXT("GBK", "a\\b", "a");
}

Test(text, knows_the_single_byte_sets_with_and_without_code_extensions) {
    static const struct {
        const char *number, *bytes, *wanted;
    } cases[] = {
        {"100", "M\xFCller", "Müller"}, {"101", "\xA3\xF3\x64\xBC", "Łódź"}, {"109", "\xA1", "Ħ"},
        {"110", "\xA2", "ĸ"},           {"144", "\xBB\xEE", "Лю"},           {"127", "\xE2\xC8", "قب"},
        {"126", "\xC4\xE9", "Δι"},      {"138", "\xF9\xF8", "שר"},           {"148", "\xDD", "İ"},
        {"203", "\xA4", "€"},           {"166", "\xB9\xD2", "นา"},           {"13", "\xD4\xCF~", "ﾔﾏ‾"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char declared[64];
        snprintf(declared, sizeof declared, "ISO_IR %s", cases[i].number);
        expect_text(declared, cases[i].bytes, strlen(cases[i].bytes), true, cases[i].wanted);
        snprintf(declared, sizeof declared, "ISO 2022 IR %s ", cases[i].number);
        expect_text(declared, cases[i].bytes, strlen(cases[i].bytes), true, cases[i].wanted);
    }
}

Test(text, knows_terms_that_are_written_carelessly) {
    EXPECT_TEXT("iso_ir 100", "\xFC", "ü");
    EXPECT_TEXT("ISO-IR 101", "\xA3", "Ł");
    EXPECT_TEXT("ISO2022 IR 101", "\xA3", "Ł");
}

Test(text, in_utf8_replaces_each_byte_that_is_none) {
    EXPECT_TEXT("ISO_IR 192", "\xE7\x8E\x8B^\xE5\xB0\x8F", "王^小");
    EXPECT_TEXT("ISO_IR 192", "M\xFCller", "M" REPLACED "ller");
    EXPECT_TEXT("ISO_IR 192", "\xE7\x8E", REPLACED REPLACED);
    EXPECT_TEXT("ISO_IR 192", "\xED\xA0\x80", REPLACED REPLACED REPLACED);
}

Test(text, in_chinese_sets_may_hold_a_backslash_within_a_character) {
    EXPECT_TEXT("GB18030", "Wang=\xCD\xF5^\xD0\xA1\xB6\xAB", "Wang=王^小东");
    EXPECT_TEXT("GBK", "\xCD\xF5", "王");
    EXPECT_TEXT("GBK", "\x81\x5C\\b", "乗");
    EXPECT_TEXT("GB18030", "\x81\x30\x81\x30", "\xC2\x80");
    EXPECT_TEXT("GBK", "a\xFF", "a" REPLACED);
    EXPECT_TEXT("GB18030", "\x81\x30\x81", REPLACED "0" REPLACED);
}

/* PS3.5 annex H */
Test(text, in_japanese_switches_with_escapes) {
    EXPECT_TEXT("\\ISO 2022 IR 87",
                "Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B=\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B",
                "Yamada^Tarou=山田^太郎=やまだ^たろう");
    EXPECT_TEXT(
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        "\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1B$B;3ED\x1B(J^\x1B$BB@O:\x1B(J=\x1B$B$d$^$@\x1B(J^\x1B$B$?$m$&\x1B(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
    EXPECT_TEXT("\\ISO 2022 IR 159", "\x1B$(D\x30\x21\x1B(B", "丂");
}

/* PS3.5 annex I */
Test(text, in_korean_switches_again_in_each_part_of_a_name) {
    EXPECT_TEXT("\\ISO 2022 IR 149",
                "Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7=\x1B$)C\xC8\xAB^\x1B$)C\xB1\xE6\xB5\xBF",
                "Hong^Gildong=洪^吉洞=홍^길동");
    EXPECT_TEXT("\\ISO 2022 IR 149\\ISO 2022 IR 100", "\x1B$)C\xFB\xF3^\xFB\xF3", "洪^ûó");
}

/* PS3.5 annex K */
Test(text, in_simplified_chinese_switches_with_escapes) {
    EXPECT_TEXT("\\ISO 2022 IR 58", "Zhang^XiaoDong=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB",
                "Zhang^XiaoDong=张^小东");
}

Test(text, other_than_a_name_does_not_switch_back_at_delimiters) {
    const char *bytes = "\x1B$)C\xFB\xF3^\xFB\xF3\r\n\xFB";
    expect_text("\\ISO 2022 IR 149", bytes, strlen(bytes), false, "洪^洪\r\nû");
}

Test(text, with_latin_sets_switches_between_them) {
    EXPECT_TEXT("ISO 2022 IR 100\\ISO 2022 IR 144", "\xFC\x1B-L\xBB\xEE", "üЛю");
    EXPECT_TEXT("ISO 2022 IR 100\\ISO 2022 IR 144", "\x1B-L\xBB^\xFC", "Л^ü");
}

Test(text, with_broken_escapes_and_halves_is_replaced_byte_by_byte) {
    EXPECT_TEXT("\\ISO 2022 IR 87", "a\x1B", "a" REPLACED);
    EXPECT_TEXT("\\ISO 2022 IR 87", "a\x1B$", "a" REPLACED "$");
    EXPECT_TEXT("\\ISO 2022 IR 87", "\x1B$B;", REPLACED);
    EXPECT_TEXT("\\ISO 2022 IR 149", "\x1B$)C\xFB", REPLACED);
    EXPECT_TEXT("\\ISO 2022 IR 149",
                "\x1B$)C\xFB"
                "a",
                REPLACED "a");
}

Test(text, in_kanji_may_hold_what_elsewhere_is_a_delimiter) {
    EXPECT_TEXT("\\ISO 2022 IR 87", "\x1B$B\x30\x5C\x1B(B\\b", "移");
}

/* pydicom 3 writes so. */
Test(text, without_an_escape_sequence_is_of_the_only_set_that_is_declared_for_it) {
    EXPECT_TEXT("\\ISO 2022 IR 58", "Zhang^X=\xD5\xC5^\xC8\xFD", "Zhang^X=张^三");
    EXPECT_TEXT("ISO 2022 IR 6\\ISO 2022 IR 100", "M\xFCller^J", "Müller^J");
    EXPECT_TEXT("ISO_IR 6\\ISO_IR 100", "M\xFCller^J", "Müller^J");
    EXPECT_TEXT("\\ISO 2022 IR 149", "\x1B$)C\xB1\xE8^\xC3\xB6", "김^철");
    EXPECT_TEXT("\\ISO 2022 IR 87\\ISO 2022 IR 13", "a^\xD4\xCF", "a^ﾔﾏ");
    EXPECT_TEXT("\\ISO 2022 IR 126\\ISO 2022 IR 126", "\xC4\xE9", "Δι");
}

Test(text, without_an_escape_sequence_or_a_set_that_it_can_be_of_counts_as_undeclared) {
    EXPECT_TEXT("\\ISO 2022 IR 87", "M\xC3\xBCller^J", "Müller^J");
    EXPECT_TEXT("\\ISO 2022 IR 87", "M\xFCller^J", "Müller^J");
    EXPECT_TEXT("\\ISO 2022 IR 100\\ISO 2022 IR 144", "M\xC3\xBCller^J", "Müller^J");
    EXPECT_TEXT("\\ISO 2022 IR 58", "M\xFCller^J", "Müller^J");
    EXPECT_TEXT("\\ISO 2022 IR 149", "\x1B$)C\xB1\xE8\xFF", "김" REPLACED);
}
