#include "tests/support/certificates.h"

#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/process.h"

static void run_openssl(const char *folder, const char *const *argv) {
    char *log = text_of("%s/openssl.log", folder);
    if (process_run(log, NULL, argv, PATIENCE_MS) != 0) {
        fprintf(stderr, "openssl fails, see %s\n", log);
        abort();
    }
    free(log);
}

void certificates_ca(const char *folder, const char *name) {
    char *certificate = text_of("%s/%s.crt", folder, name), *key = text_of("%s/%s.key", folder, name);
    char *subject = text_of("/CN=%s", name);
    run_openssl(folder, (const char *const[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                              "ec_paramgen_curve:P-256", "-nodes", "-days", "7", "-subj", subject,
                                              "-keyout", key, "-out", certificate, NULL});
    free(certificate);
    free(key);
    free(subject);
}

void certificates_issue(const char *folder, const char *ca, const char *name, const char *key_type) {
    char *certificate = text_of("%s/%s.crt", folder, name), *key = text_of("%s/%s.key", folder, name);
    char *ca_certificate = text_of("%s/%s.crt", folder, ca), *ca_key = text_of("%s/%s.key", folder, ca);
    char *subject = text_of("/CN=%s", name);
    bool is_ec = strcmp(key_type, KEY_EC) == 0;
    run_openssl(folder, (const char *const[]){"openssl",
                                              "req",
                                              "-x509",
                                              "-CA",
                                              ca_certificate,
                                              "-CAkey",
                                              ca_key,
                                              "-addext",
                                              "basicConstraints=critical,CA:FALSE",
                                              "-addext",
                                              "subjectAltName=IP:127.0.0.1,DNS:localhost",
                                              "-nodes",
                                              "-days",
                                              "7",
                                              "-subj",
                                              subject,
                                              "-keyout",
                                              key,
                                              "-out",
                                              certificate,
                                              "-newkey",
                                              key_type,
                                              is_ec ? "-pkeyopt" : NULL,
                                              "ec_paramgen_curve:P-256",
                                              NULL});
    free(certificate);
    free(key);
    free(ca_certificate);
    free(ca_key);
    free(subject);
}

static FILE *open_pem(const char *folder, const char *name, const char *suffix, const char *mode) {
    char *path = text_of("%s/%s.%s", folder, name, suffix);
    FILE *file = fopen(path, mode);
    if (!file)
        abort();
    free(path);
    return file;
}

time_t certificates_shorten(const char *folder, const char *ca, const char *name, long seconds) {
    FILE *from = open_pem(folder, name, "crt", "r"), *key_file = open_pem(folder, ca, "key", "r");
    X509 *certificate = PEM_read_X509(from, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
    time_t end = time(NULL) + seconds;
    if (!certificate || !key || !ASN1_TIME_set(X509_getm_notAfter(certificate), end) ||
        X509_sign(certificate, key, EVP_sha256()) == 0)
        abort();
    (void)fclose(from);
    (void)fclose(key_file);
    FILE *to = open_pem(folder, name, "crt", "w");
    if (PEM_write_X509(to, certificate) != 1 || fclose(to) != 0)
        abort();
    X509_free(certificate);
    EVP_PKEY_free(key);
    return end;
}
