#include "notifier/confine.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/broker_schemes.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/plain_path.h"
#include "notifier/journal/journal_file.h"

/* The folder that the path lies in, made shorter until there is one. */
static char *nearest_folder(const char *path) {
    char *folder = copy_text(path), *real;
    while (!(real = realpath(folder, NULL)) && strrchr(folder, '/') > folder)
        *strrchr(folder, '/') = 0;
    free(folder);
    return real ? real : copy_text("/");
}

/* A broker may come later than the notifier: until its folder is there, a rule can only stand for the folder above
 * it. That one must not hold storage, too. */
static void allow_broker(sandbox_t *sandbox, const char *address, const char *files_root) {
    const char *folder = broker_scheme_rest(address);
    if (!BROKERS[broker_scheme_of(address)].is_folder || folder[0] != '/')
        return; /* the broker says if it can't be used */
    /* As the broker makes it later. */
    bool made = mkdir(folder, 0777) == 0 || errno == EEXIST;
    char *place = nearest_folder(folder), *root = made ? NULL : realpath(files_root, NULL);
    if (made || !plain_path_holds(place, root ? root : files_root))
        sandbox_allow(sandbox, place, SANDBOX_WRITE);
    else
        log_warn(NULL,
                 "the broker's folder %s is not there: within the sandbox it can be used only after a new start",
                 folder);
    free(place);
    free(root);
}

/* Read with each new connection. */
static void allow_certificates(sandbox_t *sandbox, const settings_t *settings) {
    const char *const files[] = {settings->broker_tls_ca,    settings->broker_tls_certificate,
                                 settings->broker_tls_key,   settings->nats_ca,
                                 settings->nats_credentials, settings->cube_ca};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        sandbox_allow_file(sandbox, files[i]);
    sandbox_allow(sandbox, X509_get_default_cert_area(), SANDBOX_READ);
    sandbox_allow(sandbox, "/usr/share/ca-certificates", SANDBOX_READ);
}

void confine_notifier(sandbox_t *sandbox, const settings_t *settings) {
    /* The journal's folder and those above it are forced to the disk. */
    sandbox_allow(sandbox, "/", SANDBOX_LIST);
    if (journal_file_make_folder(settings)) {
        /* The journals that hosts without a state folder keep below the files root. */
        char *path = format_text("%s/" JOURNAL_FALLBACK, settings->files_root);
        sandbox_allow(sandbox, path, SANDBOX_WRITE);
        free(path);
    } else {
        sandbox_allow(sandbox, settings->state_dir, SANDBOX_WRITE);
    }
    char *copy = copy_text(settings->broker_address), *rest = copy;
    for (const char *address; (address = strsep(&rest, ";"));)
        allow_broker(sandbox, address, settings->files_root);
    free(copy);
    allow_certificates(sandbox, settings);
    sandbox_allow_port(sandbox, settings->http_port);
    /* Often links to what another service writes below /run. */
    sandbox_allow_file(sandbox, "/etc/resolv.conf");
    sandbox_allow_file(sandbox, "/etc/hosts");
    sandbox->internet = true;
}
