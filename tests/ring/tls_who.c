/* TLS: admission, negotiation, messages to rejected peers, and refused settings. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/settings.h"
#include "tests/ring/tls.h"
#include "tests/support/certificates.h"
#include "tests/support/patience.h"

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- client certificates ----------------------------------------------------------------------------------- */

static int storescu(const tls_site_t *tls, const char *const *options, const char *file) {
    char *port = text_of("%d", tls->site.receiver.port);
    const char *argv[16] = {"storescu"};
    size_t count = 1;
    while (*options)
        argv[count++] = *options++;
    argv[count++] = "127.0.0.1";
    argv[count++] = port;
    argv[count++] = file;
    int status = process_run(NULL, NULL, argv, PATIENCE_MS);
    free(port);
    return status;
}

Test(tls, stores_for_a_peer_with_a_good_certificate_and_refuses_others, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    const receiver_t *receiver = &tls.site.receiver;
    const char *ca = pem(&tls, "ca.crt"), *file = pem(&tls, "instance.dcm");
    bytes_t set = instance(1, 5000);
    part10_write(file, EXPLICIT_LE, MR_STORAGE, "1.2.3", &set);
    cr_assert_neq(storescu(&tls, WITH("+tla", "+cf", ca), file), 0);
    cr_assert(receiver_logged(
        receiver, "is refused: it sent no client certificate, and OXIDICOM_TLS_CLIENT is required", PATIENCE_MS));
    cr_assert_neq(
        storescu(&tls, WITH("+tls", pem(&tls, "stranger.key"), pem(&tls, "stranger.crt"), "+cf", ca), file), 0);
    cr_assert(receiver_logged(receiver,
                              "is refused: its client certificate /CN=stranger, issued by /CN=other-ca, does not "
                              "verify: unable to get local issuer certificate",
                              PATIENCE_MS));
    cr_assert_eq(receiver_files(receiver), 0);
    cr_assert_eq(storescu(&tls, WITH("+tls", pem(&tls, "client.key"), pem(&tls, "client.crt"), "+cf", ca), file),
                 0);
    expect_stored(&tls.site, &set);
    cr_assert(receiver_logged(receiver, "client certificate /CN=client", PATIENCE_MS));
    bytes_free(&set);
    tls_site_end(&tls);
}

Test(tls, tells_a_refused_peer_by_an_alert_and_not_by_a_reset, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    scu_t scu = {0};
    /* With TLS 1.3 a client takes the handshake for done, and has sent its request before it hears. */
    use_certificate(&tls, NULL);
    cr_assert_not(scu_associate_mr(&scu, tls.site.receiver.port, "TLS", EXPLICIT_LE));
    cr_assert_not_null(strstr(scu_tls_failure(), "alert certificate required"), "%s", scu_tls_failure());
    scu_close(&scu);
    use_certificate(&tls, "stranger");
    cr_assert_not(scu_associate_mr(&scu, tls.site.receiver.port, "TLS", EXPLICIT_LE));
    cr_assert_not_null(strstr(scu_tls_failure(), "alert unknown ca"), "%s", scu_tls_failure());
    scu_close(&scu);
    tls_site_end(&tls);
}

Test(tls, checks_an_optional_certificate_only_when_one_is_sent, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(WITH("OXIDICOM_TLS_CLIENT", "optional"));
    use_certificate(&tls, NULL);
    cr_assert(stores(&tls, 1));
    use_certificate(&tls, "client");
    cr_assert(stores(&tls, 2));
    use_certificate(&tls, "stranger");
    cr_assert_not(stores(&tls, 3));
    tls_site_end(&tls);
}

Test(tls, asks_for_no_certificate_when_told_so_or_without_a_ca, .timeout = PATIENCE_S) {
    for (int told = 0; told < 2; told++) {
        tls_site_t tls =
            tls_site_start(told ? WITH("OXIDICOM_TLS_CLIENT", "none") : WITH("OXIDICOM_TLS_CA", UNSET));
        use_certificate(&tls, NULL);
        cr_assert(stores(&tls, 1));
        use_certificate(&tls, "stranger");
        cr_assert(stores(&tls, 2));
        tls_site_end(&tls);
    }
}

/* A stranger that broke off because it does not know the receiver's CA. */
Test(tls, says_so_when_a_peer_refuses_the_certificate_of_the_receiver, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    scu_use_tls(NULL, NULL, pem(&tls, "other-ca.crt"));
    cr_assert_not(stores(&tls, 1));
    cr_assert(receiver_logged(&tls.site.receiver,
                              "is refused: it broke off the TLS handshake: tlsv1 alert unknown ca", PATIENCE_MS));
    tls_site_end(&tls);
}

