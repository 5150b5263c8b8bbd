/* Orthanc as the sender: a PACS that is told over its REST API to send its images. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/interop/interop.h"

static pid_t orthanc;

void orthanc_start(const char *folder, int receiver) {
    int port = free_port();
    char *config = text_of("%s/orthanc.json", folder), *log = text_of("%s/orthanc.log", folder);
    char *preload = text_of("%s/../loopback.so", binaries()), *text = text_of("%d", port);
    FILE *file = fopen(config, "w");
    if (!file ||
        fprintf(file,
                "{\"StorageDirectory\": \"%s/orthanc\", \"IndexDirectory\": \"%s/orthanc\", \"HttpPort\": %d,\n"
                " \"RemoteAccessAllowed\": false, \"DicomServerEnabled\": false, \"Plugins\": [],\n"
                " \"DicomModalities\": {\"receiver\": [\"ChRIS\", \"127.0.0.1\", %d]}}\n",
                folder, folder, port, receiver) < 0 ||
        fclose(file) != 0)
        abort();
    orthanc = process_start(log, (const char *const[]){"LD_PRELOAD", preload, NULL},
                            (const char *const[]){"Orthanc", config, NULL});
    setenv("INTEROP_ORTHANC", text, 1);
    free(config);
    free(log);
    free(preload);
    free(text);
}

void orthanc_stop(void) {
    process_stop(orthanc, SIGTERM, PATIENCE_MS);
}

/* What Orthanc answers to a POST of `data`, a text or "@" and a file's name; to be freed. */
static json_t *post(const char *path, const char *data) {
    char *url = text_of("http://127.0.0.1:%s%s", getenv("INTEROP_ORTHANC"), path);
    json_t *answer = run_for_json(
        (const char *const[]){"curl", "-sS", "--fail", "--noproxy", "*", "--data-binary", data, url, NULL});
    free(url);
    return answer;
}

/* Uploads the series; returns what Orthanc calls it, to be freed. */
static char *upload(const series_t *series) {
    char *id = NULL;
    for (int i = 1; i <= SLICES; i++) {
        char *file = text_of("@%s/%04d.dcm", series->folder, i);
        json_t *answer = post("/instances", file);
        const char *parent = json_string_value(json_object_get(answer, "ParentSeries"));
        cr_assert_not_null(parent, "%s", json_dumps(answer, 0));
        free(id);
        id = strdup(parent);
        json_decref(answer);
        free(file);
    }
    return id;
}

static void receive(const char *calling_ae, const char *tool, const char *option, const char *syntax) {
    cr_assert(await_port(atoi(getenv("INTEROP_ORTHANC")), PATIENCE_MS), "Orthanc does not start");
    series_t series = series_new(tool, option);
    char *id = upload(&series);
    char *order = text_of("{\"Resources\": [\"%s\"], \"LocalAet\": \"%s\", \"Synchronous\": true}", id, calling_ae);
    json_t *answer = post("/modalities/receiver/store", order);
    cr_assert_eq(json_integer_value(json_object_get(answer, "InstancesCount")), SLICES);
    cr_assert_eq(json_integer_value(json_object_get(answer, "FailedInstancesCount")), 0);
    expect_received(&series, calling_ae, syntax);
    json_decref(answer);
    free(order);
    free(id);
    series_clear(&series);
}

Test(orthanc, sends_explicit_vr_little_endian, .timeout = PATIENCE_S) {
    receive("OR_EXPLICIT", NULL, NULL, EXPLICIT_LE);
}

Test(orthanc, sends_implicit_vr_little_endian, .timeout = PATIENCE_S) {
    receive("OR_IMPLICIT", "dcmconv", "+ti", IMPLICIT_LE);
}

Test(orthanc, sends_explicit_vr_big_endian, .timeout = PATIENCE_S) {
    receive("OR_BIG", "dcmconv", "+tb", EXPLICIT_BE);
}

Test(orthanc, sends_deflated_data_sets, .timeout = PATIENCE_S) {
    receive("OR_DEFLATED", "dcmconv", "+td", DEFLATED_LE);
}

Test(orthanc, sends_lossless_jpeg, .timeout = PATIENCE_S) {
    receive("OR_JPEG_SV1", "dcmcjpeg", "+e1", "1.2.840.10008.1.2.4.70");
}

Test(orthanc, sends_lossy_jpeg, .timeout = PATIENCE_S) {
    receive("OR_JPEG_8", "dcmcjpeg", "+eb", "1.2.840.10008.1.2.4.50");
}

Test(orthanc, sends_lossless_jpeg_ls, .timeout = PATIENCE_S) {
    receive("OR_JLS", "dcmcjpls", "+el", "1.2.840.10008.1.2.4.80");
}

Test(orthanc, sends_run_length_encoding, .timeout = PATIENCE_S) {
    receive("OR_RLE", "dcmcrle", "+un", "1.2.840.10008.1.2.5");
}
