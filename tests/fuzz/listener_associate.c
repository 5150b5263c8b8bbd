/* A-ASSOCIATE-RQ: reading, negotiation, A-ASSOCIATE-AC. Input: a byte of policy, then the request without its
 * header. */
#include <string.h>

#include "listener/ul/negotiation.h"
#include "tests/fuzz/fuzz.h"

enum { PROMISCUOUS = 1, UNCOMPRESSED_ONLY = 2 };

/* The answer is a PDU, filled exactly by its items. */
static void check_accept(const pdu_t *ac, size_t contexts) {
    reader_t r = reader_over(ac->bytes, ac->size), part;
    uint8_t type, reserved;
    uint32_t length;
    uint16_t item;
    CHECK(reader_u8(&r, &type) && type == PDU_ASSOCIATE_AC && reader_u8(&r, &reserved) &&
          reader_u32_be(&r, &length) && length == reader_left(&r) && reader_take(&r, 68));
    size_t answered = 0;
    while (reader_left(&r) > 0) {
        CHECK(reader_u8(&r, &type) && reader_u8(&r, &reserved) && reader_u16_be(&r, &item) &&
              reader_part(&r, item, &part));
        answered += type == 0x21;
    }
    CHECK(answered == contexts);
}

static void negotiate_and_answer(const associate_rq_t *rq, uint8_t policy) {
    answered_context_t *answers = calloc(rq->contexts_count + 1, sizeof *answers);
    presentation_contexts_t accepted = {0};
    size_t count =
        negotiate(rq, (negotiation_policy_t){policy & PROMISCUOUS, policy & UNCOMPRESSED_ONLY}, answers, accepted);
    size_t kept = 0;
    for (size_t id = 0; id < 256; id++)
        if (accepted[id].abstract_syntax) {
            CHECK((id & 1) && accepted[id].transfer_syntax);
            kept++;
        }
    CHECK(kept == count);
    for (size_t i = 0; i < rq->contexts_count; i++)
        count -= answers[i].result == CONTEXT_ACCEPTED;
    CHECK(count == 0);
    pdu_t ac = associate_ac_build(rq, answers, (allowance_t){.max_pdu_length = 131072, .operations_max = 16});
    check_accept(&ac, rq->contexts_count);
    free(ac.bytes);
    presentation_contexts_clear(accepted);
    free(answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    associate_rq_t rq;
    if (associate_rq_read(&rq, data + 1, size - 1)) {
        char *called = associate_rq_title(&rq, 0), *calling = associate_rq_title(&rq, 1);
        CHECK(strlen(called) <= 2 * AE_TITLE_BYTES && strlen(calling) <= 2 * AE_TITLE_BYTES);
        free(called);
        free(calling);
        (void)proposes_only_verification(&rq);
        if (rq.contexts_count <= PRESENTATION_CONTEXTS_MAX) /* others are rejected */
            negotiate_and_answer(&rq, data[0]);
    }
    associate_rq_clear(&rq);
    return 0;
}
