/* A process on another host: OXIDICOM_TEST_HOST is the name of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/preload/preload.h"

int gethostname(char *name, size_t size) {
    const char *host = getenv("OXIDICOM_TEST_HOST");
    if (!host)
        return REAL(gethostname)(name, size);
    snprintf(name, size, "%s", host);
    return 0;
}
