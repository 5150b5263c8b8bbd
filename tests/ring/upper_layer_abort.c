/* Illegal input, each answered by the right A-ABORT and nothing else going wrong. */
#include <stdlib.h>
#include <string.h>

#include "tests/ring/upper_layer.h"

/* PS3.8 table 9-26: source 2, the provider, and its reasons. */
enum { UNRECOGNIZED = 0x201, UNEXPECTED = 0x202, INVALID = 0x206 };

/* Bytes of a whole PDU or more, and the A-ABORT that answers them. */
typedef struct violation {
    const char *what;
    int answer;
    const char *bytes;
    size_t size;
} violation_t;

#define BYTES(literal) literal, sizeof literal - 1

static const violation_t BEFORE_AN_ASSOCIATION[] = {
    {"PDU of type 0", UNRECOGNIZED, BYTES("\0\0\0\0\0\4\0\0\0\0")},
    {"PDU of type 8", UNRECOGNIZED, BYTES("\10\0\0\0\0\4\0\0\0\0")},
    {"HTTP", UNRECOGNIZED, BYTES("GET / HTTP/1.1\r\n\r\n")},
    {"A-ASSOCIATE-AC", UNEXPECTED, BYTES("\2\0\0\0\0\4\0\0\0\0")},
    {"A-ASSOCIATE-RJ", UNEXPECTED, BYTES("\3\0\0\0\0\4\0\1\1\1")},
    {"P-DATA", UNEXPECTED, BYTES("\4\0\0\0\0\7\0\0\0\3\1\3x")},
    {"A-RELEASE-RQ", UNEXPECTED, BYTES("\5\0\0\0\0\4\0\0\0\0")},
    {"A-RELEASE-RP", UNEXPECTED, BYTES("\6\0\0\0\0\4\0\0\0\0")},
    {"A-ASSOCIATE-RQ without anything", INVALID, BYTES("\1\0\0\0\0\0")},
    {"A-ASSOCIATE-RQ that ends before its titles", INVALID, BYTES("\1\0\0\0\0\12\0\1\0\0ABCDEF")},
    {"A-ASSOCIATE-RQ of 4 GiB", INVALID, BYTES("\1\0\xFF\xFF\xFF\xFF\0\1")},
};

static const violation_t ON_AN_ASSOCIATION[] = {
    {"PDU of type 0", UNRECOGNIZED, BYTES("\0\0\0\0\0\4\0\0\0\0")},
    {"PDU of type 255", UNRECOGNIZED, BYTES("\xFF\0\0\0\0\4\0\0\0\0")},
    {"second A-ASSOCIATE-RQ", UNEXPECTED, BYTES("\1\0\0\0\0\4\0\1\0\0")},
    {"A-ASSOCIATE-AC", UNEXPECTED, BYTES("\2\0\0\0\0\4\0\0\0\0")},
    {"A-ASSOCIATE-RJ", UNEXPECTED, BYTES("\3\0\0\0\0\4\0\1\1\1")},
    {"A-RELEASE-RP", UNEXPECTED, BYTES("\6\0\0\0\0\4\0\0\0\0")},
    {"A-RELEASE-RQ of 4 GiB", INVALID, BYTES("\5\0\xFF\xFF\xFF\xFF")},
    {"PDV of length 0", INVALID, BYTES("\4\0\0\0\0\6\0\0\0\0\1\2")},
    {"PDV of length 1", INVALID, BYTES("\4\0\0\0\0\6\0\0\0\1\1\2")},
    {"PDV longer than its PDU by one", INVALID, BYTES("\4\0\0\0\0\7\0\0\0\4\1\2x")},
    {"PDV of 4 GiB", INVALID, BYTES("\4\0\0\0\0\7\xFF\xFF\xFF\xFF\1\2x")},
    {"PDU too short for a PDV", INVALID, BYTES("\4\0\0\0\0\3\0\0\0\1\1\2")},
    {"context that was refused", INVALID, BYTES("\4\0\0\0\0\7\0\0\0\3\5\1x")},
    {"context that was not proposed", INVALID, BYTES("\4\0\0\0\0\7\0\0\0\3\7\1x")},
    {"context of an even id", INVALID, BYTES("\4\0\0\0\0\7\0\0\0\3\2\1x")},
};

