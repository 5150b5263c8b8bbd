/* DIMSE messages in every legal wrapping, and some that are only usual. */
#include <stdlib.h>
#include <string.h>

#include "tests/ring/upper_layer.h"

enum { C_STORE = 0x0001, C_GET = 0x0010, C_FIND = 0x0020, C_MOVE = 0x0021, C_ECHO = 0x0030, C_CANCEL = 0x0FFF };

#define RETRIEVE "1.2.840.10008.5.1.4.1.2.2.1"

/* --- fragments --------------------------------------------------------------------------------------------- */

/* Appends the bytes in PDVs of `step` bytes; `command`: 0 or 1. */
static void add_pdvs(bytes_t *pdvs, uint8_t command, const bytes_t *bytes, size_t step) {
    for (size_t at = 0; at < bytes->size; at += step) {
        size_t part = bytes->size - at < step ? bytes->size - at : step;
        scu_add_pdv(pdvs, MR_CONTEXT, at + part == bytes->size ? command | 2 : command, bytes->at + at, part);
    }
}

Test(messages, in_fragments_of_one_byte_are_stored, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 300), command = scu_store_command(MR_STORAGE, "1.2.3", 7);
    for (size_t i = 0; i < command.size; i++)
        cr_assert(scu_p_data(&scu, MR_CONTEXT, i + 1 == command.size ? LAST_COMMAND : COMMAND, command.at + i, 1));
    for (size_t i = 0; i < set.size; i++)
        cr_assert(scu_p_data(&scu, MR_CONTEXT, i + 1 == set.size ? LAST_DATA : DATA, set.at + i, 1));
    expect_response(&scu, 0, C_STORE, 7);
    expect_stored(&site, &set);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    bytes_free(&command);
    site_end(&site);
}

Test(messages, with_command_and_data_set_in_one_pdu_are_stored, .timeout = PATIENCE_S) {
    static const size_t steps[] = {1, 7, 100000};
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    for (uint16_t i = 0; i < 3; i++) {
        bytes_t set = instance(i, 500), command = scu_store_command(MR_STORAGE, "1.2.3", i), pdvs = {0};
        add_pdvs(&pdvs, COMMAND, &command, steps[i]);
        add_pdvs(&pdvs, DATA, &set, steps[i]);
        cr_assert(scu_send_pdu(&scu, P_DATA, pdvs.at, pdvs.size));
        expect_response(&scu, 0, C_STORE, i);
        expect_stored(&site, &set);
        bytes_free(&set);
        bytes_free(&command);
        bytes_free(&pdvs);
    }
    cr_assert(scu_release(&scu));
    site_end(&site);
}

/* Legal, for senders that end a message of unknown length. */
Test(messages, that_end_with_an_empty_pdv_are_stored, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500), command = scu_store_command(MR_STORAGE, "1.2.3", 8);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, COMMAND, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, "", 0));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, DATA, "", 0));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, DATA, set.at, set.size));
    cr_assert(scu_send_pdu(&scu, P_DATA, "", 0));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_DATA, "", 0));
    expect_response(&scu, 0, C_STORE, 8);
    expect_stored(&site, &set);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    bytes_free(&command);
    site_end(&site);
}

/* --- several messages -------------------------------------------------------------------------------------- */

/* More than the listener leaves unanswered at once, so that it has to stop reading and to go on. */
#define BACK_TO_BACK 80

