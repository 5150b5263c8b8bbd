/* The steps that `make` repeats after a change, and its use of others' flags and folders. */
#include <stdlib.h>
#include <string.h>

#include "tests/deploy/tree.h"

static void check(const char *line) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver, line);
    receiver_clear(&receiver);
}

/* --- repeated steps ---------------------------------------------------------------------------------------- */

/* Asks make for its steps after a change of the file: these, "CC listener/main.c\n…", and no other. */
static void expect_steps(const char *file, const char *steps) {
    char *line =
        text_of("said=$(make -n SANITIZE= TSAN= -W %s all man | sed -n 's/^echo \\([A-Z]* [^;]*\\);.*/\\1/p'); "
                "echo \"$said\"; diff <(echo \"$said\" | LC_ALL=C sort) <(printf '%s' | LC_ALL=C sort)",
                file, steps);
    check(line);
    free(line);
}

/* Every source that includes one of the headers is compiled again, and others that see it through a header. */
static void expect_users_compiled(const char *file, const char *headers) {
    char *line =
        text_of("make -n SANITIZE= TSAN= -W %s all | sed -n 's/^echo C[CX]X* \\([^;]*\\);.*/\\1/p' | "
                "LC_ALL=C sort >\"$FOLDER/compiled\"; git grep -lE '#include \"(%s)\"' -- common proto listener "
                "writer notifier deploy/tool deploy/launcher | grep -v '\\.h$' | LC_ALL=C sort "
                ">\"$FOLDER/users\"; [ $(wc -l <\"$FOLDER/users\") -ge 5 ]; "
                "LC_ALL=C comm -23 \"$FOLDER/users\" \"$FOLDER/compiled\" | tee /dev/stderr | wc -l | grep -qx 0; "
                "[ $(wc -l <\"$FOLDER/compiled\") -gt $(wc -l <\"$FOLDER/users\") ]",
                file, headers);
    check(line);
    free(line);
}

Test(build, does_nothing_when_nothing_has_changed, .timeout = PATIENCE_S) {
    expect_steps("README.md", "\\n");
}

Test(build, compiles_and_links_what_uses_a_source_of_each_kind_and_nothing_else, .timeout = PATIENCE_S) {
    expect_steps("listener/main.c", "CC listener/main.c\\nLINK build/bin/oxidicom-listener\\n");
    expect_steps("writer/dicom/head.cc",
                 "CXX writer/dicom/head.cc\\nAR build/lib/writer/dicom.a\\nLINK build/bin/oxidicom-writer\\n");
    expect_steps("notifier/http/page.html", "EMBED notifier/http/page.html\\nAR build/lib/notifier/http.a\\n"
                                            "LINK build/bin/oxidicom-notifier\\n");
    expect_steps("deploy/embed.s.in", "EMBED notifier/http/page.html\\nAR build/lib/notifier/http.a\\n"
                                      "LINK build/bin/oxidicom-notifier\\n");
    expect_steps("deploy/man/oxidicom.1.in", "MAN build/man/oxidicom.1\\n");
}

Test(build, compiles_all_that_sees_a_changed_header_or_message, .timeout = PATIENCE_S) {
    expect_users_compiled("common/settings.h", "common/(settings|stage)\\.h");
    expect_users_compiled("proto/ring.proto", "proto/(ring|reply)\\.(pb-c\\.)?h");
    expect_users_compiled("common/telemetry/otlp.proto", "common/telemetry/(otlp|span)\\.(pb-c\\.)?h");
}

/* --- how others build ------------------------------------------------------------------------------------------
 */

#define COMPILE                                                                                                    \
    "make -s WERROR=1 SANITIZE= TSAN= B=\"$FOLDER/b\" \"$FOLDER/b/obj/common/duration.o\" "                        \
    "\"$FOLDER/b/obj/writer/dicom/seahash.o\""

Test(build, takes_flags_of_the_environment_without_a_warning, .timeout = PATIENCE_S) {
    check("export CFLAGS=-O0 CXXFLAGS=-O0; " COMPILE);
    check("export CPPFLAGS=-D_FORTIFY_SOURCE=3 CFLAGS=-O2; " COMPILE);
    check("export CFLAGS='-O2 -D_FORTIFY_SOURCE=3' CXXFLAGS='-O2 -D_FORTIFY_SOURCE=3'; " COMPILE);
    check("export CC='gcc -D_FORTIFY_SOURCE=1'; " COMPILE);
}

Test(build, takes_a_folder_whose_name_has_a_space, .timeout = PATIENCE_S) {
    check("mkdir \"$FOLDER/a tree\"; git ls-files -z | tar -c --null -T - | tar -x -C \"$FOLDER/a tree\"; "
          "cd \"$FOLDER/a tree\"; make -s SANITIZE= TSAN= man build/obj/common/duration.o "
          "build/obj/notifier/http/page.html.o; ! strings build/obj/common/duration.o | grep 'a tree'; "
          "[ $(ls build/man/*.[15] | wc -l) -eq 5 ]");
}

Test(build, gives_files_and_times_eight_bytes_where_pointers_have_four, .timeout = PATIENCE_S) {
    check("make -n SANITIZE= TSAN= B=b CC='gcc -m32' b/obj/common/duration.o | grep -- "
          "'-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64' >/dev/null; "
          "! make -n SANITIZE= TSAN= B=b b/obj/common/duration.o | grep _TIME_BITS");
}

/* Neither pages nor objects come from programs of the machine that is built for, or tools for the one that builds.
 */
Test(build, for_another_machine_runs_nothing_that_it_has_built_and_takes_its_tools, .timeout = PATIENCE_S) {
    check("make -n SANITIZE= TSAN= B=b CC=other-gcc CXX=other-g++ AR=other-ar PKG_CONFIG=true all man "
          "2>/dev/null >\"$FOLDER/steps\"; cd \"$FOLDER\"; "
          "! grep -nE '(^|[;|{] *)(ld|ar|gcc|g\\+\\+|b/bin/oxidicom)' steps; "
          "[ $(grep -c 'other-gcc' steps) -gt 100 ]; [ $(grep -c 'other-ar' steps) -gt 10 ]; "
          "[ $(grep -c 'other-g++' steps) -ge 4 ]");
    check("[ \"$(make -n SANITIZE= TSAN= B=b b/lib/common.a | sed -n 's/.*rm -f b.lib.common.a; \\([^ ]*\\) "
          ".*/\\1/p')\" = "
          "\"$(gcc -print-prog-name=ar)\" ]");
}

Test(build, knows_in_one_header_alone_what_only_glibc_has, .timeout = PATIENCE_S) {
    check("[ \"$(git grep -lE 'strerrorname_np|\\bmallopt\\b|malloc_trim|<malloc\\.h>' -- common proto listener "
          "writer "
          "notifier deploy)\" = common/portability.h ]");
}
