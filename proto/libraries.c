#include "proto/libraries.h"

#include <czmq.h>
#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <seccomp.h>

void libraries_print_one(FILE *out, const char *name, const char *version) {
    fprintf(out, "  %s %s\n", name, version);
}

void libraries_print(FILE *out) {
    int major, minor, patch;
    zsys_version(&major, &minor, &patch);
    fprintf(out, "  czmq %d.%d.%d\n", major, minor, patch);
    zmq_version(&major, &minor, &patch);
    fprintf(out, "  zmq %d.%d.%d\n", major, minor, patch);
    libraries_print_one(out, "protobuf-c", protobuf_c_version());
    libraries_print_one(out, "jansson", jansson_version_str());
    const struct scmp_version *seccomp = seccomp_version();
    if (seccomp)
        fprintf(out, "  seccomp %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
}
