/* TLS: certificates replaced under load, much data, slow and late peers, ends of connections. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "listener/custody/state.h"
#include "tests/ring/tls.h"
#include "tests/support/certificates.h"

/* --- replacing certificates -------------------------------------------------------------------------------- */

/* The receiver's certificate as a new connection sees it: its serial number, to be freed. */
static char *serial_seen(const tls_site_t *tls) {
    scu_t scu = {0};
    cr_assert(scu_connect(&scu, tls->site.receiver.port), "%s", scu_tls_failure());
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(SSL_get0_peer_certificate(scu.tls)), NULL);
    char *text = BN_bn2hex(number);
    BN_free(number);
    scu_close(&scu);
    return text;
}

static void hang_up(const tls_site_t *tls, const char *said) {
    kill(tls->site.receiver.launcher, SIGHUP); /* which hands it on */
    cr_assert(receiver_logged(&tls->site.receiver, said, PATIENCE_MS), "%s", said);
}

/* Associations one after the other until the pipe is closed; exits with the number that failed. */
static pid_t sender_start(const tls_site_t *tls, const int go_on[2]) {
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    int failed = 0, number = 0;
    char byte;
    close(go_on[1]);
    while (read(go_on[0], &byte, 1) < 0) /* non-blocking: nothing until the other end is closed */
        failed += !stores(tls, ++number);
    _exit(failed || number == 0);
}

Test(tls, takes_new_certificates_on_hup_without_a_failed_association, .timeout = PATIENCE_S) {
    enum { SENDERS = 4 };
    tls_site_t tls = tls_site_start(NULL);
    int go_on[2];
    pid_t senders[SENDERS];
    cr_assert_eq(pipe2(go_on, O_NONBLOCK | O_CLOEXEC), 0);
    use_certificate(&tls, "client");
    scu_t open = site_associate(&tls.site);
    char *before = serial_seen(&tls);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = sender_start(&tls, go_on);
    certificates_issue(tls.folder, "ca", "site", KEY_RSA);
    hang_up(&tls, "TLS certificates are read again");
    char *after = serial_seen(&tls);
    cr_assert_str_neq(before, after);
    cr_assert(stores(&tls, 1000), "and stores");
    close(go_on[1]);
    for (int i = 0; i < SENDERS; i++) {
        int status = -1;
        cr_assert(process_wait(senders[i], PATIENCE_MS, &status));
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "an association failed");
    }
    cr_assert_eq(scu_echo(&open, ECHO_CONTEXT), 0, "what was open goes on");
    cr_assert(scu_release(&open));
    OPENSSL_free(before);
    OPENSSL_free(after);
    tls_site_end(&tls);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

Test(tls, keeps_its_certificates_and_says_so_when_the_new_ones_are_bad, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    char *before = serial_seen(&tls);
    write_text(pem(&tls, "site.crt"), "half a file");
    hang_up(&tls, "the TLS certificates from before stay in use");
    cr_assert(receiver_logged(&tls.site.receiver, "/site.crt\": no start line", PATIENCE_MS));
    char *after = serial_seen(&tls);
    cr_assert_str_eq(before, after);
    cr_assert(stores(&tls, 1));
    OPENSSL_free(before);
    OPENSSL_free(after);
    tls_site_end(&tls);
}

Test(tls, forgets_a_ca_that_is_taken_away_also_for_sessions_to_be_resumed, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    scu_t scu = site_associate(&tls.site);
    cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0);
    SSL_SESSION *session = SSL_get1_session(scu.tls);
    cr_assert(scu_release(&scu));
    cr_assert_eq(rename(pem(&tls, "other-ca.crt"), pem(&tls, "ca.crt")), 0);
    hang_up(&tls, "TLS certificates are read again");
    cr_assert(scu_resume(&scu, tls.site.receiver.port, session), "a client hears of it later");
    cr_assert_eq(SSL_session_reused(scu.tls), 0);
    cr_assert_not(scu_read(&scu));
    cr_assert_not_null(strstr(scu_tls_failure(), "alert unknown ca"), "%s", scu_tls_failure());
    scu_close(&scu);
    SSL_SESSION_free(session);
    tls_site_end(&tls);
}

/* --- much ---------------------------------------------------------------------------------------------------- */

Test(tls, stores_an_object_of_40_mb, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    const char *file = pem(&tls, "large.dcm");
    bytes_t set = instance(1, 40 * 1000 * 1000);
    part10_write(file, EXPLICIT_LE, MR_STORAGE, "1.2.3", &set);
    char *port = text_of("%d", tls.site.receiver.port);
    const char *const argv[] = {"storescu",
                                "+tls",
                                pem(&tls, "client.key"),
                                pem(&tls, "client.crt"),
                                "+cf",
                                pem(&tls, "ca.crt"),
                                "127.0.0.1",
                                port,
                                file,
                                NULL};
    cr_assert_eq(process_run(NULL, NULL, argv, PATIENCE_MS), 0);
    expect_stored(&tls.site, &set);
    free(port);
    bytes_free(&set);
    tls_site_end(&tls);
}

/* A data set of exactly `size` bytes: a cut one is stored unchanged. */
static bytes_t cut(int number, size_t size) {
    bytes_t set = instance(number, size);
    set.size = size;
    return set;
}

/* Sends an object that storage does not take yet; returns when the receiver has all of it. */
static scu_t fill_buffer(const tls_site_t *tls, int number, size_t size) {
    scu_t scu = site_associate(&tls->site);
    bytes_t set = cut(number, size);
    cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
    cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0); /* which waits for nobody */
    bytes_free(&set);
    return scu;
}

