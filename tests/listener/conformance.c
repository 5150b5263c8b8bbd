#include "listener/conformance.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/document.h"

Test(conformance, statement_has_the_tables_as_the_listener_prints_them) {
    char *printed = NULL;
    size_t size;
    FILE *out = open_memstream(&printed, &size);
    conformance_print(out);
    fclose(out);
    char *missing = missing_part("deploy/CONFORMANCE.md", printed);
    cr_assert_null(missing, "`make readme` puts this into deploy/CONFORMANCE.md:\n%s", missing);
    free(printed);
}
