/* Peers that go without a release: within something, before anything, while an answer is pending. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ring/upper_layer.h"

/* The ways to go. */
static void fin(scu_t *scu) {
    scu_finish(scu);
    cr_assert(scu_at_end(scu), "the receiver closes its half, too");
    scu_close(scu);
}

static const struct {
    const char *name;
    void (*go)(scu_t *scu);
} WAYS[] = {{"A-ABORT", scu_abort}, {"FIN", fin}, {"close", scu_close}, {"RST", scu_reset}};

#define WAYS_COUNT (sizeof WAYS / sizeof *WAYS)

/* A receiver with this queue. */
static site_t start_with_queue(const char *queue) {
    site_t site = {0};
    ring_start(&site.receiver, queue, NULL);
    site.listener = receiver_stage(&site.receiver, "listener", 0);
    return site;
}

/* --- within something -------------------------------------------------------------------------------------- */

Test(ends, within_an_object_drop_it_alone_and_the_others_are_registered, .timeout = PATIENCE_S) {
    queue_t *queue = queue_new(rabbitmq_port(), "ends");
    site_t site = start_with_queue("ends");
    for (size_t i = 0; i < WAYS_COUNT; i++) {
        char series[64];
        snprintf(series, sizeof series, "1.2.826.0.1.3680043.9.9999.3.96.%zu", i);
        scu_t scu = {0};
        store_some(&scu, site.receiver.port, "ENDS", series, 1, 2);
        bytes_t set = instance(9, 300000), command = scu_store_command(MR_STORAGE, "1.2.3", 99);
        cr_assert(scu_p_data(&scu, 1, LAST_COMMAND, command.at, command.size));
        cr_assert(scu_p_data(&scu, 1, DATA, set.at, 200000));
        expect_files(&site, 2 * (i + 1) + 1); /* the temporary one, too */
        WAYS[i].go(&scu);
        expect_files(&site, 2 * (i + 1));
        expect_registration(queue, series, 2);
        bytes_free(&set);
        bytes_free(&command);
    }
    expect_no_registration(queue);
    queue_destroy(&queue);
    site_end(&site);
}

/* How much of a message has been sent: within a PDU's header, a PDV's, a command, before and within a data set. */
Test(ends, anywhere_within_a_message_leave_nothing, .timeout = PATIENCE_S) {
    site_t site = site_start();
    bytes_t set = instance(1, 500), command = scu_store_command(MR_STORAGE, "1.2.3", 1), pdvs = {0};
    scu_add_pdv(&pdvs, MR_CONTEXT, LAST_COMMAND, command.at, command.size);
    scu_add_pdv(&pdvs, MR_CONTEXT, LAST_DATA, set.at, set.size);
    const uint8_t header[] = {P_DATA, 0, 0, 0, (uint8_t)(pdvs.size >> 8), (uint8_t)pdvs.size};
    bytes_t message = {0};
    bytes_add(&message, header, sizeof header);
    bytes_add(&message, pdvs.at, pdvs.size);
    for (size_t size = 0; size < message.size; size += size < 20 ? 1 : 37)
        for (size_t i = 1; i < WAYS_COUNT; i++) { /* within a PDU an A-ABORT would be its next bytes */
            scu_t scu = site_associate(&site);
            cr_assert(scu_send(&scu, message.at, size));
            WAYS[i].go(&scu);
        }
    expect_files(&site, 0);
    expect_service(&site, &set);
    expect_files(&site, 1);
    bytes_free(&set);
    bytes_free(&command);
    bytes_free(&pdvs);
    bytes_free(&message);
    site_end(&site);
}

/* The length is believed only as far as bytes come. */
Test(ends, of_a_pdu_that_claims_4_gib_leave_nothing, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 300000), command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_send(&scu, "\4\0\xFF\xFF\xFF\xFE\xFF\xFF\xFF\xFA\1\2", 12));
    cr_assert(scu_send(&scu, set.at, set.size));
    expect_files(&site, 1);
    fin(&scu);
    expect_files(&site, 0);
    expect_service(&site, &set);
    bytes_free(&set);
    bytes_free(&command);
    site_end(&site);
}

/* --- before anything --------------------------------------------------------------------------------------- */

