#include "common/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void host_read_name(char name[HOST_NAME_MAX + 1]) {
    if (gethostname(name, HOST_NAME_MAX + 1) != 0 || !*name || *name == '.' || strchr(name, '/'))
        snprintf(name, HOST_NAME_MAX + 1, "localhost");
}
