/* amqps:// and rediss:// with real brokers that let nobody in without a certificate, and brokers that only pretend.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/notifier/site.h"
#include "tests/support/certificates.h"
#include "tests/support/servers.h"

static site_t site;
static rabbitmq_t rabbitmq;
static redis_server_t redis;
static char *pki;

static void set_up(void) {
    site_set_up(&site);
    pki = temporary_folder("pki");
    certificates_ca(pki, "ca");
    certificates_ca(pki, "other-ca");
    certificates_issue(pki, "ca", "server", KEY_EC);
    certificates_issue(pki, "ca", "notifier", KEY_EC);
}

static void tear_down(void) {
    site_tear_down(&site);
    if (rabbitmq.pid)
        rabbitmq_stop(&rabbitmq);
    if (redis.folder)
        redis_stop(&redis);
    remove_folder(pki);
    free(pki);
}

TestSuite(broker_tls, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

static char *file_of(const char *name) {
    return text_of("%s/%s", pki, name);
}

/* Starts the notifier with a CA's file, a certificate of this name, and OXIDICOM_BROKER_TLS_VERIFY; NULL: unset. */
static void start_with(const char *address, const char *ca, const char *certificate, const char *verify) {
    char *ca_file = ca ? file_of(ca) : NULL, *log = text_of("%s/log", site.folder);
    char *shown = certificate ? text_of("%s/%s.crt", pki, certificate) : NULL;
    char *key = certificate ? text_of("%s/%s.key", pki, certificate) : NULL;
    const char *const more[] = {
        "OXIDICOM_BROKER_TLS_CA",     ca ? ca_file : UNSET,      "OXIDICOM_BROKER_TLS_CERTIFICATE",
        certificate ? shown : UNSET,  "OXIDICOM_BROKER_TLS_KEY", certificate ? key : UNSET,
        "OXIDICOM_BROKER_TLS_VERIFY", verify ? verify : UNSET,   NULL};
    free(site.broker);
    site.broker = strdup(address);
    site.more = more;
    unlink(log);
    site_start(&site);
    site.more = NULL;
    free(log);
    free(ca_file);
    free(shown);
    free(key);
}

static void expect_refused(const char *why) {
    cr_expect(site_await_log(&site, why, PATIENCE_MS), "nobody says %s", why);
    cr_expect_not(site_await_log(&site, "connected to the broker", 0), "%s", why);
    site_kill(&site);
}

static void expect_registered(const char *series) {
    site_send_series(&site, series);
    site_expect_state(&site, series, "registered");
    site_kill(&site);
}

/* `by_address` and `by_name` are in the server's certificate, `elsewhere` is not. */
static void tell_story(const char *by_address, const char *by_name, const char *elsewhere) {
    static const char untrusted[] = "self-signed certificate in certificate chain";
    start_with(by_address, "ca.crt", "notifier", NULL);
    expect_registered("1.1");
    start_with(by_name, "ca.crt", "notifier", NULL);
    expect_registered("1.2");
    start_with(by_address, "other-ca.crt", "notifier", NULL);
    expect_refused(untrusted);
    start_with(by_address, NULL, "notifier", NULL); /* what the system trusts */
    expect_refused(untrusted);
    start_with(elsewhere, "ca.crt", "notifier", NULL);
    expect_refused("IP address mismatch");
    start_with(by_address, "ca.crt", NULL, NULL);
    expect_refused("no connection to the broker"); /* the alert that says why may be lost in the reset */
    start_with(by_address, "absent.crt", "notifier", NULL);
    expect_refused("can't use the CA");
    start_with(by_address, "ca.crt", "absent", NULL);
    expect_refused("can't use the certificate");
    start_with(elsewhere, NULL, "notifier", "false");
    expect_registered("1.3");
}

Test(broker_tls, lets_the_notifier_and_rabbitmq_know_one_another) {
    rabbitmq.certificates = pki;
    rabbitmq_start(&rabbitmq);
    cr_assert(await_port(rabbitmq.tls_port, PATIENCE_MS));
    char *address = text_of("amqps://127.0.0.1:%d", rabbitmq.tls_port),
         *name = text_of("amqps://guest:guest@localhost:%d//", rabbitmq.tls_port),
         *elsewhere = text_of("amqps://127.0.0.2:%d", rabbitmq.tls_port);
    tell_story(address, name, elsewhere);
    free(address);
    free(name);
    free(elsewhere);
}

static int start_redis(void) {
    int port = free_port();
    char *text = text_of("%d", port), *ca = file_of("ca.crt"), *certificate = file_of("server.crt"),
         *key = file_of("server.key");
    redis_start(&redis, (const char *const[]){"--bind", "127.0.0.1", "127.0.0.2", "--tls-port", text,
                                              "--tls-ca-cert-file", ca, "--tls-cert-file", certificate,
                                              "--tls-key-file", key, "--tls-auth-clients", "yes", NULL});
    free(text);
    free(ca);
    free(certificate);
    free(key);
    return port;
}

Test(broker_tls, lets_the_notifier_and_redis_know_one_another) {
    int port = start_redis();
    char *address = text_of("rediss://127.0.0.1:%d", port), *name = text_of("rediss://localhost:%d/1", port),
         *elsewhere = text_of("rediss://127.0.0.2:%d", port);
    tell_story(address, name, elsewhere);
    free(address);
    free(name);
    free(elsewhere);
}

/* As Celery's own address may have it. */
Test(broker_tls, of_redis_may_be_told_in_the_address) {
    int port = start_redis();
    char *address = text_of("rediss://127.0.0.1:%d/0?ssl_cert_reqs=required&ssl_ca_certs=%s/ca.crt&ssl_certfile="
                            "%s/notifier.crt&ssl_keyfile=%s/notifier.key",
                            port, pki, pki, pki);
    start_with(address, "other-ca.crt", NULL, NULL);
    expect_registered("2.1");
    free(address);
    address = text_of("rediss://127.0.0.2:%d/0?ssl_cert_reqs=none", port);
    start_with(address, "other-ca.crt", "notifier", NULL);
    expect_registered("2.2");
    free(address);
}

/* Certificates that are replaced while the notifier runs are used for the next connection. */
Test(broker_tls, reads_its_files_again_for_each_connection) {
    int port = start_redis();
    char *address = text_of("rediss://127.0.0.1:%d", port);
    certificates_issue(pki, "other-ca", "late", KEY_EC);
    start_with(address, "ca.crt", "late", NULL);
    cr_expect(site_await_log(&site, "no connection to the broker", PATIENCE_MS));
    site_send_series(&site, "3.1");
    site_expect_state(&site, "3.1", "due");
    certificates_issue(pki, "ca", "late", KEY_EC);
    site_expect_state(&site, "3.1", "registered");
    free(address);
}
