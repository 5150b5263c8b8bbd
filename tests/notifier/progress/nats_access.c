/* Who is let in to a real nats-server: user and password, token, credentials, TLS; and several servers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/notifier/site.h"
#include "tests/support/certificates.h"
#include "tests/support/nkeys.h"
#include "tests/support/servers.h"
#include "tests/support/tap.h"

static site_t site;
static nats_server_t server, second;
static char *pki;

static void set_up(void) {
    site_set_up(&site);
    pki = temporary_folder("pki");
    certificates_ca(pki, "ca");
    certificates_ca(pki, "other-ca");
    certificates_issue(pki, "ca", "server", KEY_EC);
}

static void tear_down(void) {
    site_tear_down(&site);
    if (server.pid)
        nats_server_stop(&server);
    if (second.pid)
        nats_server_stop(&second);
    remove_folder(pki);
    free(pki);
}

TestSuite(nats_access, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* Starts the notifier with this address; takes it. */
static void start_with(char *address, const char *const *more) {
    char *log = text_of("%s/log", site.folder);
    (void)unlink(log); /* of the run before */
    free(log);
    free(site.nats);
    site.nats = address;
    site.more = more;
    site_start(&site);
    site.more = NULL;
}

static void expect_connected(void) {
    cr_expect(site_await_log(&site, "connected to NATS", PATIENCE_MS));
}

static void expect_secret(const char *secret) {
    cr_expect_not(site_await_log(&site, secret, 0), "the log has %s", secret);
}

Test(nats_access, by_user_and_password) {
    nats_server_start_with(&server, 0, (const char *const[]){"--user", "me", "--pass", "s3cret", NULL});
    start_with(text_of("nats://me:s3cret@127.0.0.1:%d", server.port),
               (const char *const[]){"RUST_LOG", "trace", NULL});
    expect_connected();
    expect_secret("s3cret");
}

Test(nats_access, by_user_and_a_password_that_the_address_has_to_encode) {
    nats_server_start_with(&server, 0, (const char *const[]){"--user", "me", "--pass", "s3/c@r:et", NULL});
    start_with(text_of("me:s3%%2Fc%%40r%%3Aet@127.0.0.1:%d", server.port), NULL);
    expect_connected();
    expect_secret("s3%2Fc");
}

Test(nats_access, by_token_and_not_without) {
    nats_server_start_with(&server, 0, (const char *const[]){"--auth", "s3cret", NULL});
    start_with(text_of("nats://0ther@127.0.0.1:%d", server.port), (const char *const[]){"RUST_LOG", "trace", NULL});
    cr_expect(site_await_log(&site, "NATS does not let this user in", PATIENCE_MS));
    expect_secret("0ther");
    site_kill(&site);
    start_with(text_of("nats://s3cret@127.0.0.1:%d", server.port), NULL);
    expect_connected();
    expect_secret("s3cret");
}

Test(nats_access, by_credentials) {
    char *config = nkeys_write(pki), *credentials = text_of("%s/user.creds", pki);
    nats_server_start_with(&server, 0, (const char *const[]){"-c", config, NULL});
    start_with(text_of("127.0.0.1:%d", server.port), NULL);
    cr_expect(site_await_log(&site, "NATS does not let this user in", PATIENCE_MS));
    cr_expect_not(site_await_log(&site, "connected to NATS", 0));
    site_kill(&site);
    start_with(text_of("127.0.0.1:%d", server.port),
               (const char *const[]){"OXIDICOM_NATS_CREDENTIALS", credentials, NULL});
    expect_connected();
    free(config);
    free(credentials);
}

static void expect_why(const char *before, const char *file, const char *behind) {
    char *line = text_of("NATS is not there yet (%s%s%s); progress", before, file, behind);
    cr_expect(site_await_log(&site, line, PATIENCE_MS), "%s", line);
    free(line);
}

Test(nats_access, by_credentials_alone_is_none_and_warned_of) {
    static const char warning[] = "OXIDICOM_NATS_CREDENTIALS does nothing without OXIDICOM_NATS_ADDRESS";
    start_with(NULL, (const char *const[]){"OXIDICOM_NATS_CREDENTIALS", "/none", NULL});
    cr_expect(site_await_log(&site, warning, 0));
    site_kill(&site);
    start_with(text_of("127.0.0.1:%d", free_port()),
               (const char *const[]){"OXIDICOM_NATS_CREDENTIALS", "/none", NULL});
    cr_expect(site_await_log(&site, "OXIDICOM_NATS_CREDENTIALS /none can't be read", PATIENCE_MS));
    cr_expect_not(site_await_log(&site, warning, 0));
}

