/* Shared by the interoperability suites: one receiver, one nats-server and one Orthanc for the whole program,
 * started before the first test and stopped after the last; synthetic series in any encoding, and their expected
 * fate. */
#ifndef INTEROP_INTEROP_H
#define INTEROP_INTEROP_H

#include <criterion/criterion.h>
#include <jansson.h>

#include "tests/support/dataset.h"
#include "tests/support/receiver.h"
#include "tests/support/tap.h"

#define SLICES 3

/* TCP port of the shared receiver; as text it is valid for the whole test. */
int receiver_port(void);
const char *receiver_port_text(void);

/* Where the suites' servers and environments put their files; see interop.c. */
const char *shared_folder(void);

/* A series of SLICES files, each test's own, and a subscriber that hears of it. */
typedef struct series {
    char *folder;
    char uid[65];
    tap_t *tap;
} series_t;

/* Makes a phantom, and each file of it anew with `tool` and its `option` (NULL: leaves it unchanged, Explicit VR
 * Little Endian). */
series_t series_new(const char *tool, const char *option);
void series_clear(series_t *series);

/* That the receiver stored exactly the series under this calling AE title, every data set bit for bit and in the
 * transfer syntax `syntax` (NULL: the files' own), reported all of it and registered it. */
void expect_received(series_t *series, const char *calling_ae, const char *syntax);

/* That the association of this calling AE title proposed so many presentation contexts and got all of them. */
void expect_contexts(const char *calling_ae, int count);

/* Runs a sender to its end; it must end with status 0. Its output is said where it does not. */
void run_sender(const char *const *argv);

/* The same, and the output as text or as JSON, to be freed. */
char *run_for_text(const char *const *argv);
json_t *run_for_json(const char *const *argv);

/* The suites' own servers, started and stopped with the shared receiver. `folder` is theirs. */
void orthanc_start(const char *folder, int receiver_port);
void orthanc_stop(void);
/* Makes the Python environment that the tests of pynetdicom need, or says why it can't be had. */
void pynetdicom_install(const char *folder);

/* Every storage SOP class that DCMTK knows. */
const char *const *dcmtk_storage_classes(size_t *count);

#endif
