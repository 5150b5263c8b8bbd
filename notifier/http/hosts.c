#include "notifier/http/hosts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/comma_list.h"
#include "common/host.h"
#include "common/network.h"

/* The name without its port and what follows; false: it is none. */
static bool name_of(const char *header, char name[HOST_NAME_MAX + 1]) {
    size_t size = header[0] == '[' ? strcspn(++header, "]") : strcspn(header, ":/");
    if (size == 0 || size > HOST_NAME_MAX)
        return false;
    memcpy(name, header, size);
    name[size] = 0;
    return true;
}

static bool is_listed(const char *name, const char *list) {
    const char *item;
    size_t size;
    while (list && comma_list_next(&list, &item, &size))
        if ((size == 1 && *item == '*') || (size == strlen(name) && strncasecmp(item, name, size) == 0))
            return true;
    return false;
}

bool hosts_allow(const char *header, const char *list) {
    char name[HOST_NAME_MAX + 1], own[HOST_NAME_MAX + 1];
    if (!header) /* no browser leaves it out */
        return true;
    host_read_name(own);
    return name_of(header, name) && (network_is_address(name) || strcasecmp(name, "localhost") == 0 ||
                                     strcasecmp(name, own) == 0 || is_listed(name, list));
}