/* As a volume with a secret may be mounted after the start. */
Test(nats_access, by_credentials_that_come_later_and_are_named_until_then) {
    char *config = nkeys_write(pki), *given = text_of("%s/user.creds", pki),
         *credentials = text_of("%s/later", pki);
    nats_server_start_with(&server, 0, (const char *const[]){"-c", config, NULL});
    start_with(text_of("127.0.0.1:%d", server.port),
               (const char *const[]){"OXIDICOM_NATS_CREDENTIALS", credentials, NULL});
    expect_why("OXIDICOM_NATS_CREDENTIALS ", credentials, " can't be read: No such file or directory");
    cr_assert_eq(mkdir(credentials, 0700), 0);
    expect_why("OXIDICOM_NATS_CREDENTIALS ", credentials, " can't be read: Is a directory");
    cr_assert_eq(rmdir(credentials), 0);
    FILE *file = fopen(credentials, "w");
    cr_assert(file && fputs("hush\n", file) >= 0 && fclose(file) == 0);
    expect_why("Error; are JWT and key in OXIDICOM_NATS_CREDENTIALS ", credentials, "?");
    cr_assert_eq(rename(given, credentials), 0);
    expect_connected();
    expect_secret("hush");
    free(config);
    free(given);
    free(credentials);
}

Test(nats_access, of_several_servers_the_first_that_is_there) {
    second.port = free_port();
    nats_server_start(&server, 0);
    start_with(text_of("127.0.0.1:%d,nats://127.0.0.1:%d", second.port, server.port), NULL);
    expect_connected();
    nats_server_start(&second, second.port);
    nats_server_stop(&server);
    cr_expect(site_await_log(&site, "the connection to NATS is lost", PATIENCE_MS));
    tap_t *tap = tap_new(second.port);
    site_send_event(&site, EVENT(.object = 1, .association = 1));
    site_send_end(&site, 1, 1);
    cr_expect(tap_await_done(tap, SUBJECT, 1, PATIENCE_MS), "the other server is not gone to");
    tap_destroy(&tap);
}

static void start_server_with_tls(void) {
    char *ca = text_of("%s/ca.crt", pki), *certificate = text_of("%s/server.crt", pki),
         *key = text_of("%s/server.key", pki);
    nats_server_start_with(
        &server, 0,
        (const char *const[]){"--tls", "--tlscert", certificate, "--tlskey", key, "--tlscacert", ca, NULL});
    free(ca);
    free(certificate);
    free(key);
}

Test(nats_access, over_tls_only_to_a_server_of_the_right_ca) {
    char *ca = text_of("%s/ca.crt", pki), *other = text_of("%s/other-ca.crt", pki);
    start_server_with_tls();
    start_with(text_of("tls://127.0.0.1:%d", server.port), (const char *const[]){"OXIDICOM_NATS_CA", other, NULL});
    cr_expect(site_await_log(&site, "NATS is not there yet (SSL handshake error: 20:unable to get", PATIENCE_MS));
    cr_expect_not(site_await_log(&site, "connected to NATS", 0));
    site_kill(&site);
    start_with(text_of("tls://127.0.0.1:%d", server.port), NULL); /* what the system trusts */
    cr_expect(site_await_log(&site, "NATS is not there yet (SSL handshake error: 20:unable to get", PATIENCE_MS));
    site_kill(&site);
    start_with(text_of("tls://localhost:%d", server.port), (const char *const[]){"OXIDICOM_NATS_CA", ca, NULL});
    expect_connected();
    site_kill(&site);
    /* A CA alone makes it TLS. The first server is not there; the second is named by its address. */
    start_with(text_of("127.0.0.1:%d,127.0.0.1:%d", free_port(), server.port),
               (const char *const[]){"OXIDICOM_NATS_CA", ca, NULL});
    expect_connected();
    free(ca);
    free(other);
}

Test(nats_access, over_tls_names_a_ca_that_can_not_be_read) {
    char *later = text_of("%s/later.crt", pki);
    start_with(text_of("127.0.0.1:%d", free_port()), (const char *const[]){"OXIDICOM_NATS_CA", later, NULL});
    expect_why("OXIDICOM_NATS_CA ", later, " can't be read: No such file or directory");
    FILE *file = fopen(later, "w");
    cr_assert(file && fputs("none", file) >= 0 && fclose(file) == 0);
    expect_why("OXIDICOM_NATS_CA ", later, " can't be read: it holds no certificate in PEM");
    free(later);
}
