#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ul/negotiation.h"
#include "listener/ul/uids.h"
#include "tests/listener/ul/request.h"

static const char *const BOTH[] = {J2K, ELE, NULL};

typedef struct negotiated {
    answered_context_t answers[PRESENTATION_CONTEXTS_MAX];
    presentation_contexts_t accepted;
    size_t proposed, count;
} negotiated_t;

static negotiated_t *negotiated(request_t *r, negotiation_policy_t policy) {
    negotiated_t *o = calloc(1, sizeof *o);
    associate_rq_t rq;
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    cr_assert_leq(rq.contexts_count, PRESENTATION_CONTEXTS_MAX);
    o->proposed = rq.contexts_count;
    o->count = negotiate(&rq, policy, o->answers, o->accepted);
    associate_rq_clear(&rq);
    free(r);
    return o;
}

static void outcome_free(negotiated_t *o) {
    presentation_contexts_clear(o->accepted);
    free(o);
}

/* --- negotiation --------------------------------------------------------------------------------------- */

Test(negotiation, takes_the_first_acceptable_transfer_syntax_of_the_proposer) {
    request_t *r = request_begin();
    request_context(r, 1, CT, BOTH);
    negotiated_t *o = negotiated(r, (negotiation_policy_t){0});
    cr_assert_eq(o->count, 1);
    cr_assert_str_eq(o->accepted[1].transfer_syntax, J2K);
    outcome_free(o);
}

Test(negotiation, takes_native_syntaxes_only_when_told_so) {
    request_t *r = request_begin();
    request_context(r, 1, CT, BOTH);
    request_context(r, 3, CT, (const char *const[]){J2K, NULL});
    request_context(r, 5, CT, (const char *const[]){"1.2.840.10008.1.2.1.99", NULL});
    negotiated_t *o = negotiated(r, (negotiation_policy_t){.uncompressed_only = true});
    cr_assert_str_eq(o->accepted[1].transfer_syntax, ELE);
    cr_assert_eq(o->answers[1].result, CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED);
    cr_assert_eq(o->answers[2].result, CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED);
    outcome_free(o);
}

Test(negotiation, takes_unknown_abstract_syntaxes_only_when_promiscuous) {
    for (int promiscuous = 0; promiscuous <= 1; promiscuous++) {
        request_t *r = request_begin();
        request_context(r, 1, "1.2.3.4", BOTH);
        negotiated_t *o = negotiated(r, (negotiation_policy_t){.promiscuous = promiscuous});
        cr_assert_eq(o->answers[0].result, promiscuous ? CONTEXT_ACCEPTED : CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED);
        outcome_free(o);
    }
}

Test(negotiation, answers_a_context_without_transfer_syntax_or_abstract_syntax) {
    request_t *r = request_begin();
    request_context(r, 1, CT, NULL);
    request_context(r, 3, NULL, BOTH);
    negotiated_t *o = negotiated(r, (negotiation_policy_t){.promiscuous = true});
    cr_assert_eq(o->answers[0].result, CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED);
    cr_assert_eq(o->answers[1].result, CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED);
    outcome_free(o);
}

Test(negotiation, refuses_the_second_context_of_an_id_and_even_ids) {
    request_t *r = request_begin();
    request_context(r, 1, CT, (const char *const[]){ELE, NULL});
    request_context(r, 1, CT, (const char *const[]){J2K, NULL});
    request_context(r, 2, CT, BOTH);
    negotiated_t *o = negotiated(r, (negotiation_policy_t){0});
    cr_assert_eq(o->count, 1);
    cr_assert_str_eq(o->accepted[1].transfer_syntax, ELE);
    cr_assert_eq(o->answers[1].result, CONTEXT_NO_REASON);
    cr_assert_eq(o->answers[2].result, CONTEXT_NO_REASON);
    outcome_free(o);
}

Test(negotiation, answers_more_than_128_contexts) {
    request_t *r = request_begin();
    for (int i = 0; i < 200; i++)
        request_context(r, (uint8_t)(2 * i + 1), CT, BOTH);
    negotiated_t *o = negotiated(r, (negotiation_policy_t){0});
    cr_assert_eq(o->proposed, 200);
    cr_assert_eq(o->count, 128);
    outcome_free(o);
}

/* 65 characters; the longest legal UID has 64 (PS3.5 9.1). */
#define LONG_UID "11.23333333333333333333333333333333333333333333333333333333333333"

Test(negotiation, refuses_uids_over_64_characters_and_takes_those_of_64) {
    request_t *r = request_begin();
    request_context(r, 1, LONG_UID, BOTH);
    request_context(r, 3, CT, (const char *const[]){LONG_UID, NULL});
    request_context(r, 5, CT, (const char *const[]){LONG_UID, ELE, NULL});
    request_context(r, 7, &LONG_UID[1], BOTH);
    negotiated_t *o = negotiated(r, (negotiation_policy_t){.promiscuous = true});
    cr_assert_eq(o->answers[0].result, CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED);
    cr_assert_eq(o->answers[1].result, CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED);
    cr_assert_str_eq(o->accepted[5].transfer_syntax, ELE);
    cr_assert_eq(strlen(o->accepted[7].abstract_syntax), UID_MAX_BYTES);
    outcome_free(o);
}

