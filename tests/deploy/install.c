/* `make install`, the manual pages, the completion and the packages. */
#include <stdlib.h>
#include <string.h>

#include "common/settings_table.h"
#include "common/version.h"
#include "tests/deploy/tree.h"

static char *content_of(const receiver_t *receiver, const char *name) {
    char *path = text_of("%s/%s", receiver->folder, name);
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_not_null(content, "%s", path);
    free(path);
    return content;
}

/* Into root/ of the receiver's folder. The programs come from the plain build. */
static void install(const receiver_t *receiver, const char *variables) {
    char *line = text_of("make -s SANITIZE= install DESTDIR=\"$FOLDER/root\" %s", variables);
    tree_shell(receiver, line);
    free(line);
}

Test(install, everything_lies_where_the_filesystem_hierarchy_standard_has_it, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    install(&receiver, "PREFIX=/usr");
    tree_shell(&receiver, "cd \"$FOLDER/root\"; "
                          "for p in '' -listener -writer -notifier; do "
                          "usr/bin/oxidicom$p --version | head -n 1; test -s usr/share/man/man1/oxidicom$p.1; "
                          "test -s usr/share/bash-completion/completions/oxidicom$p; done; "
                          "for f in usr/share/man/man5/oxidicom.conf.5 usr/share/doc/oxidicom/README.md "
                          "usr/lib/systemd/system/oxidicom.target usr/lib/sysusers.d/oxidicom.conf "
                          "usr/lib/tmpfiles.d/oxidicom.conf usr/share/oxidicom/s6/scan/listener/run "
                          "usr/share/oxidicom/supervisord/oxidicom.conf etc/oxidicom/oxidicom.conf; do "
                          "test -s $f; done; "
                          "[ $(stat -c %a etc/oxidicom/oxidicom.conf) = 640 ]; "
                          "[ \"$(ls)\" = $'etc\\nusr' ]; [ $(ls usr/bin | wc -l) -eq 4 ]");
    receiver_clear(&receiver);
}

Test(install, units_start_the_executables_where_they_were_installed, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    install(&receiver, "PREFIX=/opt/oxi UNITDIR=/units");
    tree_shell(&receiver, "cd \"$FOLDER/root/units\"; [ $(grep -h ^ExecStart= *.service | wc -l) -eq 3 ]; "
                          "grep -h ^ExecStart= *.service | sed 's/.*=//' | "
                          "while read -r program; do test -x \"$FOLDER/root$program\"; done");
    receiver_clear(&receiver);
}

Test(install, every_file_names_the_places_that_it_was_installed_for, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    install(&receiver, "PREFIX=/opt/oxi SYSCONFDIR=/opt/conf");
    tree_shell(&receiver,
               "cd \"$FOLDER/root\"; ! grep -rnIE '/usr/local|/etc/oxidicom' --exclude-dir=doc .; "
               "grep -rhoIE '/opt/oxi/bin/oxidicom[a-z-]*' --exclude-dir=doc . | sort | uniq -c | "
               "while read -r times program; do [ $times -ge 2 ]; test -x \"$FOLDER/root$program\"; done; "
               "grep -q '^PATH=/opt/oxi/bin:' opt/oxi/share/oxidicom/s6/scan/.site; "
               "[ $(grep -rlI /opt/conf/oxidicom/oxidicom.conf opt/oxi | wc -l) -ge 6 ]; "
               "test -e opt/conf/oxidicom/oxidicom.conf");
    receiver_clear(&receiver);
}

Test(install, a_narrow_umask_and_a_folder_with_a_space_change_nothing, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    install(&receiver, "");
    tree_shell(&receiver, "umask 077; make -s SANITIZE= install DESTDIR=\"$FOLDER/a root\"; cd \"$FOLDER\"; "
                          "modes() { (cd \"$1\" && find . -mindepth 1 -printf '%p %M\\n' | sort); }; "
                          "diff <(modes root) <(modes 'a root')");
    receiver_clear(&receiver);
}

Test(install, a_configuration_that_is_there_stays, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver,
               "mkdir -p \"$FOLDER/root/etc/oxidicom\"; echo mine >\"$FOLDER/root/etc/oxidicom/oxidicom.conf\"");
    install(&receiver, "");
    tree_shell(&receiver, "[ \"$(cat \"$FOLDER/root/etc/oxidicom/oxidicom.conf\")\" = mine ]");
    receiver_clear(&receiver);
}

