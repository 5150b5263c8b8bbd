#include "common/broker_schemes.h"

#include <string.h>

#define ROW(form, transport, name, system, is_folder) {form, name, system, is_folder},
const broker_scheme_t BROKERS[] = {BROKER_SCHEMES(ROW)};

int broker_scheme_of(const char *address) {
    for (int i = 0; i < (int)(sizeof BROKERS / sizeof *BROKERS); i++)
        if (strncmp(address, BROKERS[i].form, (size_t)(broker_scheme_rest(BROKERS[i].form) - BROKERS[i].form)) == 0)
            return i;
    return -1;
}

const char *broker_scheme_rest(const char *address) {
    return strstr(address, "://") + strlen("://");
}
