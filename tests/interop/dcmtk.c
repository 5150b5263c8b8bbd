/* Real senders of DCMTK, with data in every encoding that its tools make. */
#include <stdlib.h>
#include <string.h>

#include "tests/interop/interop.h"

/* Sends with a sender of DCMTK; `how` are its options of the transfer syntax. */
static void send_with(const char *sender, const char *calling_ae, const char *how, const series_t *series) {
    run_sender((const char *const[]){sender, "-aet", calling_ae, how, "--scan-directories", "127.0.0.1",
                                     receiver_port_text(), series->folder, NULL});
}

static void receive(const char *sender, const char *calling_ae, const char *how, const char *tool,
                    const char *option, const char *syntax) {
    series_t series = series_new(tool, option);
    send_with(sender, calling_ae, how, &series);
    expect_received(&series, calling_ae, syntax);
    series_clear(&series);
}

/* storescu proposes the syntax that it is told to in 64 contexts, and the native ones in 64 more. */

Test(storescu, sends_explicit_vr_little_endian_in_128_contexts, .timeout = PATIENCE_S) {
    receive("storescu", "SU_EXPLICIT", "-xe", NULL, NULL, EXPLICIT_LE);
    expect_contexts("SU_EXPLICIT", 128);
}

Test(storescu, sends_implicit_vr_little_endian, .timeout = PATIENCE_S) {
    receive("storescu", "SU_IMPLICIT", "-xi", "dcmconv", "+ti", IMPLICIT_LE);
}

Test(storescu, sends_explicit_vr_big_endian, .timeout = PATIENCE_S) {
    receive("storescu", "SU_BIG", "-xb", "dcmconv", "+tb", EXPLICIT_BE);
}

Test(storescu, sends_deflated_data_sets, .timeout = PATIENCE_S) {
    receive("storescu", "SU_DEFLATED", "-xd", "dcmconv", "+td", DEFLATED_LE);
}

Test(storescu, sends_lossless_jpeg, .timeout = PATIENCE_S) {
    receive("storescu", "SU_JPEG_SV1", "-xs", "dcmcjpeg", "+e1", "1.2.840.10008.1.2.4.70");
}

Test(storescu, sends_lossy_jpeg_of_8_bits, .timeout = PATIENCE_S) {
    receive("storescu", "SU_JPEG_8", "-xy", "dcmcjpeg", "+eb", "1.2.840.10008.1.2.4.50");
}

Test(storescu, sends_lossy_jpeg_of_12_bits, .timeout = PATIENCE_S) {
    receive("storescu", "SU_JPEG_12", "-xx", "dcmcjpeg", "+ee", "1.2.840.10008.1.2.4.51");
}

Test(storescu, sends_lossless_jpeg_ls, .timeout = PATIENCE_S) {
    receive("storescu", "SU_JLS", "-xt", "dcmcjpls", "+el", "1.2.840.10008.1.2.4.80");
}

Test(storescu, sends_near_lossless_jpeg_ls, .timeout = PATIENCE_S) {
    receive("storescu", "SU_JLS_NEAR", "-xu", "dcmcjpls", "+en", "1.2.840.10008.1.2.4.81");
}

Test(storescu, sends_run_length_encoding, .timeout = PATIENCE_S) {
    receive("storescu", "SU_RLE", "-xr", "dcmcrle", "+un", "1.2.840.10008.1.2.5");
}

/* dcmsend proposes what the files have, also retired encodings. */

Test(dcmsend, sends_explicit_vr_little_endian, .timeout = PATIENCE_S) {
    receive("dcmsend", "DS_EXPLICIT", "-dn", NULL, NULL, EXPLICIT_LE);
}

Test(dcmsend, sends_deflated_data_sets, .timeout = PATIENCE_S) {
    receive("dcmsend", "DS_DEFLATED", "-dn", "dcmconv", "+td", DEFLATED_LE);
}

Test(dcmsend, sends_lossless_jpeg_of_any_predictor, .timeout = PATIENCE_S) {
    receive("dcmsend", "DS_JPEG_LOSSLESS", "-dn", "dcmcjpeg", "+el", "1.2.840.10008.1.2.4.57");
}

Test(dcmsend, sends_retired_jpeg_with_spectral_selection, .timeout = PATIENCE_S) {
    receive("dcmsend", "DS_JPEG_SPECTRAL", "-dn", "dcmcjpeg", "+es", "1.2.840.10008.1.2.4.53");
}

Test(dcmsend, sends_retired_progressive_jpeg, .timeout = PATIENCE_S) {
    receive("dcmsend", "DS_JPEG_PROG", "-dn", "dcmcjpeg", "+ep", "1.2.840.10008.1.2.4.55");
}

Test(dcmsend, sends_slices_of_one_series_in_different_encodings, .timeout = PATIENCE_S) {
    series_t series = series_new(NULL, NULL);
    char *second = text_of("%s/0002.dcm", series.folder), *third = text_of("%s/0003.dcm", series.folder);
    run_sender((const char *const[]){"dcmcjpeg", "+e1", second, second, NULL});
    run_sender((const char *const[]){"dcmcrle", third, third, NULL});
    send_with("dcmsend", "DS_MIXED", "-dn", &series);
    expect_received(&series, "DS_MIXED", NULL);
    free(second);
    free(third);
    series_clear(&series);
}

Test(dcmsend, sends_in_pdus_of_4096_bytes, .timeout = PATIENCE_S) {
    series_t series = series_new(NULL, NULL);
    run_sender((const char *const[]){"dcmsend", "-aet", "DS_SMALL", "-dn", "-pdu", "4096", "--max-send-pdu", "4096",
                                     "--scan-directories", "127.0.0.1", receiver_port_text(), series.folder, NULL});
    expect_received(&series, "DS_SMALL", EXPLICIT_LE);
    series_clear(&series);
}

Test(echoscu, is_answered_five_times_over_128_contexts_of_38_transfer_syntaxes, .timeout = PATIENCE_S) {
    static const char success[] = "Received Echo Response (Success)";
    char *output =
        run_for_text((const char *const[]){"echoscu", "-v", "-aet", "ES_CONTEXTS", "-ppc", "128", "-pts", "38",
                                           "--repeat", "5", "127.0.0.1", receiver_port_text(), NULL});
    int answered = 0; /* its exit status does not tell */
    for (const char *at = output; (at = strstr(at, success)); at += sizeof success - 1)
        answered++;
    cr_assert_eq(answered, 5, "%s", output);
    free(output);
    expect_contexts("ES_CONTEXTS", 128);
}
