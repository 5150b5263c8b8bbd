/* The systemd units: verified, hardened, and ordered so that a stop drains the ring from left to right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/deploy/tree.h"

static const char *const SERVICES[] = {"oxidicom-listener.service", "oxidicom-writer@.service",
                                       "oxidicom-notifier.service"};

static char *unit_of(const char *name) {
    char *path = text_of("deploy/systemd/%s", name);
    size_t size;
    char *unit = file_content(path, &size);
    cr_assert_not_null(unit, "%s", path);
    free(path);
    return unit;
}

Test(systemd, the_units_are_verified_without_a_complaint, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    /* The executables of this build instead of the installed ones. */
    tree_shell(&receiver, "mkdir \"$FOLDER/units\"; cp deploy/systemd/*.{service,socket,target} \"$FOLDER/units\"; "
                          "cd \"$FOLDER/units\"; sed -i \"s|/usr/local/bin|$BIN|\" *.service; "
                          "mv oxidicom-writer@.service oxidicom-writer@0.service; "
                          "said=$(systemd-analyze verify --man=no ./* 2>&1) || { echo \"$said\"; exit 1; }; "
                          "echo \"$said\"; [ -z \"$said\" ]");
    receiver_clear(&receiver);
}

/* Any other would be missing on a machine that has only what the package depends on. */
Test(systemd, the_units_run_nothing_but_the_stages_and_a_shell, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver, "[ $(grep -hE '^Exec' deploy/systemd/*.service | wc -l) -ge 4 ]; "
                          "others=$(grep -E '^Exec' deploy/systemd/*.service | "
                          "grep -vE '=(/usr/local/bin/oxidicom-[a-z]+$|/bin/sh -c )' || true); "
                          "echo \"$others\"; [ -z \"$others\" ]");
    receiver_clear(&receiver);
}

Test(systemd, the_exposure_of_each_service_is_below_2, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    for (size_t i = 0; i < sizeof SERVICES / sizeof *SERVICES; i++) {
        char *line = text_of("systemd-analyze security --offline=true --no-pager --threshold=19 deploy/systemd/%s",
                             SERVICES[i]);
        tree_shell(&receiver, line);
        free(line);
    }
    receiver_clear(&receiver);
}

/* Whether one of the unit's lines `key=…` has the word. */
static bool names(const char *unit, const char *key, const char *word) {
    char *line = text_of("\n%s=", key);
    bool found = false;
    for (const char *at = unit; !found && (at = strstr(at, line));) {
        at += strlen(line);
        const char *hit = strstr(at, word);
        found = hit && hit < at + strcspn(at, "\n");
    }
    free(line);
    return found;
}

Test(systemd, the_order_of_the_start_reversed_is_listener_writers_notifier) {
    char *listener = unit_of(SERVICES[0]), *writer = unit_of(SERVICES[1]), *notifier = unit_of(SERVICES[2]);
    cr_assert(names(writer, "Before", "oxidicom-listener.service"));
    cr_assert(names(writer, "After", "oxidicom-notifier.service"));
    cr_assert(names(listener, "After", "oxidicom-notifier.service"));
    cr_assert_not(names(notifier, "After", "oxidicom"));
    free(listener);
    free(writer);
    free(notifier);
}

Test(systemd, each_service_says_itself_when_it_is_ready_is_watched_and_ends_with_the_target) {
    char *target = unit_of("oxidicom.target");
    for (size_t i = 0; i < sizeof SERVICES / sizeof *SERVICES; i++) {
        char *unit = unit_of(SERVICES[i]);
        cr_assert(names(unit, "Type", "notify"), "%s", SERVICES[i]);
        cr_assert(names(unit, "WatchdogSec", "s") || names(unit, "WatchdogSec", "min"), "%s", SERVICES[i]);
        cr_assert(names(unit, "Restart", "always"), "%s", SERVICES[i]);
        cr_assert(names(unit, "RestartPreventExitStatus", "78"), "%s", SERVICES[i]);
        cr_assert(names(unit, "PartOf", "oxidicom.target"), "%s", SERVICES[i]);
        char *stem = strndup(SERVICES[i], strcspn(SERVICES[i], "@."));
        cr_assert(names(target, "Wants", stem), "%s", SERVICES[i]);
        free(stem);
        free(unit);
    }
    free(target);
}
