#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "listener/dimse/dimse.h"

#define CT "1.2.840.10008.5.1.4.1.1.2"

/* C-STORE-RQ: group length, affected SOP class (padded with NUL), command field, message id, priority, data set
 * type, affected SOP instance (padded with a space). */
static const uint8_t STORE[] = "\0\0\0\0\4\0\0\0\x5c\0\0\0"
                               "\0\0\2\0\x1a\0\0\0" CT "\0"
                               "\0\0\0\1\2\0\0\0\1\0"
                               "\0\0\x10\1\2\0\0\0\x34\x12"
                               "\0\0\0\7\2\0\0\0\0\0"
                               "\0\0\0\x08\2\0\0\0\0\0"
                               "\0\0\0\x10\6\0\0\0"
                               "1.2.3 ";
#define STORE_SIZE (sizeof STORE - 1)

Test(command, is_read_with_its_uids_without_padding) {
    command_t c;
    cr_assert(command_read(&c, STORE, STORE_SIZE));
    cr_assert_eq(c.field, C_STORE_RQ);
    cr_assert_eq(c.message_id, 0x1234);
    cr_assert(c.has_data_set);
    cr_assert_str_eq(c.affected_sop_class_uid, CT);
    cr_assert_str_eq(c.affected_sop_instance_uid, "1.2.3");
    command_clear(&c);
}

Test(command, has_uids_that_end_at_a_nul_and_at_the_blanks_before_it) {
    static const uint8_t set[] = "\0\0\0\1\2\0\0\0\1\0"
                                 "\0\0\0\x10\x08\0\0\0"
                                 "1.2 \0 .3";
    command_t c;
    cr_assert(command_read(&c, set, sizeof set - 1));
    cr_assert_str_eq(c.affected_sop_instance_uid, "1.2");
    command_clear(&c);
}

Test(command, is_refused_when_cut_within_an_element) {
    for (size_t size = 0; size < STORE_SIZE; size++) {
        command_t c;
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, STORE, size);
        bool read = command_read(&c, copy, size);
        /* Whole elements up to the command field are a command of their own. */
        cr_assert(!read || size == 56 || size == 66 || size == 76 || size == 86, "%zu bytes", size);
        command_clear(&c);
        free(copy);
    }
}

Test(command, without_a_command_field_is_refused) {
    command_t c;
    cr_assert_not(command_read(&c, STORE, 12));
    command_clear(&c);
    cr_assert_not(command_read(&c, STORE, 0));
    command_clear(&c);
}

/* Joins the PDVs of P-DATA PDUs and checks their lengths. */
static size_t join(const pdu_t *pdu, uint8_t *set, size_t limit) {
    size_t at = 0, size = 0;
    while (at < pdu->size) {
        const uint8_t *p = pdu->bytes + at;
        size_t pdu_length = (size_t)p[4] << 8 | p[5], pdv_length = (size_t)p[8] << 8 | p[9];
        cr_assert_eq(p[0], PDU_P_DATA);
        cr_assert_eq(pdu_length, pdv_length + 4);
        cr_assert(limit == 0 || pdu_length <= limit, "%zu", pdu_length);
        at += PDU_HEADER_BYTES + pdu_length;
        cr_assert_eq(p[11], at == pdu->size ? 3 : 1);
        memcpy(set + size, p + 12, pdv_length - 2);
        size += pdv_length - 2;
    }
    return size;
}

Test(response, carries_status_offending_element_and_comment) {
    command_t c;
    cr_assert(command_read(&c, STORE, STORE_SIZE));
    pdu_t pdu = response_build(&c, (response_t){STATUS_CANNOT_UNDERSTAND, 0x00080020, "no StudyDate"}, 5, 0);
    cr_assert_eq(pdu.bytes[10], 5);
    uint8_t set[1024];
    size_t size = join(&pdu, set, 0);
    cr_assert_eq((size_t)(set[8] | set[9] << 8) + 12, size, "group length");
    static const uint8_t status[] = {0, 0, 0, 9, 2, 0, 0, 0, 0, 0xC0, 0, 0, 1, 9, 4, 0, 0, 0, 8, 0, 0x20, 0};
    cr_assert_not_null(memmem(set, size, status, sizeof status));
    cr_assert_not_null(memmem(set, size, "no StudyDate", 12));
    static const uint8_t field[] = {0, 0, 0, 1, 2, 0, 0, 0, 1, 0x80, 0, 0, 0x20, 1, 2, 0, 0, 0, 0x34, 0x12};
    cr_assert_not_null(memmem(set, size, field, sizeof field));
    free(pdu.bytes);
    command_clear(&c);
}

Test(response, keeps_to_the_maximum_length_of_the_peer) {
    command_t c;
    cr_assert(command_read(&c, STORE, STORE_SIZE));
    uint8_t whole[1024], cut[1024];
    pdu_t one = response_build(&c, (response_t){.status = STATUS_SUCCESS}, 1, 0);
    size_t size = join(&one, whole, 0);
    static const uint32_t limits[] = {7, 8, 64, 100, 16384};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        pdu_t pdu = response_build(&c, (response_t){.status = STATUS_SUCCESS}, 1, limits[i]);
        cr_assert_eq(join(&pdu, cut, limits[i]), size);
        cr_assert_arr_eq(whole, cut, size);
        free(pdu.bytes);
    }
    free(one.bytes);
    command_clear(&c);
}

Test(response, cuts_a_comment_to_64_bytes) {
    command_t c;
    cr_assert(command_read(&c, STORE, STORE_SIZE));
    char comment[101] = {0};
    memset(comment, 'x', 100);
    pdu_t pdu = response_build(&c, (response_t){STATUS_CANNOT_UNDERSTAND, 0, comment}, 1, 0);
    uint8_t set[1024];
    size_t size = join(&pdu, set, 0);
    cr_assert_not_null(memmem(set, size, comment, 64));
    cr_assert_null(memmem(set, size, comment, 65));
    free(pdu.bytes);
    command_clear(&c);
}
