/* The commands that the documents tell are commands that there are. */
#include <stdlib.h>

#include "tests/deploy/tree.h"
#include "tests/ring/ring.h"
#include "tests/support/certificates.h"
#include "tests/support/cube_site.h"

#define CHECK(what) "BIN=$BIN tests/deploy/documents.sh " what " $FOLDER"

static void set_port(const char *name, int port) {
    char *value = text_of("%d", port);
    setenv(name, value, 1);
    free(value);
}

Test(documents, name_options_that_the_commands_have, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    tree_shell(&receiver, CHECK("options"));
    receiver_clear(&receiver);
}

/* A site with its CUBE, NATS and certificates. */
Test(documents, tell_command_lines_that_a_test_runs_or_says_why_not, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_set_defaults(&receiver);
    set_port("OXIDICOM_HTTP_PORT", free_port());
    set_port("TLS_PORT", free_port());
    set_port("NATS_PORT", nats_port());
    certificates_ca(receiver.folder, "peers");
    certificates_ca(receiver.folder, "site-ca");
    certificates_issue(receiver.folder, "peers", "peer", KEY_EC);
    certificates_issue(receiver.folder, "site-ca", "site", KEY_EC);
    char *files = text_of("%s/files", receiver.folder), *queue = text_of("%s/queue", receiver.folder);
    cube_site_t cube = {0};
    cube_site_start(&cube, files, queue);
    cube_site_tell(&cube, "worker=1");
    setenv("OXIDICOM_CUBE_URL", cube.url, 1);
    setenv("OXIDICOM_CUBE_TOKEN", CUBE_TOKEN, 1);
    tree_shell(&receiver, CHECK("commands"));
    cube_site_stop(&cube);
    free(files);
    free(queue);
    receiver_clear(&receiver);
}
