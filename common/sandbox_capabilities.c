/* Capabilities: a stage has some where it runs as root, as in many containers. */
#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "common/sandbox.h"

/* Ports below are for the privileged (ip(7)). */
#define PRIVILEGED_PORTS 1024

static bool listens_below(const sandbox_t *sandbox) {
    for (size_t i = 0; i < sandbox->ports_count; i++)
        if (sandbox->ports[i] < PRIVILEGED_PORTS)
            return true;
    return false;
}

/* The held part of the kept ones. */
static int keep(cap_t capabilities, cap_t held, cap_value_t value) {
    cap_flag_value_t has = CAP_CLEAR;
    if (cap_get_flag(held, value, CAP_PERMITTED, &has) != 0)
        return -1;
    return cap_set_flag(capabilities, CAP_PERMITTED, 1, &value, has) != 0 ||
                   cap_set_flag(capabilities, CAP_EFFECTIVE, 1, &value, has) != 0
               ? -1
               : 0;
}

static int drop(const sandbox_t *sandbox, cap_t capabilities, cap_t held) {
    if (keep(capabilities, held, CAP_DAC_OVERRIDE) != 0 ||
        (listens_below(sandbox) && keep(capabilities, held, CAP_NET_BIND_SERVICE) != 0))
        return errno;
    /* Nothing is to be given up by most, and a supervisor's filter may refuse the call. */
    return cap_compare(capabilities, held) == 0 || cap_set_proc(capabilities) == 0 ? 0 : errno;
}

int sandbox_drop_capabilities(const sandbox_t *sandbox) {
    cap_t capabilities = cap_init(), held = cap_get_proc();
    int status = capabilities && held ? drop(sandbox, capabilities, held) : errno;
    cap_free(capabilities);
    cap_free(held);
    /* None comes back by a new program: no stage starts one. */
    return status;
}
