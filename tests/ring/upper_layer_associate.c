/* The establishment and the orderly release of associations. */
#include <stdlib.h>
#include <string.h>

#include "tests/ring/upper_layer.h"

static const scu_context_t MR = {1, MR_STORAGE, {EXPLICIT_LE}};

/* That the request gets an A-ASSOCIATE-RJ of this result, source and reason (PS3.8 table 9-21), and then the end.
 */
static void expect_rejected(const site_t *site, const scu_request_t *request, const char *answer) {
    scu_t scu = {0};
    cr_assert_not(scu_associate(&scu, site->receiver.port, request));
    cr_assert_eq(scu.type, ASSOCIATE_RJ);
    cr_assert_eq(scu.body.size, 4);
    cr_assert_eq(memcmp(scu.body.at + 1, answer, 3), 0, "%d/%d/%d", scu.body.at[1], scu.body.at[2], scu.body.at[3]);
    /* Further ones are not looked at. */
    cr_assert(scu_p_data(&scu, 1, LAST_COMMAND, "garbage", 7));
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
}

static scu_request_t request_with(const scu_context_t *contexts, size_t count) {
    return (scu_request_t){.contexts = contexts, .contexts_count = count};
}

Test(associations, of_another_protocol_version_or_application_context_are_rejected, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_request_t request = request_with(&MR, 1);
    request.protocol_version = 2;
    expect_rejected(&site, &request, "\1\2\2");
    request = request_with(&MR, 1);
    request.application_context = "1.2.840.10008.3.1.1.2";
    expect_rejected(&site, &request, "\1\1\2");
    request.application_context = "";
    expect_rejected(&site, &request, "\1\1\2");
    /* A bit for each version: ours is among them. */
    request = request_with(&MR, 1);
    request.protocol_version = 3;
    scu_t scu = {0};
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    cr_assert(scu_release(&scu));
    site_end(&site);
}

Test(associations, without_an_accepted_context_are_accepted_and_can_be_released, .timeout = PATIENCE_S) {
    static const scu_context_t contexts[] = {
        {1, "1.2.3.4.5", {EXPLICIT_LE}}, {3, MR_STORAGE, {"1.2.3"}}, {5, MR_STORAGE, {NULL}}};
    site_t site = site_start();
    scu_t scu = {0};
    scu_request_t request = request_with(contexts, 3);
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    cr_assert_eq(scu.answered[1].result, 3);
    cr_assert_eq(scu.answered[3].result, 4);
    cr_assert_eq(scu.answered[5].result, 4);
    cr_assert(scu_release(&scu));
    request = request_with(NULL, 0);
    cr_assert(scu_associate(&scu, site.receiver.port, &request), "no context at all");
    cr_assert(scu_release(&scu));
    site_end(&site);
}