Test(messages, sent_back_to_back_without_waiting_are_each_answered_once, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t all = {0};
    for (uint16_t i = 0; i < BACK_TO_BACK; i++) {
        bytes_t set = instance(i, 200), command = scu_store_command(MR_STORAGE, "1.2.3", i), pdvs = {0};
        add_pdvs(&pdvs, COMMAND, &command, command.size);
        add_pdvs(&pdvs, DATA, &set, set.size);
        const uint8_t header[] = {P_DATA, 0, 0, 0, (uint8_t)(pdvs.size >> 8), (uint8_t)pdvs.size};
        bytes_add(&all, header, sizeof header);
        bytes_add(&all, pdvs.at, pdvs.size);
        bytes_free(&set);
        bytes_free(&command);
        bytes_free(&pdvs);
    }
    site_hold(&site, "notifier");
    cr_assert(scu_send(&scu, all.at, all.size));
    site_go_on(&site, "notifier");
    /* One writer, so one order. */
    for (uint16_t i = 0; i < BACK_TO_BACK; i++)
        expect_response(&scu, 0, C_STORE, i);
    expect_files(&site, BACK_TO_BACK);
    cr_assert(scu_release(&scu));
    bytes_free(&all);
    site_end(&site);
}

Test(messages, echoes_between_stores_are_answered, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0);
        cr_assert_eq(scu_response_number(&scu, 0x0100), C_ECHO | 0x8000);
        cr_assert_eq(scu.body.at[4], ECHO_CONTEXT, "it comes back on the context of the request");
        cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set), 0);
        cr_assert_eq(scu.body.at[4], MR_CONTEXT);
    }
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

Test(messages, have_any_message_id, .timeout = PATIENCE_S) {
    static const uint16_t ids[] = {0, 1, 255, 256, 32768, 65535};
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        bytes_t store = scu_store_command(MR_STORAGE, "1.2.3", ids[i]), echo = scu_echo_command(ids[i]);
        cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, store.at, store.size));
        cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_DATA, set.at, set.size));
        expect_response(&scu, 0, C_STORE, ids[i]);
        cr_assert(scu_p_data(&scu, ECHO_CONTEXT, LAST_COMMAND, echo.at, echo.size));
        expect_response(&scu, 0, C_ECHO, ids[i]);
        bytes_free(&store);
        bytes_free(&echo);
    }
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

/* --- commands that are not served -------------------------------------------------------------------------- */

/* Sends a command, with a data set in two PDVs or with none. */
static void send_command(scu_t *scu, uint16_t field, uint16_t message_id, const bytes_t *set) {
    bytes_t command = scu_command(field, RETRIEVE, message_id, set != NULL);
    cr_assert(scu_p_data(scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    if (set) {
        cr_assert(scu_p_data(scu, MR_CONTEXT, DATA, set->at, 10));
        cr_assert(scu_p_data(scu, MR_CONTEXT, LAST_DATA, set->at + 10, set->size - 10));
    }
    bytes_free(&command);
}

Test(messages, of_other_services_are_drained_and_answered_0211, .timeout = PATIENCE_S) {
    static const struct {
        uint16_t field;
        bool has_data_set;
    } commands[] = {
        {C_FIND, true},  {C_GET, true},   {C_MOVE, true}, {0x0100 /* N-EVENT-REPORT */, true},
        {0x0100, false}, {0x0110, false}, {0x0120, true}, {0x0130, true},
        {0x0140, true},  {0x0150, false}, {0x7777, true}, {0, false},
    };
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 50000);
    for (uint16_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        send_command(&scu, commands[i].field, 1000 + i, commands[i].has_data_set ? &set : NULL);
        char sop_class[128];
        expect_response(&scu, 0x0211, commands[i].field, 1000 + i);
        cr_assert(scu_response_text(&scu, 0x0002, sop_class));
        cr_assert_str_eq(sop_class, RETRIEVE);
    }
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set), 0);
    expect_files(&site, 1);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

/* PS3.7 9.3.2.3: a C-CANCEL has no response. Nor has a response. */
Test(messages, that_ask_for_no_answer_get_none, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 500);
    send_command(&scu, C_CANCEL, 1, NULL);
    send_command(&scu, C_FIND | 0x8000, 2, &set);
    send_command(&scu, C_STORE | 0x8000, 3, NULL);
    bytes_t echo = scu_echo_command(4);
    cr_assert(scu_p_data(&scu, ECHO_CONTEXT, LAST_COMMAND, echo.at, echo.size));
    expect_response(&scu, 0, C_ECHO, 4);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    bytes_free(&echo);
    site_end(&site);
}