/* With the buffer full, nothing is read; of 4 MiB two objects take 24 chunks, and the third no more than seven. */
Test(tls, waits_for_room_in_the_buffer_and_reads_on, .timeout = PATIENCE_S) {
    tls_site_t tls =
        tls_site_start((const char *const[]){"OXIDICOM_BUFFER_SIZE", "4MiB", "RUST_LOG", "debug", NULL});
    use_certificate(&tls, "client");
    site_hold(&tls.site, "writer");
    scu_t first = fill_buffer(&tls, 1, 12 * CHUNK_BYTES), second = fill_buffer(&tls, 2, 12 * CHUNK_BYTES);
    scu_t third = site_associate(&tls.site);
    bytes_t set = cut(3, 8 * CHUNK_BYTES + 1);
    cr_assert(scu_send_store(&third, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 16000));
    cr_assert(receiver_logged(&tls.site.receiver, "OXIDICOM_BUFFER_SIZE is used up", PATIENCE_MS));
    third.timeout_ms = 300;
    cr_assert_not(scu_read(&third), "nothing is stored yet");
    third.timeout_ms = PATIENCE_MS;
    site_go_on(&tls.site, "writer");
    expect_response(&first, 0, 0x0001, 1);
    expect_response(&second, 0, 0x0001, 1);
    expect_response(&third, 0, 0x0001, 1);
    cr_assert(scu_release(&first) && scu_release(&second) && scu_release(&third));
    bytes_free(&set);
    tls_site_end(&tls);
}

/* --- slow ---------------------------------------------------------------------------------------------------- */

Test(tls, counts_its_handshake_in_the_time_for_the_association, .timeout = PATIENCE_S) {
    enum { PEERS = 3 };
    tls_site_t tls = tls_site_start((const char *const[]){"OXIDICOM_HANDSHAKE_TIMEOUT", "8s", NULL});
    scu_t peers[PEERS] = {0};
    int64_t begun_ms = clock_ms();
    scu_use_plain();
    cr_assert(scu_connect(&peers[0], tls.site.receiver.port) && scu_connect(&peers[1], tls.site.receiver.port));
    cr_assert(scu_send(&peers[0], "\x16\x03\x01\x02\x00\x01", 6), "begins a ClientHello and stops");
    use_certificate(&tls, "client");
    cr_assert(scu_connect(&peers[2], tls.site.receiver.port), "ends its handshake and stops");
    cr_assert(stores(&tls, 1), "others are served meanwhile");
    /* The second dribbles a record of 512 bytes that it never ends. */
    cr_assert(scu_send(&peers[1], "\x16\x03\x01\x02\x00", 5));
    while (clock_ms() - begun_ms < 4000) {
        cr_assert(scu_send(&peers[1], "\x01", 1));
        usleep(500000);
    }
    for (int i = 0; i < PEERS; i++) {
        peers[i].timeout_ms = PATIENCE_MS;
        cr_assert(scu_at_end(&peers[i]), "peer %d", i);
        scu_close(&peers[i]);
    }
    cr_assert_geq(clock_ms() - begun_ms, 8000 - 1000);
    tls_site_end(&tls);
}

/* --- ends ---------------------------------------------------------------------------------------------------- */

Test(tls, ends_with_close_notify_after_a_release_and_after_an_abort, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    scu_t scu = site_associate(&tls.site);
    cr_assert(scu_send_release(&scu) && scu_read(&scu));
    cr_assert_eq(scu.type, RELEASE_RP);
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
    scu = site_associate(&tls.site);
    cr_assert(scu_send_pdu(&scu, ASSOCIATE_AC, "", 0)); /* which only an acceptor sends */
    cr_assert_eq(scu_aborted(&scu), 2 << 8 | 2);
    scu_close(&scu);
    tls_site_end(&tls);
}

Test(tls, answers_a_peer_that_has_closed_its_half, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    scu_t scu = site_associate(&tls.site);
    bytes_t set = instance(1, 1000);
    site_hold(&tls.site, "writer");
    cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
    scu_finish(&scu);
    site_go_on(&tls.site, "writer");
    expect_response(&scu, 0, 0x0001, 1);
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
    bytes_free(&set);
    tls_site_end(&tls);
}

Test(tls, takes_a_connection_that_ends_without_close_notify_for_closed, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    scu_t scu = site_associate(&tls.site);
    shutdown(scu.fd, SHUT_WR);
    cr_assert(receiver_logged(&tls.site.receiver, "connection closed by the peer", PATIENCE_MS));
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
    cr_assert(stores(&tls, 1));
    tls_site_end(&tls);
}

/* Bytes that are no record of this session. */
Test(tls, ends_an_association_whose_records_are_forged, .timeout = PATIENCE_S) {
    tls_site_t tls = tls_site_start(NULL);
    use_certificate(&tls, "client");
    scu_t scu = site_associate(&tls.site);
    static const char forged[] = "\x17\x03\x03\x00\x20"
                                 "a record that nobody encrypted!!";
    cr_assert_eq(send(scu.fd, forged, sizeof forged - 1, MSG_NOSIGNAL), (ssize_t)sizeof forged - 1);
    cr_assert_not(scu_read(&scu));
    scu_close(&scu);
    cr_assert(receiver_logged(&tls.site.receiver, "connection lost", PATIENCE_MS));
    cr_assert(stores(&tls, 1));
    tls_site_end(&tls);
}