Test(associations, take_uids_padded_with_spaces, .timeout = PATIENCE_S) {
    static const scu_context_t context = {1, MR_STORAGE " ", {EXPLICIT_LE "  "}};
    site_t site = site_start();
    scu_t scu = {0};
    scu_request_t request = request_with(&context, 1);
    request.application_context = "1.2.840.10008.3.1.1.1 ";
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    cr_assert_eq(scu.answered[1].result, 0);
    bytes_t set = instance(1, 500);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3", &set), 0);
    expect_stored(&site, &set);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

Test(associations, with_two_contexts_of_one_id_use_the_first, .timeout = PATIENCE_S) {
    static const scu_context_t contexts[] = {{1, MR_STORAGE, {EXPLICIT_LE}}, {1, CT_STORAGE, {IMPLICIT_LE}}};
    site_t site = site_start();
    scu_t scu = {0};
    scu_request_t request = request_with(contexts, 2);
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    cr_assert_eq(scu.answered[1].result, 2, "the answer to the second");
    bytes_t set = instance(1, 500);
    cr_assert_eq(scu_store(&scu, 1, CT_STORAGE, "1.2.3", &set), 0x0122);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3", &set), 0);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

Test(associations, with_more_than_128_contexts_are_accepted, .timeout = PATIENCE_S) {
    scu_context_t contexts[300];
    for (size_t i = 0; i < 300; i++)
        contexts[i] = (scu_context_t){(uint8_t)(2 * i + 1), MR_STORAGE, {EXPLICIT_LE, IMPLICIT_LE}};
    site_t site = site_start();
    scu_t scu = {0};
    scu_request_t request = request_with(contexts, 128);
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    bytes_t set = instance(1, 500);
    cr_assert_eq(scu_store(&scu, 255, MR_STORAGE, "1.2.3", &set), 0);
    cr_assert(scu_release(&scu));
    request = request_with(contexts, 300);
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    cr_assert_eq(scu_store(&scu, 255, MR_STORAGE, "1.2.3", &set), 0);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

/* Asynchronous operations, role selection, extended negotiation, user identity, and one of the future. */
Test(associations, with_user_items_of_all_kinds_are_accepted, .timeout = PATIENCE_S) {
    static const char items[] = "\x53\0\0\4\0\0\0\0"
                                "\x54\0\0\11\0\5"
                                "1.2.3"
                                "\1\1"
                                "\x56\0\0\11\0\5"
                                "1.2.3"
                                "\2\0"
                                "\x58\0\0\12\1\1\0\4"
                                "user"
                                "\0\0"
                                "\x7F\0\0\3"
                                "new";
    site_t site = site_start();
    scu_t scu = {0};
    scu_request_t request = request_with(&MR, 1);
    request.extra_user_items = (bytes_t){(uint8_t *)(uintptr_t)items, sizeof items - 1};
    cr_assert(scu_associate(&scu, site.receiver.port, &request));
    bytes_t set = instance(1, 500);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3", &set), 0);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

/* The request in segments of one byte, and the first message right behind it, before the answer. */
Test(associations, are_served_however_their_first_bytes_arrive, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_request_t request = request_with(&MR, 1);
    bytes_t rq = scu_associate_rq(&request), echo = scu_echo_command(9);
    scu_t scu = {0};
    cr_assert(scu_connect(&scu, site.receiver.port));
    for (size_t i = 0; i < rq.size; i++)
        cr_assert(scu_send(&scu, rq.at + i, 1));
    cr_assert(scu_p_data(&scu, 1, LAST_COMMAND, echo.at, echo.size));
    cr_assert(scu_read(&scu));
    cr_assert_eq(scu.type, ASSOCIATE_AC);
    expect_response(&scu, 0, 0x0030, 9);
    cr_assert(scu_release(&scu));
    bytes_free(&rq);
    bytes_free(&echo);
    site_end(&site);
}

/* --- release ----------------------------------------------------------------------------------------------- */

Test(associations, are_released_after_the_answer_to_a_pending_store, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500);
    site_hold(&site, "notifier");
    cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
    cr_assert(scu_send_release(&scu));
    expect_files(&site, 1); /* it is stored, and waits for the notifier alone */
    site_go_on(&site, "notifier");
    expect_response(&scu, 0, 0x0001, scu.message_id);
    cr_assert(scu_read(&scu));
    cr_assert_eq(scu.type, RELEASE_RP);
    cr_assert(scu_at_end(&scu));
    scu_close(&scu);
    bytes_free(&set);
    site_end(&site);
}

Test(associations, are_released_whatever_the_request_has_in_its_reserved_bytes, .timeout = PATIENCE_S) {
    static const struct {
        const char *body;
        size_t size;
    } requests[] = {{"", 0}, {"\xFF\xFE\1\2", 4}, {"much more than the four bytes", 29}};
    site_t site = site_start();
    for (size_t i = 0; i < 3; i++) {
        scu_t scu = site_associate(&site);
        cr_assert(scu_send_pdu(&scu, RELEASE_RQ, requests[i].body, requests[i].size));
        cr_assert(scu_read(&scu));
        cr_assert_eq(scu.type, RELEASE_RP, "%zu bytes", requests[i].size);
        cr_assert(scu_at_end(&scu));
        scu_close(&scu);
    }
    site_end(&site);
}

Test(associations, that_are_released_within_an_object_leave_nothing_of_it, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 300000), command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, DATA, set.at, 200000));
    expect_files(&site, 1); /* the temporary one */
    cr_assert(scu_release(&scu));
    expect_files(&site, 0);
    bytes_free(&set);
    bytes_free(&command);
    site_end(&site);
}
