#include "writer/dicom/seahash.h"

#include <criterion/criterion.h>
#include <string.h>

Test(seahash, has_the_value_that_the_reference_documents) {
    const char *text = "to be or not to be";
    cr_assert_eq(seahash(text, strlen(text)), 1988685042348123509u);
}

Test(seahash, names_series_as_the_stored_ones_are_named) {
    static const struct {
        const char *uid, *hash;
    } known[] = {
        {"1.2.826.0.1.3680043.9.9999.3.1", "6b39373"},
        {"1.2.826.0.1.3680043.9.9999.3.2", "3719374"},
        {"1.2.826.0.1.3680043.9.9999.3.22", "5d2d102"},
        {"1.2.826.0.1.3680043.9.9999.3.3", "6088240"},
        {"series one/two", "d165834"},
        {"1.2.3", "c467d2f"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char hash[HASH7_BYTES + 1];
        hash7(known[i].uid, strlen(known[i].uid), hash);
        cr_expect_str_eq(hash, known[i].hash, "of %s", known[i].uid);
    }
}

Test(seahash, of_nothing_is_defined) {
    char hash[HASH7_BYTES + 1];
    hash7("", 0, hash);
    cr_assert_eq(strlen(hash), HASH7_BYTES);
}