/* Commands and data sets that only make a difference between messages. */
static const violation_t BETWEEN_MESSAGES[] = {
    {"PDU with a byte behind its last PDV", INVALID, BYTES("\4\0\0\0\0\11\0\0\0\4\1\1xyz")},
    {"PDU with five bytes behind its last PDV", INVALID, BYTES("\4\0\0\0\0\13\0\0\0\2\1\1zzzzz")},
    {"data set without a command", UNEXPECTED, BYTES("\4\0\0\0\0\7\0\0\0\3\1\2x")},
    {"empty data set without a command", UNEXPECTED, BYTES("\4\0\0\0\0\6\0\0\0\2\1\2")},
    {"data set within a command", UNEXPECTED, BYTES("\4\0\0\0\0\16\0\0\0\3\1\1x\0\0\0\3\1\2x")},
    {"command that changes its context", UNEXPECTED, BYTES("\4\0\0\0\0\16\0\0\0\3\1\1x\0\0\0\3\3\3x")},
    {"empty command", INVALID, BYTES("\4\0\0\0\0\6\0\0\0\2\1\3")},
    {"command cut within a tag", INVALID, BYTES("\4\0\0\0\0\11\0\0\0\5\1\3\0\0\0")},
    {"command cut within a length", INVALID, BYTES("\4\0\0\0\0\14\0\0\0\10\1\3\0\0\0\1\2\0")},
    {"command cut within a value", INVALID, BYTES("\4\0\0\0\0\17\0\0\0\13\1\3\0\0\0\1\2\0\0\0\1")},
    {"command with an element of 4 GiB", INVALID, BYTES("\4\0\0\0\0\20\0\0\0\14\1\3\0\0\0\1\xFF\xFF\xFF\xFF\1\0")},
    {"command without a command field", INVALID, BYTES("\4\0\0\0\0\20\0\0\0\14\1\3\0\0\x10\1\2\0\0\0\1\0")},
    {"command with a command field of one byte", INVALID, BYTES("\4\0\0\0\0\17\0\0\0\13\1\3\0\0\0\1\1\0\0\0\1")},
};

#define EACH(list, v) for (const violation_t *v = (list); v < (list) + sizeof(list) / sizeof *(list); v++)

/* Sends it and expects the A-ABORT, then the end. */
static void violate(scu_t *scu, const violation_t *v) {
    cr_assert(scu_send(scu, v->bytes, v->size));
    int answer = scu_aborted(scu);
    cr_assert_eq(answer, v->answer, "%s: %03x", v->what, (unsigned)answer);
    scu_close(scu);
}

/* A connection within an object; the writer has half of it. */
static scu_t within_an_object(const site_t *site, const bytes_t *set) {
    scu_t scu = site_associate(site);
    bytes_t command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, DATA, set->at, 200000));
    bytes_free(&command);
    return scu;
}

Test(aborts, answer_what_must_not_come_before_an_association, .timeout = PATIENCE_S) {
    site_t site = site_start();
    bytes_t set = instance(1, 500);
    EACH(BEFORE_AN_ASSOCIATION, v) {
        scu_t scu = {0};
        cr_assert(scu_connect(&scu, site.receiver.port));
        violate(&scu, v);
    }
    expect_service(&site, &set);
    bytes_free(&set);
    site_end(&site);
}

Test(aborts, answer_what_must_not_come_on_an_association, .timeout = PATIENCE_S) {
    site_t site = site_start();
    bytes_t set = instance(1, 500);
    EACH(ON_AN_ASSOCIATION, v) {
        scu_t scu = site_associate(&site);
        violate(&scu, v);
    }
    EACH(BETWEEN_MESSAGES, v) {
        scu_t scu = site_associate(&site);
        violate(&scu, v);
    }
    expect_service(&site, &set);
    bytes_free(&set);
    site_end(&site);
}