/* --- the profile ------------------------------------------------------------------------------------------- */

Test(tls, speaks_tls_1_2_and_1_3_with_forward_secrecy_and_nothing_less, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    static const struct {
        int version;
        const char *ciphers;
        bool good;
    } offers[] = {
        {TLS1_3_VERSION, NULL, true},
        {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true},
        {TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", true},
        {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", true},
        {TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256", false}, /* CBC */
        {TLS1_2_VERSION, "AES128-GCM-SHA256", false},       /* no forward secrecy */
        {TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", false},
        {TLS1_1_VERSION, "DEFAULT@SECLEVEL=0", false},
    };
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        SSL_CTX *context = use_certificate(&tls, "client");
        SSL_CTX_set_min_proto_version(context, offers[i].version);
        SSL_CTX_set_max_proto_version(context, offers[i].version);
        if (offers[i].ciphers)
            cr_assert_eq(SSL_CTX_set_cipher_list(context, offers[i].ciphers), 1);
        cr_assert_eq(stores(&tls, 1), offers[i].good, "version %x, %s", (unsigned)offers[i].version,
                     offers[i].ciphers);
    }
    cr_assert(receiver_logged(&tls.site.receiver, "the TLS handshake failed: ", PATIENCE_MS));
    tls_site_end(&tls);
}

Test(tls, does_not_renegotiate, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    SSL_CTX_set_max_proto_version(use_certificate(&tls, "client"), TLS1_2_VERSION);
    scu_t scu = site_associate(&tls.site);
    cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0);
    cr_assert_eq(SSL_renegotiate(scu.tls), 1);
    cr_assert_neq(SSL_do_handshake(scu.tls), 1);
    scu_close(&scu);
    cr_assert(stores(&tls, 1));
    tls_site_end(&tls);
}

/* Resumption skips the certificates, so it needs to know the session's peer. */
Test(tls, lets_a_verified_peer_resume_its_session, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    scu_t scu = site_associate(&tls.site);
    cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0); /* the tickets are read on the way */
    SSL_SESSION *session = SSL_get1_session(scu.tls);
    cr_assert(scu_release(&scu));
    cr_assert(scu_resume(&scu, tls.site.receiver.port, session));
    cr_assert_eq(SSL_session_reused(scu.tls), 1);
    scu_close(&scu);
    SSL_SESSION_free(session);
    tls_site_end(&tls);
}

static bool is_over(void *argument) {
    return time(NULL) > *(time_t *)argument;
}

Test(tls, resumes_no_session_of_a_certificate_that_has_expired_since, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    scu_t scu = {0};
    time_t end;
    long seconds = 1;
    do { /* until the machine is fast enough */
        end = certificates_shorten(tls.folder, "ca", "client", seconds *= 2);
        use_certificate(&tls, "client");
    } while (!scu_associate_mr(&scu, tls.site.receiver.port, "TLS", EXPLICIT_LE));
    SSL_SESSION *session = SSL_get1_session(scu.tls); /* the tickets came before the answer */
    cr_assert(SSL_SESSION_is_resumable(session));
    cr_assert(scu_release(&scu));
    cr_assert(await(is_over, &end, PATIENCE_MS));
    if (scu_resume(&scu, tls.site.receiver.port, session))
        cr_assert_eq(SSL_session_reused(scu.tls), 0);
    cr_assert_not(scu_read(&scu));
    cr_assert_not_null(strstr(scu_tls_failure(), "expired"), "%s", scu_tls_failure());
    scu_close(&scu);
    SSL_SESSION_free(session);
    tls_site_end(&tls);
}

/* How a request under this AE title is answered: PS3.8's PDU type. */
static int answer_to(const tls_site_t *tls, const char *title) {
    scu_t scu = {0};
    if (scu_associate_mr(&scu, tls->site.receiver.port, title, EXPLICIT_LE)) {
        cr_assert(scu_release(&scu));
        return ASSOCIATE_AC;
    }
    int type = scu.type;
    scu_close(&scu);
    return type;
}

Test(tls, lets_a_certificate_use_the_ae_titles_that_are_given_to_it, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(WITH("OXIDICOM_TLS_AETS", "client=CT_1, client=MR,other=PET,localhost=US"));
    use_certificate(&tls, "client");
    cr_expect_eq(answer_to(&tls, "CT_1"), ASSOCIATE_AC);
    cr_expect_eq(answer_to(&tls, "MR"), ASSOCIATE_AC);
    cr_expect_eq(answer_to(&tls, "US"), ASSOCIATE_AC, "it is its DNS name, too");
    cr_expect_eq(answer_to(&tls, "PET"), ASSOCIATE_RJ);
    cr_expect_eq(answer_to(&tls, "CT_11"), ASSOCIATE_RJ);
    cr_assert(receiver_logged(&tls.site.receiver, "OXIDICOM_TLS_AETS does not give its certificate this AE title",
                              PATIENCE_MS));
    tls_site_end(&tls);
}

Test(tls, warns_where_a_ca_is_set_and_anybody_may_send_without_tls, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    cr_assert(receiver_logged(&tls.site.receiver, "OXIDICOM_TLS_CA is set, but anybody may send without TLS", 0));
    tls_site_end(&tls);
}

/* --- the wrong protocol ------------------------------------------------------------------------------------ */

Test(tls, names_a_peer_that_speaks_plain_dicom_on_the_port_for_tls_and_closes, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    scu_t scu = {0};
    cr_assert(scu_connect(&scu, tls.site.receiver.port));
    const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE}};
    bytes_t rq = scu_associate_rq(&(scu_request_t){.contexts = &context, .contexts_count = 1});
    cr_assert(scu_send(&scu, rq.at, rq.size));
    cr_assert(scu_at_end(&scu), "it closes, without a reset, and answers nothing");
    scu_close(&scu);
    bytes_free(&rq);
    cr_assert(receiver_logged(&tls.site.receiver, "is refused: plain DICOM on the port for TLS (OXIDICOM_TLS_PORT)",
                              PATIENCE_MS));
    tls_site_end(&tls);
}