Test(messages, with_a_sop_class_not_of_the_context_are_answered_0122, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 50000);
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, CT_STORAGE, "1.2.3", &set), 0x0122);
    cr_assert_eq(scu_store(&scu, ECHO_CONTEXT, MR_STORAGE, "1.2.3", &set), 0x0122);
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, "", "1.2.3", &set), 0x0122);
    cr_expect(receiver_logged_times(&site.receiver, ": instance 1.2.3: C-STORE answered 0122: SOP class", 3,
                                    PATIENCE_MS));
    expect_files(&site, 0);
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set), 0);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    site_end(&site);
}

Test(messages, that_store_no_data_set_are_answered_c000, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    bytes_t command = scu_command(C_STORE, MR_STORAGE, 5, false), set = instance(1, 500);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    expect_response(&scu, 0xC000, C_STORE, 5);
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set), 0);
    cr_assert(scu_release(&scu));
    bytes_free(&command);
    bytes_free(&set);
    site_end(&site);
}

/* --- command sets ------------------------------------------------------------------------------------------ */

/* An element unchanged: nothing is padded. */
static void add_raw(bytes_t *command, uint16_t element, const void *value, size_t size) {
    const uint8_t header[] = {0, 0, (uint8_t)element, (uint8_t)(element >> 8), (uint8_t)size, 0, 0, 0};
    bytes_add(command, header, sizeof header);
    bytes_add(command, value, size);
}

/* A C-STORE-RQ; `group_length` -1: none. */
static bytes_t store_command(int group_length, const char *padding, size_t padding_size, bool moved) {
    char uid[128];
    memcpy(uid, MR_STORAGE, strlen(MR_STORAGE));
    memcpy(uid + strlen(MR_STORAGE), padding, padding_size);
    bytes_t command = {0};
    if (group_length >= 0)
        add_raw(&command, 0x0000, (uint8_t[]){(uint8_t)group_length, (uint8_t)(group_length >> 8), 0, 0}, 4);
    add_raw(&command, 0x0002, uid, strlen(MR_STORAGE) + padding_size);
    add_raw(&command, 0x0100, "\1\0", 2);
    add_raw(&command, 0x0110, "\x34\x12", 2);
    add_raw(&command, 0x0700, "\0\0", 2);
    add_raw(&command, 0x0800, "\0\0", 2);
    add_raw(&command, 0x1000, "1.2.3", 5);
    if (moved) {
        add_raw(&command, 0x1030, "ORIGINATOR", 10);
        add_raw(&command, 0x1031, "\x78\x56", 2);
    }
    return command;
}

static void expect_taken(site_t *site, bytes_t command, const char *what) {
    scu_t scu = site_associate(site);
    bytes_t set = instance(1, 500);
    char sop_class[128], sop_instance[128];
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_DATA, set.at, set.size));
    cr_assert_eq(scu_status(&scu), 0, "%s", what);
    cr_assert_eq(scu_response_number(&scu, 0x0120), 0x1234, "%s", what);
    cr_assert(scu_response_text(&scu, 0x0002, sop_class) && scu_response_text(&scu, 0x1000, sop_instance));
    cr_assert_str_eq(sop_class, MR_STORAGE, "%s", what);
    cr_assert_str_eq(sop_instance, "1.2.3", "%s", what);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    bytes_free(&command);
}

Test(messages, with_unusual_command_sets_are_stored, .timeout = PATIENCE_S) {
    site_t site = site_start();
    expect_taken(&site, store_command(0, "", 0, true), "Move Originator, group length 0");
    expect_taken(&site, store_command(60000, "\0", 1, false), "group length too long, padded with NUL");
    expect_taken(&site, store_command(-1, " ", 1, false), "no group length, padded with a space");
    expect_taken(&site, store_command(-1, "\0 \0\0 ", 5, true), "padded with more than that");
    expect_taken(&site, store_command(-1, "", 0, false), "values of odd length");
    site_end(&site);
}
