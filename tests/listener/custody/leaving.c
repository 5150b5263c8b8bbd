/* Writers that were told to end. */
#include <criterion/criterion.h>

#include "listener/custody/private.h"
#include "tests/listener/custody/custody_rig.h"

/* A minute ago, as far as the custody knows. */
#define LONG_MS 60000

static writer_link_t *writer_of(rig_t *rig, uint64_t incarnation) {
    writer_link_t *writer;
    TAILQ_FOREACH(writer, &rig->custody.writers, next)
    if (writer->incarnation == incarnation)
        break;
    cr_assert_not_null(writer, "no writer %llu", (unsigned long long)incarnation);
    return writer;
}

/* It says so again, and first did so long ago. Whether it gets objects still. */
static bool stays(rig_t *rig, uint64_t incarnation) {
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.incarnation = incarnation;
    writers_on_leaving(&rig->custody, &leaving);
    bool stays = dispatch_may_assign(writer_of(rig, incarnation));
    if (writer_of(rig, incarnation)->asked_ms)
        writer_of(rig, incarnation)->asked_ms -= LONG_MS;
    return stays;
}

Test(leaving, is_at_once_while_another_writer_is_there, .timeout = 60) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    cr_expect_not(stays(rig, 1));
    rig_free(rig);
}

/* All may be told at once, and the listener hear of it last. */
Test(leaving, of_the_last_one_is_a_moment_later, .timeout = 60) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    cr_expect(stays(rig, 1));
    cr_expect_not(stays(rig, 1));
    rig_free(rig);
}

Test(leaving, is_not_of_the_last_one_while_the_listener_drains, .timeout = 60) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    rig_writer_alive(rig, "writer-b", 2);
    cr_expect_not(stays(rig, 2));
    cr_expect(stays(rig, 1));
    writers_keep_last(&rig->custody);
    cr_expect(stays(rig, 1));
    cr_expect(stays(rig, 1));
    rig_free(rig);
}

Test(leaving, is_taken_back_where_the_listener_drains_and_objects_are_still_with_the_last_one, .timeout = 60) {
    rig_t *rig = rig_new();
    rig_writer_alive(rig, "writer-a", 1);
    object_t *object = rig_begin(rig);
    rig_append(object, 1000);
    object_finish(object);
    cr_expect(stays(rig, 1));
    cr_expect_not(stays(rig, 1));
    writers_keep_last(&rig->custody);
    cr_expect(dispatch_may_assign(writer_of(rig, 1)));
    cr_expect(stays(rig, 1));
    rig_free(rig);
}
