/* Data sets that end within a value. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/dataset.h"
#include "writer/dicom/head.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.98"

/* The object is refused, and nothing may be said of a series that there is none of. */
Test(cut, within_a_uid_name_none) {
    cr_assert(head_start());
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, SERIES ".1", 1, 100);
    const uint8_t *series = memmem(set.at, set.size, "\x20\x00\x0e\x00UI", 6);
    cr_assert_not_null(series);
    head_value_t values[HEAD_TAGS];
    size_t before = (size_t)(series - set.at) + 8, whole = before + strlen(SERIES) + strlen(SERIES) % 2;
    for (size_t size = before; size <= whole; size++) {
        head_t *head = head_new(EXPLICIT_LE);
        head_feed(head, set.at, size);
        for (int at_end = 0; at_end < 2; at_end++) {
            head_values(head, values);
            cr_expect_not_null(values[HEAD_STUDY_INSTANCE_UID].bytes);
            cr_expect_eq(values[HEAD_SERIES_INSTANCE_UID].bytes != NULL, size == whole, "%zu of %zu", size, whole);
            cr_expect_eq(head_finish(head), size == whole ? HEAD_READY : HEAD_UNREADABLE);
        }
        head_destroy(&head);
    }
    bytes_free(&set);
}