Test(tls, names_a_peer_that_speaks_tls_on_the_port_for_plain_dicom, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    scu_t scu = {0};
    use_certificate(&tls, "client");
    cr_assert_not(scu_connect(&scu, tls.plain_port));
    cr_assert(receiver_logged(&tls.site.receiver,
                              "a TLS handshake instead of a PDU: is it TLS on the port for plain DICOM?",
                              PATIENCE_MS));
    scu_use_plain();
    cr_assert(scu_associate_mr(&scu, tls.plain_port, "PLAIN", EXPLICIT_LE), "plain DICOM goes on beside TLS");
    cr_assert(scu_release(&scu));
    tls_site_end(&tls);
}

Test(tls, names_those_of_one_kind_once_in_a_second, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    int64_t begin_ms = clock_ms();
    for (int i = 0; i < 50; i++) {
        scu_t scu = {0};
        cr_assert(scu_connect(&scu, tls.site.receiver.port));
        cr_assert(scu_send(&scu, "GET / HTTP/1.0\r\n\r\n", 18) && scu_at_end(&scu));
        scu_close(&scu);
    }
    cr_assert(receiver_logged(&tls.site.receiver, "something that is no TLS", PATIENCE_MS));
    int lines = receiver_times_logged(&tls.site.receiver, "something that is no TLS");
    cr_assert_leq(lines, 2 + (clock_ms() - begin_ms) / 1000, "%d lines", lines);
    tls_site_end(&tls);
}

Test(tls, says_nothing_about_probes_that_only_connect, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    scu_t probe = {0};
    cr_assert(scu_connect(&probe, tls.site.receiver.port));
    scu_close(&probe);
    use_certificate(&tls, "client");
    cr_assert(stores(&tls, 1)); /* by then the probe is over */
    cr_assert_eq(receiver_times_logged(&tls.site.receiver, "association=1:"), 0);
    cr_assert_geq(receiver_times_logged(&tls.site.receiver, "association=2:"), 1);
    tls_site_end(&tls);
}

Test(tls, can_be_all_that_is_served, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(WITH("OXIDICOM_LISTENER_PORT", "0"));
    cr_assert_not(await_port(tls.plain_port, 100));
    use_certificate(&tls, "client");
    cr_assert(stores(&tls, 1));
    tls_site_end(&tls);
}

/* --- settings that can't be used --------------------------------------------------------------------------- */

