/* An object that its writer dies of. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/delivery.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.4.19"

/* Files in the quarantine, and whether one of them has these bytes. */
static size_t look_into_quarantine(const receiver_t *receiver, const bytes_t *set, bool *kept) {
    glob_t found = {0};
    char *pattern = text_of("%s/.oxidicom/quarantine/*", receiver->root);
    size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    *kept = false;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        char *content = file_content(found.gl_pathv[i], &size);
        *kept |= content && size == set->size && memcmp(content, set->at, size) == 0;
        free(content);
    }
    globfree(&found);
    free(pattern);
    return count;
}

Test(deadly, objects_are_refused_after_three_deaths_and_their_neighbours_are_stored, .timeout = PATIENCE_S) {
    receiver_t receiver;
    char comment[128];
    bool kept;
    /* Each rule kills once. */
    start_under_faults(&receiver, "deadly",
                       "writer rename kill-before path=99.99.99\n"
                       "writer rename kill-before path=99.99.99\n"
                       "writer rename kill-before path=99.99.99\n",
                       (const char *const[]){"OXIDICOM_QUARANTINE_SIZE", "10MiB", NULL});
    scu_t deadly = {.timeout_ms = PATIENCE_MS}, neighbour = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&deadly, receiver.port, "DEADLY", EXPLICIT_LE));
    cr_assert(scu_associate_mr(&neighbour, receiver.port, "NEIGHBOUR", EXPLICIT_LE));
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES ".1", "99.99.99", 1, 20000),
            other = dataset_instance(EXPLICIT_LE, SERIES ".2", "1.2.3", 1, 20000);
    cr_assert(scu_send_store(&deadly, 1, MR_STORAGE, "99.99.99", &set, 0));
    cr_assert(scu_send_store(&neighbour, 1, MR_STORAGE, "1.2.3", &other, 0));
    cr_expect_eq(scu_status(&neighbour), 0);
    cr_expect_eq(scu_status(&deadly), 0xA700);
    cr_expect(scu_response_text(&deadly, 0x0902, comment));
    cr_expect_str_eq(comment, "three writers died or hung with this object");
    cr_expect_eq(receiver_times_logged(&receiver, "a writer died or hung 3 times with this object"), 1);
    cr_expect_eq(receiver_files(&receiver), 1);
    cr_expect(scu_release(&deadly) && scu_release(&neighbour));
    cr_expect_eq(receiver_stop(&receiver), 0);
    cr_expect_eq(look_into_quarantine(&receiver, &set, &kept), 2, "the object and why it was refused");
    cr_expect(kept);
    bytes_free(&set);
    bytes_free(&other);
    receiver_clear(&receiver);
}
