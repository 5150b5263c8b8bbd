/* "1 file", "2 files": everywhere a number stands in a text. */
#include "common/plural.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <regex.h>
#include <stdlib.h>

#include "tests/support/receiver.h"

Test(plural, is_of_all_numbers_but_one) {
    cr_expect_str_eq(plural(0, "file", "files"), "files");
    cr_expect_str_eq(plural(1, "file", "files"), "file");
    cr_expect_str_eq(plural(2, "file", "files"), "files");
    cr_expect_str_eq(plural(UINT64_MAX, "file", "files"), "files");
}

/* A number, perhaps of another number, up to three words, and a thing of which there may be one. */
#define NUMBER "%(z|ll|\" PRI)?[ud](64 \")?"
#define FIXED  NUMBER " (of (its )?" NUMBER " )?([a-z]+ ){0,3}"
#define THINGS                                                                                                     \
    "(objects|files|errors|registrations|lines|links|spans|exports|rows|contexts|connections|associations|"        \
    "receptions|messages|folders|more times)\\>"

Test(plural, is_asked_for_wherever_a_number_has_a_word) {
    glob_t sources;
    regex_t regex;
    regmatch_t match;
    cr_assert_eq(regcomp(&regex, FIXED THINGS, REG_EXTENDED), 0);
    cr_assert_eq(regexec(&regex, "\"%lld of its %lld files\"", 0, NULL, 0), 0);
    cr_assert_eq(regexec(&regex, "\"%\" PRIu64 \" open objects\"", 0, NULL, 0), 0);
    cr_assert_eq(glob("{listener,writer,notifier,common,proto,deploy}{,/*}/*.{c,cc}", GLOB_BRACE, NULL, &sources),
                 0);
    for (size_t i = 0; i < sources.gl_pathc; i++) {
        size_t size;
        char *source = file_content(sources.gl_pathv[i], &size);
        for (const char *at = source; regexec(&regex, at, 1, &match, 0) == 0; at += match.rm_eo)
            cr_expect_fail("%s: \"%.*s\" may be of one", sources.gl_pathv[i], (int)(match.rm_eo - match.rm_so),
                           at + match.rm_so);
        free(source);
    }
    cr_expect_gt(sources.gl_pathc, 150);
    globfree(&sources);
    regfree(&regex);
}
