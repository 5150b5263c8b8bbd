/* What the log says of objects that are refused: an operator finds the object by it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/support/process.h"
#include "tests/support/receiver.h"
#include "tests/writer/objects_rig.h"

TestSuite(refused, .init = rig_init, .fini = rig_fini);

/* The log of the object; free it. */
static char *log_of(sent_t which, const data_set_t *set) {
    char *path = text_of("%s/log", rig.folder);
    int kept = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(kept >= 0 && file >= 0);
    log_start("test", "warn", NULL);
    dup2(file, STDERR_FILENO);
    send_whole(which, set);
    dup2(kept, STDERR_FILENO);
    log_start("test", "off", NULL);
    close(file);
    close(kept);
    size_t size;
    char *log = file_content(path, &size);
    cr_assert_not_null(log);
    free(path);
    return log;
}

static void expect_logged(sent_t which, const char *expected) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00100020, "");
    char *log = log_of(which, set);
    cr_expect_not_null(strstr(log, expected), "no \"%s\" in: %s", expected, log);
    cr_expect_null(strstr(log, "Doe"), "%s", log);
    free(log);
    free(set);
}

Test(refused, objects_are_named_by_their_instance) {
    expect_logged(
        (sent_t){.sop_instance = (char *)"1.2.3"},
        " association=1 object=1: instance 1.2.3 is refused with C000: PatientID (0010,0020) is missing\n");
}

Test(refused, unread_objects_are_named_by_their_instance) {
    expect_logged((sent_t){.sop_instance = (char *)"1.2.3", .unread = true},
                  " association=1 object=1: instance 1.2.3 is refused unread with A700: ");
}

Test(refused, objects_of_no_instance_say_so) {
    expect_logged((sent_t){.sop_instance = (char *)""}, ": instance (none) is refused with C000: PatientID");
}

Test(refused, objects_leave_room_for_the_reason_and_forge_no_line) {
    char uid[3000] = "1.2\n3";
    memset(uid + 5, '4', sizeof uid - 6);
    expect_logged(
        (sent_t){.sop_instance = uid},
        ": instance 1.2?344444444444444444444444444444444444444444444444444444444444 is refused with C000: "
        "PatientID");
}
