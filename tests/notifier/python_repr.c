#include "notifier/python_repr.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/process.h"

static void expect_repr(const char *json, const char *wanted) {
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(value, "%s", json);
    char *repr = python_repr(value);
    cr_expect_str_eq(repr, wanted);
    free(repr);
    json_decref(value);
}

Test(python_repr, of_constants_and_numbers) {
    expect_repr("null", "None");
    expect_repr("true", "True");
    expect_repr("false", "False");
    expect_repr("-1095", "-1095");
}

Test(python_repr, of_containers_keeps_their_order) {
    expect_repr("{\"b\": [1, null], \"a\": {}}", "{'b': [1, None], 'a': {}}");
    expect_repr("[]", "[]");
}

Test(python_repr, chooses_quotes_as_python_does) {
    expect_repr("\"plain\"", "'plain'");
    expect_repr("\"O'Brien\"", "\"O'Brien\"");
    expect_repr("\"say \\\"x\\\"\"", "'say \"x\"'");
    expect_repr("\"both ' and \\\"\"", "'both \\' and \"'");
}

Test(python_repr, escapes_what_is_not_printable) {
    expect_repr("\"a\\\\b\\n\\r\\t\\u0001\\u007f\"", "'a\\\\b\\n\\r\\t\\x01\\x7f'");
    expect_repr("\"\\u00a0\\u00ad\\u200b\\u3000\\ufeff\"", "'\\xa0\\xad\\u200b\\u3000\\ufeff'");
    expect_repr("\"\\udb40\\udc41\"", "'\\U000e0041'");
    expect_repr("\"D\\u00fcrer \\u5c71 \\ud83d\\ude00\"", "'D\xC3\xBCrer \xE5\xB1\xB1 \xF0\x9F\x98\x80'");
}

/* Python itself, over every assigned code point: what a program of one line prints is compared by the same line. */
Test(python_repr, agrees_with_python_on_every_assigned_character) {
    char *folder = temporary_folder("repr"), *path = text_of("%s/reprs", folder);
    FILE *file = fopen(path, "w");
    for (uint32_t c = 1; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char text[5] = {0};
        if (c < 0x80)
            text[0] = (char)c;
        else if (c < 0x800)
            snprintf(text, sizeof text, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 0x3F)));
        else if (c < 0x10000)
            snprintf(text, sizeof text, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3F)),
                     (int)(0x80 | (c & 0x3F)));
        else
            snprintf(text, sizeof text, "%c%c%c%c", (int)(0xF0 | c >> 18), (int)(0x80 | (c >> 12 & 0x3F)),
                     (int)(0x80 | (c >> 6 & 0x3F)), (int)(0x80 | (c & 0x3F)));
        json_t *value = json_string(text);
        char *repr = python_repr(value);
        fprintf(file, "%u %s\n", c, repr);
        free(repr);
        json_decref(value);
    }
    fclose(file);
    const char *program = "import sys, unicodedata\n"
                          "wrong = 0\n"
                          "for line in open(sys.argv[1], encoding='utf-8', newline='\\n'):\n"
                          "    number, repr_ = line.rstrip('\\n').split(' ', 1)\n"
                          "    c = chr(int(number))\n"
                          "    if unicodedata.category(c) != 'Cn' and repr(c) != repr_:\n"
                          "        wrong += 1\n"
                          "        print(hex(ord(c)), repr(c), repr_)\n"
                          "sys.exit(wrong > 0)\n";
    char *log = text_of("%s/log", folder);
    int status =
        process_run(log, NULL, (const char *const[]){"/usr/bin/python3", "-c", program, path, NULL}, PATIENCE_MS);
    cr_expect_eq(status, 0, "see %s", log);
    if (status == 0)
        remove_folder(folder);
    free(log);
    free(path);
    free(folder);
}
