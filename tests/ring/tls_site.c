#include <stdlib.h>

#include "tests/ring/tls.h"
#include "tests/support/certificates.h"

static void make_certificates(const char *folder) {
    certificates_ca(folder, "ca");
    certificates_ca(folder, "other-ca");
    certificates_issue(folder, "ca", "site", KEY_RSA);
    certificates_issue(folder, "ca", "client", KEY_EC);
    certificates_issue(folder, "other-ca", "stranger", KEY_EC);
}

tls_site_t tls_site_start(const char *const *more) {
    tls_site_t tls = {.folder = temporary_folder("tls")};
    receiver_t *receiver = &tls.site.receiver;
    make_certificates(tls.folder);
    receiver_prepare(receiver);
    tls.plain_port = receiver->port;
    int port = free_port();
    char *text = text_of("%d", port);
    const char *settings[32] = {"OXIDICOM_TLS_PORT",        text,
                                "OXIDICOM_TLS_CERTIFICATE", pem(&tls, "site.crt"),
                                "OXIDICOM_TLS_KEY",         pem(&tls, "site.key"),
                                "OXIDICOM_TLS_CA",          pem(&tls, "ca.crt")};
    for (size_t i = 0; more && more[i]; i++)
        settings[8 + i] = more[i];
    receiver_start(receiver, settings);
    receiver->port = port;
    tls.site.listener = receiver_stage(receiver, "listener", 0);
    free(text);
    return tls;
}

void tls_site_end(tls_site_t *tls) {
    site_end(&tls->site);
    remove_folder(tls->folder);
    free(tls->folder);
}

const char *pem(const tls_site_t *tls, const char *name) {
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", tls->folder, name);
    return path;
}

SSL_CTX *use_certificate(const tls_site_t *tls, const char *name) {
    if (!name)
        return scu_use_tls(NULL, NULL, pem(tls, "ca.crt"));
    char *certificate = text_of("%s.crt", name), *key = text_of("%s.key", name);
    SSL_CTX *context = scu_use_tls(pem(tls, certificate), pem(tls, key), pem(tls, "ca.crt"));
    free(certificate);
    free(key);
    return context;
}

bool stores(const tls_site_t *tls, int number) {
    scu_t scu = {0};
    bytes_t set = instance(number, 1000);
    bool stored = scu_associate_mr(&scu, tls->site.receiver.port, "TLS", EXPLICIT_LE) &&
                  scu_store(&scu, 1, MR_STORAGE, "1.2.3", &set) == 0 && scu_release(&scu);
    if (!stored)
        scu_close(&scu);
    bytes_free(&set);
    return stored;
}
