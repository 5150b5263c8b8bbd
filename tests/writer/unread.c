/* Objects that writers have died of. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/writer/objects_rig.h"

TestSuite(unread, .init = rig_init, .fini = rig_fini);

Test(unread, objects_are_refused_and_nothing_of_them_is_read) {
    data_set_t *set = typical(EXPLICIT_VR);
    send_by((sent_t){.unread = true}, set, 100);
    expect_refused(0xA700, 0, "");
    expect_silence(rig.notifier);
    cr_expect(is_temporary_folder_empty());
    send_whole((sent_t){.object = 2}, set);
    expect_stored(2, 1, expect_file(set));
    free(set);
}