/* Starts the listener alone; returns its output. */
static char *refused_start(const char *folder, const char *const *settings) {
    char *log = text_of("%s/refused.log", folder), *run = text_of("%s/run", folder);
    char *program = text_of("%s/oxidicom-listener", binaries()), *port = text_of("%d", free_port());
    const char *environment[32] = {"OXIDICOM_RUN_DIR",       run, "OXIDICOM_TLS_PORT", port,
                                   "OXIDICOM_LISTENER_PORT", "0"};
    for (size_t i = 0; settings[i]; i += 2) {
        environment[6 + i] = settings[i];
        environment[7 + i] = settings[i + 1];
    }
    unlink(log);
    cr_assert_eq(process_run(log, environment, (const char *const[]){program, NULL}, PATIENCE_MS), EXIT_SETTINGS,
                 "%s", settings[1]);
    size_t size;
    char *said = file_content(log, &size);
    free(log);
    free(run);
    free(program);
    free(port);
    return said;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void encrypt_key(const tls_site_t *tls) {
    const char *const argv[] = {"openssl",
                                "pkey",
                                "-aes256",
                                "-passout",
                                "pass:secret",
                                "-in",
                                pem(tls, "site.key"),
                                "-out",
                                pem(tls, "locked.key"),
                                NULL};
    cr_assert_eq(process_run(NULL, NULL, argv, PATIENCE_MS), 0);
}

Test(tls, names_the_setting_the_value_and_the_reason_when_it_can_not_start, .timeout = PATIENCE_S) {
    tls_site_t tls = {.folder = temporary_folder("tls-bad")};
    certificates_ca(tls.folder, "site");
    certificates_ca(tls.folder, "other");
    encrypt_key(&tls);
    write_text(pem(&tls, "empty"), "");
    const char *certificate = pem(&tls, "site.crt"), *key = pem(&tls, "site.key");
    const struct {
        const char *certificate, *key, *ca, *client;
        const char *said; /* %s: the folder */
    } bad[] = {
        {"/nowhere/a.crt", key, NULL, NULL,
         "OXIDICOM_TLS_CERTIFICATE is \"/nowhere/a.crt\": No such file or directory; needed is a PEM file"},
        {pem(&tls, "empty"), key, NULL, NULL, "OXIDICOM_TLS_CERTIFICATE is \"%s/empty\": no start line; needed is"},
        {certificate, "/nowhere/a.key", NULL, NULL,
         "OXIDICOM_TLS_KEY is \"/nowhere/a.key\": No such file or directory; needed is a PEM file"},
        {certificate, pem(&tls, "other.key"), NULL, NULL,
         "OXIDICOM_TLS_KEY is \"%s/other.key\": key values mismatch; needed is"},
        {certificate, pem(&tls, "locked.key"), NULL, NULL, "OXIDICOM_TLS_KEY is \"%s/locked.key\": "},
        {certificate, UNSET, NULL, NULL,
         "OXIDICOM_TLS_CERTIFICATE is \"%s/site.crt\": it holds none that can be read; needed is"},
        {certificate, key, pem(&tls, "empty"), NULL, "OXIDICOM_TLS_CA is \"%s/empty\": "},
        {certificate, key, NULL, "required", "OXIDICOM_TLS_CLIENT is \"required\": OXIDICOM_TLS_CA is not set"},
        {NULL, NULL, NULL, NULL, ": OXIDICOM_TLS_CERTIFICATE is not set; needed is a certificate"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *said = refused_start(tls.folder, WITH("OXIDICOM_TLS_CERTIFICATE", bad[i].certificate,
                                                    "OXIDICOM_TLS_KEY", bad[i].key, "OXIDICOM_TLS_CA", bad[i].ca,
                                                    "OXIDICOM_TLS_CLIENT", bad[i].client));
        const char *rest = strstr(bad[i].said, "%s");
        char *wanted = rest ? text_of("%.*s%s%s", (int)(rest - bad[i].said), bad[i].said, tls.folder, rest + 2)
                            : strdup(bad[i].said);
        cr_assert_not_null(strstr(said, wanted), "not %s but %s", wanted, said);
        free(wanted);
        free(said);
    }
    char *said = refused_start(tls.folder, WITH("OXIDICOM_TLS_PORT", "0"));
    cr_assert_not_null(strstr(said, "OXIDICOM_LISTENER_PORT is \"0\": OXIDICOM_TLS_PORT is 0, too"), "%s", said);
    free(said);
    said = refused_start(tls.folder, WITH("OXIDICOM_TLS_PORT", "0", "OXIDICOM_LISTENER_PORT", "11111",
                                          "OXIDICOM_TLS_CERTIFICATE", certificate));
    cr_assert_not_null(strstr(said, "OXIDICOM_TLS_CERTIFICATE is \""), "%s", said);
    cr_assert_not_null(strstr(said, "\": OXIDICOM_TLS_PORT is 0; needed is a port"), "%s", said);
    free(said);
    remove_folder(tls.folder);
    free(tls.folder);
}

/* --- where ------------------------------------------------------------------------------------------------- */

/* Whether anybody listens at 127.0.0.2. */
static bool listens_at_another_address(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listens = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return listens;
}

Test(tls, is_spoken_at_the_one_address_that_is_named, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start((const char *const[]){"OXIDICOM_LISTENER_ADDRESS", "127.0.0.1", NULL});
    use_certificate(&tls, "client");
    cr_expect(stores(&tls, 1));
    cr_expect_not(listens_at_another_address(tls.site.receiver.port));
    cr_expect_not(listens_at_another_address(tls.plain_port));
    tls_site_end(&tls);
}
