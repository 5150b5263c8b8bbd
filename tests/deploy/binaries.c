/* What the executables are made of. Libraries that a stage does not use are code that it can be attacked by, and
 * packages that its image carries. */
#include <string.h>

#include "tests/deploy/tree.h"

/* What readelf says of a plain build, through a filter; free it. */
static char *read_of(const receiver_t *receiver, const char *program, const char *options, const char *filter) {
    char *line = text_of("readelf %s build/bin/%s | %s >\"$FOLDER/said\"", options, program, filter);
    char *path = text_of("%s/said", receiver->folder);
    size_t size;
    tree_shell(receiver, line);
    char *said = file_content(path, &size);
    free(line);
    free(path);
    return said;
}

/* The names after NEEDED, "libzmq.so.5 libc.so.6 …". */
static char *needed(const receiver_t *receiver, const char *program) {
    char *names = read_of(receiver, program, "-d", "sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'");
    cr_assert(names && strstr(names, "libzmq"), "%s: %s", program, names);
    return names;
}

static void expect_without(const char *program, const char *const *libraries) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *names = needed(&receiver, program);
    for (; *libraries; libraries++)
        cr_expect_null(strstr(names, *libraries), "%s needs %s:\n%s", program, *libraries, names);
    free(names);
    receiver_clear(&receiver);
}

#define EXPECT_WITHOUT(program, ...) expect_without(program, (const char *const[]){__VA_ARGS__, NULL})

Test(binaries, of_the_listener_need_no_library_of_files_journal_and_brokers) {
    EXPECT_WITHOUT("oxidicom-listener", "libdcm", "libof", "libz.", "libsqlite", "libnats", "librabbitmq",
                   "libhiredis", "libmicrohttpd", "libuuid");
}

Test(binaries, of_the_writer_need_no_library_of_the_network_and_the_journal) {
    EXPECT_WITHOUT("oxidicom-writer", "libcurl", "libssl", "libcrypto", "libmicrohttpd", "libsqlite", "libnats",
                   "librabbitmq", "libhiredis", "libuuid");
}

Test(binaries, of_the_notifier_need_no_library_of_data_sets) {
    EXPECT_WITHOUT("oxidicom-notifier", "libdcm", "libof");
}

Test(binaries, of_the_launcher_need_none_of_them) {
    EXPECT_WITHOUT("oxidicom", "libdcm", "libof", "libz.", "libcurl", "libssl", "libcrypto", "libmicrohttpd",
                   "libsqlite", "libnats", "librabbitmq", "libhiredis", "libuuid");
}

static const char *const PROGRAMS[] = {"oxidicom", "oxidicom-listener", "oxidicom-writer", "oxidicom-notifier"};
#define EACH(program) for (size_t i = 0; i < sizeof PROGRAMS / sizeof *PROGRAMS && (program = PROGRAMS[i]); i++)

/* `said` is freed. */
static void expect_said(char *said, const char *program, const char *const *words) {
    for (; *words; words++)
        cr_expect(said && strstr(said, *words), "%s lacks %s:\n%s", program, *words, said);
    free(said);
}

Test(binaries, have_no_table_of_addresses_that_can_be_written) {
    receiver_t receiver;
    const char *program;
    receiver_prepare(&receiver);
    EACH(program) {
        expect_said(read_of(&receiver, program, "-dlW", "cat"), program,
                    (const char *const[]){"GNU_RELRO", "BIND_NOW", " PIE", NULL});
    }
    receiver_clear(&receiver);
}

/* gcc notes its options beside the symbols; clang does not. */
Test(binaries, are_compiled_with_guards_of_the_stack_and_of_buffers) {
    receiver_t receiver;
    const char *program;
    receiver_prepare(&receiver);
    EACH(program) {
        expect_said(read_of(&receiver, program, "-W --dyn-syms", "cat"), program,
                    (const char *const[]){"__stack_chk_fail", "printf_chk", NULL});
        char *by = read_of(&receiver, program, "-p .debug_str", "grep -F -e GNU -e clang");
        if (strstr(by, "GNU C11"))
            expect_said(strdup(by), program, (const char *const[]){"-fstack-clash-protection", NULL});
        free(by);
    }
    receiver_clear(&receiver);
}
