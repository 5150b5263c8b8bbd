/* The tags of one series name several folders. */
#include "writer/homes.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/metrics.h"
#include "common/series_links.h"
#include "common/settings.h"
#include "tests/support/process.h"
#include "tests/writer/objects_rig.h"

TestSuite(homes, .init = rig_init, .fini = rig_fini);

#define SERIES_DESCRIPTION 0x0008103E

static char *link_path(void) {
    return text_of("%s/" SERIES_LINKS "/RAWSCU+" SERIES_UID, rig.root);
}

/* Sends an object; returns the folder that its event names, and the token. */
static char *folder_of(sent_t which, const char *description, uint64_t *token) {
    data_set_t *set = typical_but(EXPLICIT_VR, SERIES_DESCRIPTION, description);
    send_whole(which, set);
    free(set);
    report_flush(rig.environment.report);
    Ring__Envelope *event = received(rig.notifier);
    cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
    char *folder = strdup(event->stored->series->folder);
    *token = event->stored->token;
    char *path = text_of("%s/%s/%s", rig.root, folder, event->stored->objects[0]->file);
    cr_expect_eq(access(path, F_OK), 0, "%s", path);
    free(path);
    ring__envelope__free_unpacked(event, NULL);
    return folder;
}

Test(homes, are_one_folder_and_token_whatever_the_tags_say) {
    uint64_t first_token, token;
    char *first = folder_of((sent_t){.object = 1}, "T1", &first_token);
    static const sent_t others[] = {
        {.object = 2}, {.association = 2, .object = 3}, {.association = 3, .object = 4}};
    for (size_t i = 0; i < 3; i++) {
        char *folder = folder_of(others[i], "T2", &token);
        cr_expect_str_eq(folder, first);
        cr_expect_eq(token, first_token);
        free(folder);
    }
    free(first);
}

Test(homes, are_shared_by_titles_that_share_the_folder_of_a_pacs) {
    const sent_t sent[] = {{.association = 1, .object = 1, .calling_ae = (char[]){"RAW SCU"}},
                           {.association = 2, .object = 2, .calling_ae = (char[]){"RAW_SCU"}}};
    uint64_t token;
    char *first = folder_of(sent[0], "T1", &token), *folder = folder_of(sent[1], "T2", &token);
    cr_expect_str_eq(folder, first);
    free(folder);
    free(first);
}

Test(homes, are_asked_for_once_for_each_association) {
    uint64_t token;
    char *path = link_path(), *first = folder_of((sent_t){.object = 1}, "T1", &token);
    cr_assert_eq(unlink(path), 0);
    char *same = folder_of((sent_t){.object = 2}, "T2", &token);
    cr_expect_str_eq(same, first);
    cr_expect_neq(access(path, F_OK), 0);
    char *next = folder_of((sent_t){.association = 2, .object = 3}, "T2", &token);
    cr_expect_str_neq(next, first);
    free(path);
    free(first);
    free(same);
    free(next);
}

static int64_t moved;

static void add_moved(void *self, const metric_sample_t *sample) {
    (void)self;
    if (sample->metric == METRIC_FILES_MOVED_HOME)
        moved += sample->value;
}

Test(homes, that_are_not_what_the_tags_say_are_counted) {
    uint64_t token;
    metrics_start(FOR_WRITER);
    for (uint64_t i = 1; i <= 3; i++)
        free(folder_of((sent_t){.object = i}, i == 2 ? "T2" : "T1", &token));
    metrics_visit(add_moved, NULL);
    cr_expect_eq(moved, 1);
}

Test(homes, are_remembered_of_so_many_and_asked_for_again_beyond) {
    homes_t *homes = homes_new();
    homes_wish_t wish = {LISTENER, 1, "AE", "1.2"};
    home_t *first = homes_of(homes, &wish), *again = homes_of(homes, &wish);
    cr_expect_eq(first, again);
    home_release(&again);
    for (uint64_t i = 2; i <= HOMES_MAX + 1; i++) {
        wish.association = i;
        home_t *other = homes_of(homes, &wish);
        cr_expect_neq(other, first);
        home_release(&other);
    }
    wish.association = 1;
    again = homes_of(homes, &wish);
    cr_expect_neq(again, first);
    home_release(&again);
    home_release(&first);
    homes_destroy(&homes);
}
