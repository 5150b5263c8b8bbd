/* pynetdicom as the sender, out of a Python environment that the run makes and throws away. Where it can't be had,
 * for want of a network say, these tests are skipped and the run says why. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/interop/interop.h"

#define INSTALL_MS 300000

/* Waits for it: Criterion's runner never ends a test while a child that is not its own has ended and is not waited
 * for. */
void pynetdicom_install(const char *folder) {
    char *log = text_of("%s/pynetdicom.log", folder);
    int status =
        process_run(log, NULL, (const char *const[]){"tests/interop/pynetdicom.sh", folder, NULL}, INSTALL_MS);
    if (status != 0) {
        size_t size;
        char *why = file_content(log, &size);
        fprintf(stderr, "pynetdicom can't be had, its tests are skipped:\n%s\n", why ? why : "no output");
        free(why);
    }
    setenv("INTEROP_PYNETDICOM", status == 0 ? "ready" : "", 1);
    free(log);
}

/* Skips the test, by name. Criterion itself says so only when it is verbose. */
static void need_pynetdicom(void) {
    const char *state = getenv("INTEROP_PYNETDICOM");
    if (state && *state)
        return;
    fprintf(stderr, "skipped: pynetdicom::%s: pynetdicom can't be had\n", criterion_current_test->name);
    cr_skip("pynetdicom can't be had");
}

typedef struct transfer {
    const char *calling_ae, *tool, *option, *syntax;
} transfer_t;

#define TRANSFERS_MAX 8

/* Sends one series per transfer from one process. */
static void receive(const char *kind, const transfer_t *transfers, size_t count) {
    need_pynetdicom();
    series_t series[TRANSFERS_MAX];
    char *python = text_of("%s/environment/bin/python", shared_folder()), *pairs[TRANSFERS_MAX];
    const char *argv[TRANSFERS_MAX + 5] = {python, "tests/interop/pynetdicom_scu.py", kind, receiver_port_text()};
    cr_assert_leq(count, TRANSFERS_MAX);
    for (size_t i = 0; i < count; i++) {
        series[i] = series_new(transfers[i].tool, transfers[i].option);
        argv[4 + i] = pairs[i] = text_of("%s=%s", transfers[i].calling_ae, series[i].folder);
    }
    run_sender(argv);
    for (size_t i = 0; i < count; i++) {
        expect_received(&series[i], transfers[i].calling_ae, transfers[i].syntax);
        series_clear(&series[i]);
        free(pairs[i]);
    }
    free(python);
}

Test(pynetdicom, sends_native_and_deflated_data_sets, .timeout = PATIENCE_S) {
    static const transfer_t transfers[] = {
        {"PN_EXPLICIT", NULL, NULL, EXPLICIT_LE},
        {"PN_IMPLICIT", "dcmconv", "+ti", IMPLICIT_LE},
        {"PN_BIG", "dcmconv", "+tb", EXPLICIT_BE},
        {"PN_DEFLATED", "dcmconv", "+td", DEFLATED_LE},
    };
    receive("plain", transfers, sizeof transfers / sizeof *transfers);
}

Test(pynetdicom, sends_encapsulated_data_sets, .timeout = PATIENCE_S) {
    static const transfer_t transfers[] = {
        {"PN_JPEG_SV1", "dcmcjpeg", "+e1", "1.2.840.10008.1.2.4.70"},
        {"PN_JPEG_8", "dcmcjpeg", "+eb", "1.2.840.10008.1.2.4.50"},
        {"PN_JLS", "dcmcjpls", "+el", "1.2.840.10008.1.2.4.80"},
        {"PN_RLE", "dcmcrle", "+un", "1.2.840.10008.1.2.5"},
    };
    receive("plain", transfers, sizeof transfers / sizeof *transfers);
}

Test(pynetdicom, sends_over_one_of_128_contexts, .timeout = PATIENCE_S) {
    static const transfer_t transfers[] = {{"PN_CONTEXTS", NULL, NULL, EXPLICIT_LE}};
    receive("contexts", transfers, 1);
}

Test(pynetdicom, sends_after_negotiating_every_kind_of_user_information, .timeout = PATIENCE_S) {
    static const transfer_t transfers[] = {{"PN_USER_ITEMS", NULL, NULL, EXPLICIT_LE}};
    receive("user-items", transfers, 1);
}