Test(install, with_the_configuration_as_installed_and_a_broker_the_receiver_starts, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    install(&receiver, "");
    /* Its paths, and a port that is free, are the test's. */
    tree_shell(&receiver, "cd \"$FOLDER/root/etc/oxidicom\"; "
                          "sed -e \"s|=/srv/oxidicom|=$FOLDER/root|\" "
                          "-e \"s|^#OXIDICOM_AMQP_ADDRESS=|OXIDICOM_AMQP_ADDRESS=filesystem://$FOLDER/queue|\" "
                          "-e '/^#[A-Z_]*=./s/^#//' -e '/LISTENER_PORT/d' oxidicom.conf >\"$FOLDER/conf\"; "
                          "[ $(grep -c '^[A-Z]' \"$FOLDER/conf\") -gt 15 ]");
    char *line = text_of("set -a; . %s/conf; exec %s/oxidicom", receiver.folder, binaries());
    receiver_launch_as(&receiver, NULL, (const char *const[]){"sh", "-c", line, NULL});
    cr_assert(receiver_logged(&receiver, "all stages are ready", PATIENCE_MS), "%s", content_of(&receiver, "log"));
    cr_assert_eq(receiver_stop(&receiver), 0);
    free(line);
    receiver_clear(&receiver);
}

/* --- manual
 * ------------------------------------------------------------------------------------------------------- */

Test(manual, the_pages_are_formatted_without_a_warning, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver,
               "for page in build/man/*.[15]; do "
               "said=$(groff -ww -K utf8 -man -z $page 2>&1 && "
               "LC_ALL=C.UTF-8 MANROFFSEQ= man --warnings -E UTF-8 -l $page 2>&1 >/dev/null); "
               "echo \"$page: $said\"; [ -z \"$said\" ]; done; [ $(ls build/man/*.[15] | wc -l) -eq 5 ]");
    receiver_clear(&receiver);
}

/* The page as a reader sees it, on a line so wide that nothing is hyphenated; free it. */
static char *page_of(const receiver_t *receiver, const char *name) {
    char *line = text_of("LC_ALL=C.UTF-8 MANWIDTH=1000 man -l build/man/%s | col -bx "
                         ">\"$FOLDER/page\"",
                         name);
    tree_shell(receiver, line);
    free(line);
    return content_of(receiver, "page");
}

Test(manual, oxidicom_conf_has_every_setting_with_its_help_and_default, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *page = page_of(&receiver, "oxidicom.conf.5");
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const setting_t *s = &SETTINGS[i];
        char *heading = text_of("\n       %s", s->name);
        const char *at = strstr(page, heading);
        cr_assert_not_null(at, "%s", s->name);
        char *end = text_of("%s%s.\n", s->required ? "required" : "default: ",
                            s->required        ? ""
                            : s->default_value ? s->default_value
                                               : "none");
        const char *help = strstr(at, s->help), *allowed = strstr(at, end), *next = strstr(at, "\n\n");
        cr_assert(help && (!next || help < next), "%s: %.400s", s->name, at);
        cr_assert(allowed && (!next || allowed < next), "%s: %.400s", s->name, at);
        free(end);
        free(heading);
    }
    free(page);
    receiver_clear(&receiver);
}

/* Every option, and of a stage every setting, that --help names is in the page. */
static void expect_help_in_page(const receiver_t *receiver, const char *program, bool with_settings) {
    char *name = text_of("%s.1", program), *page = page_of(receiver, name);
    char *line = text_of("\"$BIN/%s\" --help | grep -oE -- '--[a-z][a-z-]*%s' | sort -u >\"$FOLDER/words\"",
                         program, with_settings ? "|^  [A-Z][A-Z_]+" : "");
    tree_shell(receiver, line);
    char *words = content_of(receiver, "words");
    cr_assert(strstr(words, "--version") && strlen(words) > 30, "%s", words);
    for (char *at = words, *word; (word = strsep(&at, "\n"));)
        cr_assert(strstr(page, word + strspn(word, " ")), "%s is not in %s", word, name);
    free(words);
    free(line);
    free(page);
    free(name);
}