Test(negotiation, knows_uids_padded_with_nul_or_space) {
    request_t *r = request_begin();
    uint8_t body[] = "\1\0\0\0\x30\0\0\x1A" CT "\0\x40\0\0\x14" ELE " ";
    request_item(r, 0x20, body, 4 + 4 + 26 + 4 + 20);
    negotiated_t *o = negotiated(r, (negotiation_policy_t){0});
    cr_assert_eq(o->count, 1);
    cr_assert_str_eq(o->accepted[1].abstract_syntax, CT);
    outcome_free(o);
}

Test(negotiation, serves_verification_alone_at_any_time) {
    associate_rq_t rq;
    request_t *r = request_begin();
    request_context(r, 1, VERIFICATION_SOP_CLASS, BOTH);
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    cr_assert(proposes_only_verification(&rq));
    associate_rq_clear(&rq);
    request_context(r, 3, CT, BOTH);
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    cr_assert_not(proposes_only_verification(&rq));
    associate_rq_clear(&rq);
    free(r);
}

/* --- requests ------------------------------------------------------------------------------------------ */

Test(associate_rq, is_refused_when_cut_anywhere_within_an_item) {
    request_t *r = request_begin();
    size_t fixed = 68, application = r->size;
    request_context(r, 1, CT, BOTH);
    for (size_t size = 0; size < r->size; size++) {
        associate_rq_t rq;
        uint8_t *copy = malloc(size ? size : 1); /* so that a sanitizer sees every byte too many */
        memcpy(copy, r->bytes, size);
        bool read = associate_rq_read(&rq, copy, size);
        cr_assert_eq(read, size == fixed || size == application, "%zu bytes", size);
        associate_rq_clear(&rq);
        free(copy);
    }
    free(r);
}

Test(associate_rq, counts_the_contexts_that_are_too_many_and_keeps_none_of_them) {
    request_t *r = request_begin();
    for (int i = 0; i < PRESENTATION_CONTEXTS_MAX + 100; i++)
        request_context(r, 1, CT, NULL);
    uint8_t *copy = malloc(r->size); /* so that a sanitizer sees every byte too many */
    memcpy(copy, r->bytes, r->size);
    associate_rq_t rq;
    cr_assert(associate_rq_read(&rq, copy, r->size));
    cr_assert_eq(rq.contexts_count, PRESENTATION_CONTEXTS_MAX + 100);
    cr_assert_eq(rq.contexts[PRESENTATION_CONTEXTS_MAX - 1].id, 1);
    associate_rq_clear(&rq);
    free(copy);
    free(r);
}

Test(associate_rq, has_titles_without_padding_as_utf8) {
    request_t *r = request_begin();
    memcpy(r->bytes + 4 + 16, "  \xFCni code\0\0\0\0\0\0", 16);
    associate_rq_t rq;
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    char *called = associate_rq_title(&rq, 0), *calling = associate_rq_title(&rq, 1);
    cr_assert_str_eq(called, "CALLED");
    cr_assert_str_eq(calling, "\xC3\xBCni code");
    free(called);
    free(calling);
    associate_rq_clear(&rq);
    free(r);
}

Test(associate_ac, echoes_the_titles_and_answers_each_context) {
    request_t *r = request_begin();
    request_context(r, 1, CT, BOTH);
    request_context(r, 3, "1.2.3", BOTH);
    associate_rq_t rq;
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    presentation_contexts_t accepted = {0};
    answered_context_t answers[2];
    negotiate(&rq, (negotiation_policy_t){0}, answers, accepted);
    pdu_t ac = associate_ac_build(&rq, answers, (allowance_t){131072, 16});
    cr_assert_eq(ac.bytes[0], PDU_ASSOCIATE_AC);
    cr_assert_eq(((size_t)ac.bytes[4] << 8 | ac.bytes[5]) + PDU_HEADER_BYTES, ac.size);
    cr_assert_arr_eq(ac.bytes + 10, r->bytes + 4, 64);
    free(ac.bytes);
    presentation_contexts_clear(accepted);
    associate_rq_clear(&rq);
    free(r);
}

Test(uids, are_well_formed_and_listed_once) {
    for (size_t i = 0; i < STORAGE_SOP_CLASSES_COUNT; i++) {
        const char *uid = STORAGE_SOP_CLASSES[i].uid;
        cr_assert(strspn(uid, "0123456789.") == strlen(uid) && strlen(uid) <= UID_MAX_BYTES, "%s", uid);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(uid, STORAGE_SOP_CLASSES[j].uid);
    }
    for (size_t i = 0; i < TRANSFER_SYNTAXES_COUNT; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(TRANSFER_SYNTAXES[i].uid, TRANSFER_SYNTAXES[j].uid);
}