Test(aborts, within_an_object_leave_nothing_of_it, .timeout = PATIENCE_S) {
    static const violation_t within[] = {
        {"PDU with a byte behind its last PDV", INVALID, BYTES("\4\0\0\0\0\11\0\0\0\4\1\0xyz")},
        {"command within a data set", UNEXPECTED, BYTES("\4\0\0\0\0\7\0\0\0\3\1\3x")},
        {"data set that changes its context", UNEXPECTED, BYTES("\4\0\0\0\0\7\0\0\0\3\3\2x")},
    };
    site_t site = site_start();
    bytes_t set = instance(1, 300000);
    EACH(within, v) {
        scu_t scu = within_an_object(&site, &set);
        violate(&scu, v);
    }
    EACH(ON_AN_ASSOCIATION, v) {
        scu_t scu = within_an_object(&site, &set);
        violate(&scu, v);
    }
    expect_files(&site, 0);
    expect_service(&site, &set);
    expect_files(&site, 1);
    bytes_free(&set);
    site_end(&site);
}

Test(aborts, answer_a_command_set_longer_than_any_legal_one, .timeout = PATIENCE_S) {
    site_t site = site_start();
    scu_t scu = site_associate(&site);
    static const uint8_t zeros[20000];
    cr_assert(scu_p_data(&scu, MR_CONTEXT, COMMAND, zeros, 10000));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, COMMAND, zeros, 10000));
    cr_assert_eq(scu_aborted(&scu), INVALID);
    scu_close(&scu);
    site_end(&site);
}

#define FIXED_PART_BYTES 68 /* before the items, PS3.8 table 9-11 */

/* Whether the first `size` bytes of a request's body end with an item. */
static bool ends_with_an_item(const bytes_t *rq, size_t size) {
    size_t at = FIXED_PART_BYTES;
    for (const uint8_t *item = rq->at + 6; at < size;)
        at += 4 + ((size_t)item[at + 2] << 8 | item[at + 3]);
    return at == size;
}

Test(aborts, answer_a_request_cut_off_within_an_item, .timeout = PATIENCE_S) {
    static const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE, IMPLICIT_LE}};
    site_t site = site_start();
    bytes_t rq = scu_associate_rq(&(scu_request_t){.contexts = &context, .contexts_count = 1}),
            set = instance(1, 500);
    size_t whole = 0;
    for (size_t size = FIXED_PART_BYTES + 1; size < rq.size - 6; size++) {
        scu_t scu = {0};
        cr_assert(scu_connect(&scu, site.receiver.port));
        cr_assert(scu_send_pdu(&scu, ASSOCIATE_RQ, rq.at + 6, size));
        if (ends_with_an_item(&rq, size))
            whole += scu_read(&scu) && scu.type == ASSOCIATE_AC;
        else
            cr_assert_eq(scu_aborted(&scu), INVALID, "%zu bytes", size);
        scu_close(&scu);
    }
    cr_assert_eq(whole, 2, "without user information, and without contexts");
    expect_service(&site, &set);
    bytes_free(&rq);
    bytes_free(&set);
    site_end(&site);
}

/* The state of PS3.8 that waits for the last answers before the A-RELEASE-RP. */
Test(aborts, answer_what_comes_behind_a_release_request_and_the_pending_object_is_kept, .timeout = PATIENCE_S) {
    static const violation_t behind[] = {
        {"P-DATA", UNEXPECTED, BYTES("\4\0\0\0\0\7\0\0\0\3\1\3x")},
        {"second A-RELEASE-RQ", UNEXPECTED, BYTES("\5\0\0\0\0\4\0\0\0\0")},
        {"A-ASSOCIATE-RQ", UNEXPECTED, BYTES("\1\0\0\0\0\4\0\1\0\0")},
        {"PDU of type 9", UNRECOGNIZED, BYTES("\11\0\0\0\0\4\0\0\0\0")},
    };
    site_t site = site_start();
    bytes_t set = instance(1, 500);
    site_hold(&site, "notifier");
    EACH(behind, v) {
        scu_t scu = site_associate(&site);
        cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
        cr_assert(scu_send_release(&scu));
        violate(&scu, v);
    }
    site_go_on(&site, "notifier");
    expect_stored_soon(&site, &set); /* nobody has said that it is */
    expect_files(&site, 1);
    bytes_free(&set);
    site_end(&site);
}