Test(manual, the_pages_of_the_programs_have_every_option_and_those_of_the_stages_their_settings,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    expect_help_in_page(&receiver, "oxidicom", false);
    expect_help_in_page(&receiver, "oxidicom-listener", true);
    expect_help_in_page(&receiver, "oxidicom-writer", true);
    expect_help_in_page(&receiver, "oxidicom-notifier", true);
    receiver_clear(&receiver);
}

Test(manual, oxidicom_1_has_every_command_with_its_options, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *page = page_of(&receiver, "oxidicom.1");
    tree_shell(&receiver,
               "for c in $(\"$BIN/oxidicom\" --help | sed -n 's/^  \\([a-z][a-z]*\\) .*/\\1/p'); do "
               "echo $c; \"$BIN/oxidicom\" $c --help | grep -oE -- '^ +--.*' | grep -oE -- '--[a-z-]+'; done "
               ">\"$FOLDER/words\"");
    char *words = content_of(&receiver, "words");
    cr_assert(strstr(words, "reconcile\n") && strstr(words, "--dry-run\n"), "%s", words);
    for (char *at = words, *word; (word = strsep(&at, "\n"));)
        cr_assert(strstr(page, word), "%s", word);
    free(words);
    free(page);
    receiver_clear(&receiver);
}

/* The shell and systemd make the same of it, and of each line of the page that shows one. */
Test(manual, oxidicom_conf_shows_values_as_every_reader_of_the_file_takes_them, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(
        &receiver,
        "MANWIDTH=1000 man -l build/man/oxidicom.conf.5 | col -bx | grep -oE \"^ *OXIDICOM_[A-Z_]+='.*'\" | "
        "sed 's/^ *//' >\"$FOLDER/conf\"; cat \"$FOLDER/conf\"; [ $(wc -l <\"$FOLDER/conf\") -ge 1 ]; "
        "grep -F '$' \"$FOLDER/conf\"; ! MANWIDTH=1000 man -l build/man/oxidicom.conf.5 | grep 'stands in double'; "
        "env -i sh -c 'set -a; . \"$1\"; env' sh \"$FOLDER/conf\" | grep '^OXIDICOM' | "
        "diff - <(tr -d \"'\" <\"$FOLDER/conf\")");
    receiver_clear(&receiver);
}

/* --- versions
 * ------------------------------------------------------------------------------------------------------ */

Test(version, each_program_names_its_release_and_the_libraries_that_it_is_linked_with) {
    static const char *const programs[][2] = {{"oxidicom", "czmq|zmq|protobuf-c|jansson"},
                                              {"oxidicom-listener", "czmq|zmq|protobuf-c|openssl"},
                                              {"oxidicom-writer", "czmq|zmq|protobuf-c|dcmtk|zlib|jansson"},
                                              {"oxidicom-notifier", "czmq|zmq|protobuf-c|sqlite|cnats|rabbitmq-c|"
                                                                    "jansson|openssl"}};
    receiver_t receiver;
    receiver_prepare(&receiver);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char *line =
            text_of("said=$(\"$BIN/%s\" --version); echo \"$said\"; "
                    "[ \"$(head -n 1 <<<\"$said\")\" = '%s " OXIDICOM_VERSION "' ]; "
                    "for l in $(tr '|' ' ' <<<'%s'); do grep -qE \"^  $l [0-9]+\\.[0-9]\" <<<\"$said\"; done",
                    programs[i][0], programs[i][0], programs[i][1]);
        tree_shell(&receiver, line);
        free(line);
    }
    receiver_clear(&receiver);
}

/* --- completion
 * ------------------------------------------------------------------------------------------------------ */

/* Exactly these completions of the last word. */
static void expect_offer(const receiver_t *receiver, const char *words, const char *expected) {
    char *line =
        text_of("set +eu; PATH=$BIN:$PATH; . deploy/completion/oxidicom.bash; COMP_WORDS=(%s); "
                "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
                "_oxidicom ${COMP_WORDS[0]} \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; "
                "echo \"offered: ${COMPREPLY[*]}\"; [ \"${COMPREPLY[*]}\" = '%s' ]",
                words, expected);
    tree_shell(receiver, line);
    free(line);
}