/* Health probes of load balancers: they must not fill the log with warnings. */
Test(ends, without_a_byte_are_served_in_silence, .timeout = PATIENCE_S) {
    site_t site = site_start();
    bytes_t set = instance(1, 500);
    for (size_t i = 0; i < 40; i++) {
        scu_t scu = {0};
        cr_assert(scu_connect(&scu, site.receiver.port));
        WAYS[1 + i % 3].go(&scu);
    }
    expect_service(&site, &set);
    bytes_free(&set);
    cr_assert_eq(receiver_stop(&site.receiver), 0);
    size_t size;
    char *log = file_content(site.receiver.log, &size);
    cr_assert_null(strstr(log, "warn"), "%s", log);
    free(log);
    receiver_clear(&site.receiver);
}

/* PS3.8 table 9-10: an A-ABORT is not answered by one. */
Test(ends, by_an_abort_before_the_request_are_closed_without_an_answer, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = {0};
    cr_assert(scu_connect(&scu, site.receiver.port));
    cr_assert(scu_send_pdu(&scu, ABORT, "\0\0\0\0", 4));
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
    scu = site_associate(&site);
    cr_assert(scu_send_pdu(&scu, ABORT, "\0\0\0\0", 4));
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
    site_end(&site);
}

/* --- while an answer is pending ---------------------------------------------------------------------------- */

Test(ends, while_an_answer_is_pending_lose_no_object, .timeout = PATIENCE_S) {
    queue_t *queue = queue_new(rabbitmq_port(), "pending");
    site_t site = start_with_queue("pending");
    for (size_t i = 0; i < WAYS_COUNT; i++) {
        char series[64];
        snprintf(series, sizeof series, "1.2.826.0.1.3680043.9.9999.3.97.%zu", i);
        scu_t scu = {0};
        bytes_t set = dataset_instance(EXPLICIT_LE, series, "1.2.3", 1, 500);
        cr_assert(scu_associate_mr(&scu, site.receiver.port, "PENDING", EXPLICIT_LE));
        site_hold(&site, "writer");
        cr_assert(scu_send_store(&scu, 1, MR_STORAGE, "1.2.3", &set, 0));
        cr_assert_eq(scu_echo(&scu, 1), 0, "so the listener has read all that came before");
        if (WAYS[i].go == fin)
            scu_finish(&scu); /* its waiting has a test of its own */
        else
            WAYS[i].go(&scu);
        /* Now only the listener still has it. */
        kill(receiver_stage(&site.receiver, "writer", 0), SIGKILL);
        expect_registration(queue, series, 1);
        expect_files(&site, i + 1);
        scu_close(&scu);
        bytes_free(&set);
    }
    expect_no_registration(queue);
    queue_destroy(&queue);
    site_end(&site);
}

/* A peer that has said all may close its half at once. */
Test(ends, of_the_peers_half_leave_the_pending_answers_to_be_sent, .timeout = PATIENCE_S) {
    site_t site = site_start();
    for (int released = 0; released < 2; released++) {
        scu_t scu = site_associate(&site);
        bytes_t set = instance(1, 500);
        site_hold(&site, "notifier");
        cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
        cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
        if (released)
            cr_assert(scu_send_release(&scu));
        scu_finish(&scu);
        expect_files(&site, 1);
        site_go_on(&site, "notifier");
        expect_response(&scu, 0, 0x0001, 1);
        expect_response(&scu, 0, 0x0001, 2);
        if (released)
            cr_assert(scu_read(&scu) && scu.type == RELEASE_RP);
        cr_assert(scu_at_end(&scu));
        scu_close(&scu);
        bytes_free(&set);
    }
    site_end(&site);
}

/* The whole object is answered; the partial one goes. */
Test(ends, of_the_peers_half_within_the_next_object_drop_that_one_alone, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 300000), command = scu_store_command(MR_STORAGE, "1.2.4", 2);
    site_hold(&site, "notifier");
    cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, DATA, set.at, 200000));
    scu_finish(&scu);
    site_go_on(&site, "notifier");
    expect_response(&scu, 0, 0x0001, 1);
    cr_assert(scu_at_end(&scu));
    expect_files(&site, 1);
    scu_close(&scu);
    bytes_free(&set);
    bytes_free(&command);
    site_end(&site);
}
