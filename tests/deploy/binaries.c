/* What the executables ask the dynamic linker for: libraries that a stage does not use are code that it can be
 * attacked by, and packages that its image carries. */
#include <string.h>

#include "tests/deploy/tree.h"

/* The names after NEEDED of a plain build, "libzmq.so.5 libc.so.6 …". */
static char *needed(const receiver_t *receiver, const char *program) {
    char *line = text_of(
        "readelf -d build/bin/%s | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p' >\"$FOLDER/needed\"", program);
    char *path = text_of("%s/needed", receiver->folder);
    size_t size;
    tree_shell(receiver, line);
    char *names = file_content(path, &size);
    cr_assert(names && strstr(names, "libzmq"), "%s: %s", program, names);
    free(line);
    free(path);
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