Test(completion, commands_options_and_stages_are_offered) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    expect_offer(&receiver, "oxidicom s", "status series");
    expect_offer(&receiver, "oxidicom --s", "--settings --stages");
    expect_offer(&receiver, "oxidicom --stages ''", "listener writer notifier");
    expect_offer(&receiver, "oxidicom series --s", "--show-phi --since");
    expect_offer(&receiver, "oxidicom reconcile --dry", "--dry-run");
    expect_offer(&receiver, "oxidicom-listener --", "--conformance --help --version");
    expect_offer(&receiver, "oxidicom-notifier --c", "");
    receiver_clear(&receiver);
}

/* --- packages
 * --------------------------------------------------------------------------------------------------------- */

Test(package, the_debian_package_comes_out_of_the_tarball_and_lintian_accepts_it, .timeout = 1800) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    if (strstr(binaries(), "/sanitize/"))
        cr_skip("the package is built once, without sanitizers");
    char *line =
        text_of("set -euo pipefail; unset MAKEFLAGS MAKELEVEL; make -s dist; mkdir %s/source; cd %s/source; "
                "tar -xz --strip-components=1 -f \"$OLDPWD/build/oxidicom-" OXIDICOM_VERSION ".tar.gz\"; make deb",
                receiver.folder, receiver.folder);
    int status = process_run(receiver.log, NULL, (const char *const[]){"bash", "-c", line, NULL}, 25 * 60 * 1000);
    cr_assert_eq(status, 0, "%s", content_of(&receiver, "log"));
    tree_shell(&receiver, "date=$(date -uR -d @$(git log -1 --format=%ct)); cd \"$FOLDER/source/build/deb\"; "
                          "lintian --fail-on error,warning --allow-root *.changes; "
                          "grep -F \"  $date\" oxidicom-" OXIDICOM_VERSION "/debian/changelog");
    tree_shell(&receiver, "dpkg-deb -R \"$FOLDER\"/source/build/deb/oxidicom_" OXIDICOM_VERSION
                          "_*.deb \"$FOLDER/deb\"; cd \"$FOLDER/deb\"; "
                          "usr/bin/oxidicom-writer --version; "
                          "for s in postinst prerm postrm; do sh -n DEBIAN/$s; done; "
                          "[ \"$(cat DEBIAN/conffiles)\" = /etc/oxidicom/oxidicom.conf ]; "
                          "grep -q 'ExecStart=/usr/bin/oxidicom-listener' "
                          "usr/lib/systemd/system/oxidicom-listener.service; "
                          "test -s usr/share/man/man5/oxidicom.conf.5.gz");
    free(line);
    receiver_clear(&receiver);
}

/* debhelper removes the links of all units except instances of a template. */
Test(package, purge_leaves_no_link_to_a_writer_that_was_enabled) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver,
               "export DPKG_ROOT=\"$FOLDER/gone\"; wants=$DPKG_ROOT/etc/systemd/system/oxidicom.target.wants; "
               "mkdir -p \"$wants\"; ln -s /lib/systemd/system/oxidicom-writer@.service "
               "\"$wants/oxidicom-writer@1.service\"; sh deploy/debian/oxidicom.postrm remove; "
               "[ -L \"$wants/oxidicom-writer@1.service\" ]; sh deploy/debian/oxidicom.postrm purge; "
               "ls -la \"$DPKG_ROOT/etc/systemd/system\"; [ ! -e \"$wants\" ]; "
               "sh deploy/debian/oxidicom.postrm purge");
    receiver_clear(&receiver);
}

Test(package, the_tarball_is_the_committed_tree_and_the_same_each_time, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver,
               "f=build/oxidicom-" OXIDICOM_VERSION ".tar.gz; make -s dist; first=$(sha256sum $f); make -s dist; "
               "[ \"$first\" = \"$(sha256sum $f)\" ]; "
               "diff <(tar -tzf $f | grep -v '/$' | sed 's|^[^/]*/||' | sort) "
               "<(git ls-tree -r --name-only HEAD | sort)");
    receiver_clear(&receiver);
}
